"""Dashboards: what is committed is what the code makes, and asks for nothing that the river does not tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from charts.monitoring.__main__ import CHART, DASHBOARDS, files
from charts.monitoring.alerts import ALERTS
from charts.monitoring.dashboard import HEIGHT, WIDTH, Dashboard
from tests.charts.declared import (
    ADDED,
    LAUNCHER,
    TRAINER,
    declared,
    kept,
    selectors,
    strangers,
)

MADE = [pytest.param(one, id=one.name) for one in DASHBOARDS]
DECLARED = declared()
QUERIES = [
    *((f"{d.name}: {p.title}", q.expr, q.legend) for d in DASHBOARDS for p in d.panels for q in p.queries),
    *((a.name, a.expr, f"{a.summary} {a.says}") for a in ALERTS),
]


def test_there_is_something_to_be_held_to() -> None:
    """Prevents the tests below from passing over nothing."""
    assert len(QUERIES) > 70
    assert {one.name for one in DASHBOARDS} == {
        "river", "cleaning", "dedup", "mix", "parts", "triton", "training",
    }  # fmt: skip
    assert "corpusworks_documents_total" in DECLARED


def test_what_is_committed_is_what_is_made() -> None:
    """Prevents a panel that was changed by hand, or in the code alone; `make dashboards` mends it."""
    made = files()
    found = {*CHART.glob("dashboards/*"), *CHART.glob("rules/*")}
    assert {str(path.relative_to(CHART)) for path in found} == set(made)
    for path, text in made.items():
        assert (CHART / path).read_text() == text, f"{path}: run `make dashboards`"


@pytest.mark.parametrize(("where", "expr", "shown"), QUERIES)
def test_nothing_is_asked_that_the_code_does_not_tell(where: str, expr: str, shown: str) -> None:
    """Prevents a panel that is empty, an alert that is silent, for ever: its metric has another name."""
    named = selectors(expr)
    assert named
    assert not strangers(expr)
    labels = set(ADDED)
    for metric, matched in named:
        for family in (LAUNCHER, TRAINER):
            if metric.startswith(family) and not any(name.startswith(family) for name in DECLARED):
                pytest.skip(f"{family}* is not declared in this checkout")
        assert metric in DECLARED
        assert matched <= DECLARED[metric] | ADDED
        labels |= DECLARED[metric]
    assert kept(expr) <= labels
    legend = set(re.findall(r"\{\{ *(?:\$labels\.)?(\w+) *\}\}", shown))
    assert legend <= kept(expr), "a label that is summed away"


@pytest.mark.parametrize("dashboard", MADE)
def test_each_is_laid_out_and_says_what_it_shows(dashboard: Dashboard) -> None:
    """Prevents panels over one another, two of one id, and a number that nobody can read."""
    made = dashboard.json
    assert made["uid"] == f"corpusworks-{dashboard.name}"
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 6
    assert len({panel["title"] for panel in panels}) == len(panels)
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}
    assert len(places) == len(panels)
    assert all(x % WIDTH == 0 and x < 24 and y % HEIGHT == 0 for x, y in places)
    for panel in panels:
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("dashboard", MADE)
def test_every_query_keeps_to_the_chosen_namespace(dashboard: Dashboard) -> None:
    """Prevents two rivers in one cluster from being added up."""
    for query in (query for panel in dashboard.panels for query in panel.queries):
        assert query.expr.count('namespace=~"$namespace"') == len(selectors(query.expr))


@pytest.mark.parametrize("dashboard", MADE)
def test_each_keeps_to_the_schema_of_grafana(dashboard: Dashboard) -> None:
    """Prevents a field that Grafana does not know, which it would pass over in silence.

    Its own types (grafana-foundation-sdk, which is made from Grafana's schemas) read the file and write it
    again: what they don't know is lost on the way.
    """
    pytest.importorskip("grafana_foundation_sdk")
    given = json.loads((CHART / f"dashboards/{dashboard.name}.json").read_text())
    assert list(lost(given, _through_grafana(given))) == []
    for place in ([], ["panels", 0], ["panels", 0, "targets", 0], ["panels", 0, "fieldConfig", "defaults"]):
        spoilt = json.loads(json.dumps(given))
        inside = spoilt
        for step in place:
            inside = inside[step]
        inside["unheard_of"] = 1
        assert len(list(lost(spoilt, _through_grafana(spoilt)))) == 1


def _through_grafana(dashboard: dict[str, Any]) -> Any:
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(json.dumps(dashboard)))))


def lost(given: Any, back: Any, path: str = "") -> Iterator[str]:
    """Places whose value is not there any more, or another."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            yield from lost(value, back[key], f"{path}.{key}") if key in back else [f"{path}.{key}"]
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from lost(one, other, f"{path}[{number}]")
    elif given != back:
        yield path
