"""Both judges without a server, as `corpusworks apply classifier scorer` runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts import Document
from services.runtime import Resources, load_settings
from services.runtime.apply import apply
from services.runtime.topology import Topology
from services.scorer import Census, ScorerConfig
from tests import tiny_model


def applied(
    units: list[str], rows: list[dict[str, str]], models: Path, **scorer: object
) -> list[dict[str, Any]]:
    settings = load_settings(
        units={
            "classifier": {"models": str(models), "min_probability": "0"},
            "scorer": {"models": str(models), **scorer},
        }
    )

    def open_file(path: str) -> Document:
        raise AssertionError(path)

    lines = (json.dumps(row) for row in rows)
    found = apply(units, lines, Resources(settings), Topology.load(None, ["zh", "en"]), open_file)
    return [json.loads(line) for line in found]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_model.make(folder)
    return folder


def test_the_judges_run_without_servers(models: Path, tmp_path: Path) -> None:
    """Prevents a person from needing Triton and Redis to try a threshold."""
    rows = [{"id": str(n), "text": f"The tide number {n} came in and went out again."} for n in range(300)]
    keep = json.dumps([{"share": 0.4}])
    census = Census(ScorerConfig())
    for n, row in enumerate(applied(["classifier"], rows, models)):
        census.add(Document(uid=n + 1, category=row["category"], features=row["features"]))
    (tmp_path / "table.json").write_bytes(census.calibration(least=2).data)
    found = applied(
        ["classifier", "scorer"], rows, models, keep=keep, calibration=str(tmp_path / "table.json")
    )
    assert {row["category"] for row in found} <= set(tiny_model.LABELS)
    assert all("judge.quality" in row["features"] for row in found)
    dropped = [row for row in found if row["verdict"] == "drop"]
    assert len(dropped) == pytest.approx(180, abs=10)
    assert {(row["unit"], row["reason"]) for row in dropped} == {("scorer", "low_rank")}
    assert len({row["calibration"] for row in found}) == 1
    assert all(
        row["measured"] < row["threshold"] and "kept is the best 40.0%" in row["detail"] for row in dropped
    )


def test_code_after_rules_is_scored_by_its_measures(models: Path) -> None:
    """Prevents rules and the scorer from naming one measure by two names."""
    code = "#!/usr/bin/env python3\nimport os\n\nfor name in sorted(os.listdir('.')):\n    print(name)\n"
    (row,) = applied(["rules", "classifier", "scorer"], [{"id": "a", "text": code}], models)
    assert (row["verdict"], row["format"], row["category"]) == ("emit", "code", "code")


def test_a_wrong_rule_ends_it_with_one_error(models: Path) -> None:
    """Prevents a thousand rejected lines for one wrong setting."""
    from services.runtime import ConfigurationError

    with pytest.raises(ConfigurationError, match="share is 40"):
        applied(["scorer"], [{"id": "a", "text": "tide"}], models, keep='[{"share": 40}]')
