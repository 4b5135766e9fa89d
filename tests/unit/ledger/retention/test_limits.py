"""How far topics may be deleted: never past a reader, an announcement or the time."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import yaml

from contracts import ArchiveFile, PartCatalogued
from services.ledger.retention import Limit, limits
from services.ledger.retention.limits import TIME
from services.runtime import ConfigurationError, LaneService, Settings, load_settings
from services.runtime.keep import FOREVER, kept, seconds
from services.runtime.topology import DEFAULT, Topology
from tests.unit.ledger.retention.river import DAY_S, RAW, River
from tests.unit.runtime.conftest import clean_environment  # noqa: F401 - a fixture


@pytest.fixture
def settings(clean_environment: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    return load_settings()


def limit(river: River, topic: str, partition: int = 0) -> Limit:
    with river.broker.log() as log:
        found = list(limits(river, log, river.topology, river.keep, river.now))
    (one,) = [each for each in found if (each.topic, each.partition) == (topic, partition)]
    return one


def test_a_reader_that_is_down_loses_nothing(settings: Settings) -> None:
    """However old it is: and what is young stays though everybody has read it."""
    river = River(settings)
    river.send(RAW, 0, b"a", b"b")
    assert limit(river, RAW).until == 0
    river.now += 30 * DAY_S
    assert (limit(river, RAW).until, limit(river, RAW).held_by) == (0, "parse")
    river.read_on(0)
    river.send(RAW, 0, b"c")
    assert limit(river, RAW).until == 3, "two and their marker"
    river.read_on(0)
    assert (limit(river, RAW).until, limit(river, RAW).held_by) == (3, TIME)
    river.retain()
    river.now += 8 * DAY_S
    assert (limit(river, RAW).start, limit(river, RAW).until) == (3, 5)
    river.retain()
    assert river.kept(RAW) == []


def test_what_is_not_announced_stays_whatever_the_group_says(settings: Settings) -> None:
    """A person may set a group forth; a text that is in no file of the archive would be lost."""
    table = yaml.safe_load(DEFAULT.read_text())
    river = River(settings, table)
    river.send("docs.rejected", 0, *[b""] * 10)
    river.send("docs.mixed", 0, *[b""] * 10)
    river.now += 30 * DAY_S
    for group, topic in (("archive_documents", "docs.rejected"), ("sink", "docs.mixed")):
        river.broker.group(group).committed[_place(topic)] = 11
    assert (limit(river, "docs.rejected").until, limit(river, "docs.mixed").until) == (0, 0)
    ids = river.topic_ids()
    file = ArchiveFile(topic="docs.rejected", topic_id="another", last_offset=8)
    river.send("archive.drops", 0, file.SerializeToString())
    assert limit(river, "docs.rejected").until == 0, "of a topic that was there before"
    file = ArchiveFile(topic="docs.rejected", topic_id=ids["docs.rejected"], last_offset=6)
    river.send("archive.drops", 0, file.SerializeToString())
    stream = f"lane-000/part-000-{zlib.crc32(ids['docs.mixed'].encode()):08x}"
    said = PartCatalogued(reached={stream: 4, "lane-000/part-000-0a1b2c3d": 9})
    river.send("shards.catalog", 0, said.SerializeToString())
    assert (limit(river, "docs.rejected").until, limit(river, "docs.rejected").held_by) == (
        7,
        "archive_documents",
    )
    assert (limit(river, "docs.mixed").until, limit(river, "docs.mixed").held_by) == (5, "catalog")


def _place(topic: str) -> Any:
    from kafka import TopicPartition

    return TopicPartition(topic, 0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"docs.raw": "7 days"}, "'7 days' is no time"),
        ({"docs.raw": "-1d"}, "no time"),
        ({"docs.rwa": "7d"}, "docs.rwa is no topic"),
        ({"pool.zh": "7d"}, "pool.zh is compacted"),
        ({"shards.sealed": "7d"}, "kept for good"),
    ],
)
def test_a_wrong_time_is_refused_naming_the_topic(asked: dict[str, str], says: str) -> None:
    """Prevents a typing error from deleting all, or nothing, silently."""
    with pytest.raises(ConfigurationError, match="CORPUSWORKS_KEEP") as caught:
        kept(Topology.load(None, ["zh"]).topics(), asked)
    assert says in str(caught.value)


def test_the_setting_wins_over_the_table(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a setting that is read and not heeded."""
    monkeypatch.setenv("CORPUSWORKS_KEEP", '{"docs.raw": "12h", "docs.raw.dlq": "30d"}')
    found = kept(Topology.load(None, ["zh"]).topics(), load_settings().keep)
    assert (found["docs.raw"], found["docs.raw.dlq"], found["docs.parsed"]) == (43_200, 30 * DAY_S, 7 * DAY_S)
    assert [seconds(said) for said in ("90s", "1.5m", "forever")] == [90, 90, FOREVER]


class TestShipped:
    """services/topology.yaml."""

    def test_every_topic_says_how_long(self) -> None:
        """Prevents a topic that grows without anybody having thought of it."""
        rows = yaml.safe_load(DEFAULT.read_text())["topics"]
        assert [name for name, row in rows.items() if "keep" not in row and not row.get("compact")] == []

    def test_what_is_read_from_its_beginning_is_kept_for_good(self) -> None:
        """Prevents a lane that forgets its state, or a retraction, after a week."""
        topology = Topology.load(None, ["zh"])
        topics = topology.topics()
        lanes = [s.definition for s in topology.services.values() if isinstance(s.definition, LaneService)]
        logs = {name for lane in lanes for name in (*lane.logs, *lane.tails)}
        assert len(logs) >= 5
        assert [name for name in logs if not topics[name].compact and topics[name].keep != FOREVER] == []

    def test_ends_are_kept_longer_than_beginnings(self) -> None:
        """Prevents an account that has a document's beginning and not its end."""
        topics = Topology.load(None, ["zh"]).topics()
        ends = [topics[name].keep for name in ("docs.rejected", "docs.mixed", "shards.sealed")]
        begins = [t.keep for name, t in topics.items() if name.startswith("docs.") and t.keep not in ends]
        assert min(ends) > max(begins)
