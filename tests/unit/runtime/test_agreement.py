"""Which values of a river may change while it stands, and what is said of those that may not."""

from __future__ import annotations

import os
from contextlib import nullcontext

import pytest

from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, Settings, agreement
from services.runtime.agreement import changes, compare, lanes_ever, refuse_unfinished, vocabularies
from services.runtime.topology import Topology

STANDS = {
    "lanes": "2",
    "partitions": "4",
    "buckets": "en,zh",
    "messages": "3",
    "vocabulary": "v1",
    "recipe": "r1",
}


def wanted(**other: str) -> dict[str, str]:
    return STANDS | other


def test_what_is_made_first_is_recorded_whole() -> None:
    """Prevents a value that nobody recorded, so that nothing is ever compared with it."""
    assert changes({}, STANDS, pooled=False) == STANDS
    assert changes(STANDS, STANDS, pooled=True) == {}


def test_more_lanes_keep_their_history() -> None:
    """Prevents a retraction from going to the lane where the document would lie today."""
    found = changes(STANDS, wanted(lanes="4"), pooled=True)
    assert found == {"lanes": "2,4"}
    found = changes(STANDS | found, wanted(lanes="6"), pooled=True)
    assert lanes_ever(found) == (2, 4, 6)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"lanes": "1"}, "lanes is 1 here and 2 in the river"),
        ({"partitions": "8"}, "partitions is 8 here and 4 in the river"),
        ({"messages": "9"}, "messages is 9 here"),
        ({"vocabulary": "v2"}, "vocabulary is v2 here and v1 in the river"),
    ],
)
def test_what_would_strand_or_mix_is_refused(other: dict[str, str], says: str) -> None:
    """Prevents documents that wait for nobody, and parts of two vocabularies, exit 0."""
    with pytest.raises(ConfigurationError, match=says):
        changes(STANDS, wanted(**other), pooled=True)


@pytest.mark.parametrize(
    ("other", "pooled"),
    [
        ({"buckets": "code,en,zh"}, True),
        ({"vocabulary": "v2"}, False),
        ({"recipe": "r2"}, True),
        ({"calibration": "c1"}, True),
    ],
)
def test_what_can_change_is_taken_over(other: dict[str, str], pooled: bool) -> None:
    """Prevents a new bucket or another recipe from asking for a new river."""
    assert changes(STANDS, wanted(**other), pooled=pooled) == other


def test_a_bucket_that_the_recipe_drops_stays_known() -> None:
    """Its pool may hold documents, which the mixer sorts anew: it must be read."""
    assert changes(STANDS, wanted(buckets="en"), pooled=True) == {}
    assert changes(STANDS, wanted(buckets="maths"), pooled=True) == {"buckets": "en,maths,zh"}


def test_a_process_with_other_values_does_not_run() -> None:
    """Prevents two copies of a service from working by different settings."""
    compare(STANDS | {"lanes": "2,4"}, wanted(lanes="4"))
    compare({}, STANDS)
    compare(STANDS, wanted(recipe="r2", buckets="fr"))  # of a recipe a lane is told in its time
    with pytest.raises(ConfigurationError, match=r"lanes is 2 here and 4 in the river.*corpusworks topics"):
        compare(STANDS | {"lanes": "2,4"}, STANDS)
    with pytest.raises(ConfigurationError, match="partitions is 8 here and 4 in the river: set it as it is"):
        compare(STANDS, wanted(partitions="8"))


def test_another_vocabulary_names_the_way_and_half_of_it_lets_nothing_start() -> None:
    """Prevents: a river that goes on with the ids of two vocabularies after a retokenize that was killed."""
    with pytest.raises(ConfigurationError, match="corpusworks pool retokenize"):
        changes(STANDS, wanted(vocabulary="v2"), pooled=True)
    refuse_unfinished(STANDS)
    refuse_unfinished(STANDS | {"retokenizing": ""})
    half = STANDS | {"retokenizing": "v2"}
    assert vocabularies(half) == ("v1", "v2")
    assert vocabularies({}) == ("", "")
    with pytest.raises(ConfigurationError, match="interrupted on its way to v2"):
        refuse_unfinished(half)


def test_a_process_reads_the_pools_of_the_river_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a mixer that waits for ever for the pool of a bucket that its own settings name alone."""
    stands = {"recipe": Recipe.load("en-heavy").text, "buckets": "code,en,old,zh"}
    monkeypatch.setattr(agreement, "Log", lambda _: nullcontext())
    monkeypatch.setattr(agreement, "read", lambda _: stands)
    monkeypatch.setenv("CORPUSWORKS_RECIPE", "")
    topology = Topology.load(None, ["mine", "zh"])
    settings, adopted = agreement.adopt(["mixer"], Settings(recipe=None), topology)
    assert adopted.expand("pool.{bucket}") == ["pool.code", "pool.en", "pool.old", "pool.zh"]
    assert settings.recipe == os.environ["CORPUSWORKS_RECIPE"] == stands["recipe"]
    as_they_are = agreement.adopt(["sink"], Settings(recipe=None), topology)
    assert as_they_are[1].buckets == ("mine", "zh"), "it follows no recipe"


def test_who_would_write_to_another_store_does_not_run() -> None:
    """Prevents: bodies in a default folder, which the others find nowhere."""
    with pytest.raises(
        ConfigurationError, match=r"store is file:///tmp/b here and file:///tmp/a in the river"
    ):
        agreement.compare({"store": "file:///tmp/a"}, {"store": "file:///tmp/b"})
