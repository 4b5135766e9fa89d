"""The plan names all that grows, and its sums are those of its rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from services.ledger.plan.figures import OTHERS, TOPICS
from services.ledger.plan.plan import Corpus, plan, work
from services.runtime.keep import kept
from services.runtime.topology import DEFAULT, Topology
from tests.e2e.commands import ask


def things(*options: str, **settings: str) -> dict[str, Any]:
    done = ask("plan", *options, "--json", settings=settings)
    assert done.code == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)["things"]}


def test_every_topic_of_the_river_is_in_the_plan() -> None:
    """Prevents a new topic whose bytes nobody has counted, and a row of one that is gone."""
    assert list(TOPICS) != []
    assert set(TOPICS) == set(yaml.safe_load(DEFAULT.read_text())["topics"])
    topology = Topology.load(None, ["zh", "en"])
    made = [thing.name for thing in plan(Corpus(1e6, 1e5), topology, kept(topology.topics(), {}))]
    assert made == [*topology.table, *OTHERS]


def test_sentences_take_what_they_are_given() -> None:
    on = {"CORPUSWORKS_UNITS__SENTENCES__OF": '["*"]', "CORPUSWORKS_UNITS__SENTENCES__ENTRIES": "1000000"}
    assert things("--documents", "1e9", **on)["Redis: sentences"]["bytes"] == 8e6
    assert "Redis: sentences" not in things("--documents", "1e9")


def test_what_is_kept_for_days_grows_with_what_comes_and_no_further() -> None:
    """Prevents a topic that is deleted from being counted for the whole corpus, and a pool from not being."""
    small, large = (
        things("--documents", "1e8", "--per-day", "1e6"),
        things("--documents", "1e9", "--per-day", "1e6"),
    )
    week = small["docs.raw"]
    assert week["bytes"] == pytest.approx(7e6 * week["a_document"])
    assert large["docs.raw"]["bytes"] == week["bytes"]
    for name in ("pool.{bucket}", "dedup.log", "Redis: dedup index", "archive/documents", "parts"):
        assert large[name]["bytes"] == pytest.approx(10 * small[name]["bytes"])
        assert small[name]["bytes"] == pytest.approx(1e8 * small[name]["a_document"])
    setting = things("--documents", "1e8", "--per-day", "1e6", CORPUSWORKS_KEEP='{"docs.raw": "12h"}')
    assert setting["docs.raw"]["bytes"] == pytest.approx(week["bytes"] / 14)
    assert things("--documents", "1e6", "--per-day", "1e9")["docs.raw"]["bytes"] == pytest.approx(
        1e6 * week["a_document"]
    ), "never more than there are"


def test_replicas_are_counted_for_topics_alone() -> None:
    """Prevents a broker's disk from being planned a third as large as it is."""
    once, thrice = things("--documents", "1e6"), things("--documents", "1e6", "--replicas", "3")
    for name in ("docs.raw", "pool.{bucket}"):
        assert thrice[name]["bytes"] == pytest.approx(3 * once[name]["bytes"])
    assert thrice["parts"]["bytes"] == once["parts"]["bytes"]


def test_topics_between_joined_units_take_nothing() -> None:
    """Prevents disks for what is never written."""
    found = things("--documents", "1e6")
    assert [found[name]["bytes"] for name in ("docs.classified", "docs.tokenized", "docs.routed")] == [
        0,
        0,
        0,
    ]
    assert found["docs.scored"]["bytes"] > 0
    table = yaml.safe_load(DEFAULT.read_text())
    table["services"]["scorer"]["enabled"] = False
    topology = Topology(table, ["zh"])
    made = {thing.name: thing for thing in plan(Corpus(1e6, 1e5), topology, kept(topology.topics(), {}))}
    assert made["docs.scored"].bytes == 0
    assert made["docs.classified"].bytes > 0


def test_work_keeps_up_with_a_day() -> None:
    """Prevents fewer lanes than are set, partitions that are no multiple of them, and none that keep up."""
    little, much = work(Corpus(1e6, 1e5, lanes=3, partitions=4)), work(Corpus(1e11, 2e9))
    assert (little.lanes, little.partitions) == (3, 6)
    assert much.partitions % much.lanes == 0
    assert much.lanes > 2
    assert much.partitions > 4
    assert much.cores == pytest.approx(20_000 * little.cores)
    assert work(Corpus(1e6, 1e5)).core_hours == pytest.approx(1.03, abs=0.01)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--documents", "1e6", "--kept", "1.5"], "kept is a share"),
        (["--documents", "1e6", "--bytes", "0"], "text must be"),
        (["--documents", "inf"], "documents must be"),
        (["--documents", "1e6", "--tokens-per-document", "nan"], "tokens must be"),
        (["--documents", "1e6", "--from", "/nowhere"], "/nowhere holds no river"),
    ],
)
def test_what_cannot_be_planned_ends_with_one_line(options: list[str], says: str) -> None:
    """Prevents a plan of nonsense."""
    done = ask("plan", *options)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert says in done.err


def test_a_person_sees_what_grows_and_what_it_needs() -> None:
    """Prevents a table that only a program can read."""
    out = ask("plan", "--documents", "1e9").out
    assert "pool.{bucket}" in out
    assert "core hours" in out
