"""The table of the river: what is read from it, what is refused, and that the one we ship is consistent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.message import DecodeError

import contracts
from services.runtime import ConfigurationError, Door, LaneService, Source, Unit
from services.runtime.topology import DEFAULT, Topology, message
from tests.unit.runtime.conftest import TABLE

BUCKETS = ["zh", "en"]

# What documents come in by: it reads no topic, and is started where it is asked for.
DOORS = ("ingest", "crawl", "upload")

# Topics that no service's `output` names, and who writes them.
WRITTEN_ON_THE_SIDE = {
    "docs.rejected": "every unit, for a Drop",
    "docs.unique": "dedup",
    "docs.ingested": "the source loop",
    "pool.control": "units that retract, whoever ends a run, a person",
    "archive.drops": "archive_documents",
    "archive.flush": "whoever ends a run",
    "archive.uses.flush": "whoever ends a run",
    "pool.state": "the mixer",
    "dedup.log": "dedup",
    "river.tally": "every loop, with what it brings in or ends",
    "river.agreed": "whoever makes the topics",
    "river.starts": "groups that begin",
    "dlq.redriven": "who puts a dead letter back",
    "train.events": "the trainer",
}


def shipped() -> Topology:
    return Topology.load(None, BUCKETS)


def table(**services: dict[str, Any]) -> dict[str, Any]:
    return {"services": services, "topics": {"a": {"holds": "Document", "by": "partitions"}}}


def test_a_service_that_is_not_enabled_is_passed_over() -> None:
    """Prevents the river from ending where a service is left out."""
    found = Topology(
        table(
            one={"run": "m:A", "input": "a", "output": "b"},
            two={"run": "m:B", "input": "b", "output": "c", "enabled": False},
            three={"run": "m:C", "input": "c", "output": "d", "enabled": False},
            four={"run": "m:D", "input": ["d", "side"], "output": "e"},
        ),
        [],
    )
    assert list(found.services) == ["one", "four"]
    assert found.service("four").inputs == ("b", "side")
    with pytest.raises(ConfigurationError, match="no service 'two'; there are: one, four"):
        found.service("two")


def test_units_are_joined_in_the_order_of_the_river_only() -> None:
    """Prevents a chain that skips a unit, or turns two round, from dropping its work silently."""
    river = Topology(TABLE, BUCKETS)
    chain = river.chain(["echo", "poisoned", "wordy"])
    assert (chain.name, chain.input, chain.output) == ("echo", "docs.raw", "docs.scored")
    with pytest.raises(ConfigurationError, match=r"wordy reads docs\.clean, not docs\.parsed of echo"):
        river.chain(["echo", "wordy"])
    with pytest.raises(ConfigurationError, match="without a gap"):
        river.chain(["poisoned", "echo"])
    with pytest.raises(ConfigurationError, match="no service 'nobody'"):
        river.chain(["echo", "nobody"])


def test_a_chain_goes_over_the_services_that_are_not_enabled() -> None:
    """Prevents `serve rules dedup` from being refused while the judges between them are switched off."""
    raw = yaml.safe_load(DEFAULT.read_text())
    for name in ("classifier", "scorer"):
        raw["services"][name]["enabled"] = False
    river = Topology(raw, BUCKETS)
    assert ["tokenizer", "router", "dedup"] in river.processes
    chain = river.chain(["rules", "sentences", "tokenizer", "router", "dedup"])
    assert (chain.input, chain.output) == ("docs.parsed", "pool.{bucket}")


def test_a_bucket_stands_for_every_bucket_of_the_recipe() -> None:
    """Prevents a pool without topic, or a topic by the name of the pattern."""
    river = shipped()
    assert river.expand("pool.{bucket}") == ["pool.zh", "pool.en"]
    assert river.expand("docs.raw") == ["docs.raw"]
    topics = river.topics()
    assert not [name for name in topics if "{" in name]
    for name in ("pool.zh", "pool.en"):
        assert topics[name].name == name
        assert topics[name].by == "lanes"
        assert topics[name + ".dlq"].holds is contracts.Document
        assert river.holds(name) is contracts.Document


def test_every_topic_that_is_read_has_dead_letters() -> None:
    """Prevents the first dead letter of a service from having nowhere to go; who watches writes none."""
    river = shipped()
    topics = river.topics()
    assert "docs.rejected.dlq" not in topics
    for service in (s for s in river.services.values() if not s.watches):
        for name in [expanded for pattern in service.inputs for expanded in river.expand(pattern)]:
            assert name + ".dlq" in topics
    assert "docs.raw.dlq" in topics, "what ingest cannot read"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "NoneType"),
        ("[1, 2]", "indices"),
        ("services: {a: [", "ParserError"),
        ("topics: {}", "'services'"),
        ("services: {}", "'topics'"),
        ("services: {a: {input: x}}\ntopics: {}", "'output'"),
        ("services: {a: text}\ntopics: {}", "'str'"),
        ("services: {a: {output: x, enabled: false}}\ntopics: {}", "IndexError"),
        ("services: {}\ntopics: {t: {holds: Document, by: magic}}", "by is 'magic'"),
        ("services: {}\ntopics: {t: {holds: Nothing, by: lanes}}", "'Nothing'"),
        ("services: {}\ntopics: {t: {by: lanes}}", "'holds'"),
        ("services: {a: {output: x}}\ntopics: {}\nprocesses: [[a, typo]]", "typo, which is no service"),
        (b"\xff\xfe\x00", "topology"),
    ],
)
def test_a_wrong_table_is_refused_naming_the_file(tmp_path: Path, text: str | bytes, says: str) -> None:
    """Prevents a typing error in the table from ending in a stack trace, or in a service that never runs."""
    path = tmp_path / "river.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as caught:
        Topology.load(path, [])
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Prevents a wrong CORPUSWORKS_TOPOLOGY from being taken for the default."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        Topology.load(tmp_path / "nowhere.yaml", [])


@pytest.mark.parametrize(
    "run", ["services.nobody:SERVICE", "services.runtime:NOTHING", "", "services.runtime:load_settings"]
)
def test_a_service_that_cannot_be_imported_is_named(run: str) -> None:
    """Prevents a unit that is not installed from showing as an ImportError of some library."""
    river = Topology(table(mine={"run": run, "input": "a", "output": "b"}), [])
    with pytest.raises(ConfigurationError, match="service mine: "):
        _ = river.service("mine").definition


def test_message_classes_by_name() -> None:
    """Prevents a type header from naming anything but a message."""
    assert message("Flush") is contracts.Flush
    with pytest.raises(DecodeError, match="os"):
        message("os")


class TestShipped:
    """services/topology.yaml."""

    def test_every_input_is_fed(self) -> None:
        """Prevents a service from waiting for ever at a topic into which nobody writes."""
        river = shipped()
        written = {service.output for service in river.services.values()} | set(WRITTEN_ON_THE_SIDE)
        for service in river.services.values():
            for name in service.inputs:
                assert name in written, f"{service.name} reads {name}"

    def test_every_input_is_fed_with_everything_enabled(self) -> None:
        """Prevents the judges' places from being wrong on the day they are switched on."""
        raw = yaml.safe_load(DEFAULT.read_text())
        for row in raw["services"].values():
            row["enabled"] = True
        river = Topology(raw, BUCKETS)
        written = {service.output for service in river.services.values()} | set(WRITTEN_ON_THE_SIDE)
        assert {name for service in river.services.values() for name in service.inputs} <= written
        river.chain(["rules", "sentences", "classifier", "scorer", "tokenizer"])

    def test_every_topic_is_declared_and_used(self) -> None:
        """Prevents a topic without layout, and a layout without topic."""
        raw = yaml.safe_load(DEFAULT.read_text())
        used = set(WRITTEN_ON_THE_SIDE)
        for row in raw["services"].values():
            inputs = row.get("input", [])
            used |= {row["output"], *([inputs] if isinstance(inputs, str) else inputs)}
        assert used == set(raw["topics"])

    def test_inputs_of_a_lane_service_are_laid_out_by_lanes(self) -> None:
        """Prevents partition i of the pools from meeting partition i of a topic cut otherwise."""
        river = shipped()
        topics = river.topics()
        for name in ("mixer", "sink", "catalog", "archive_documents", "archive_uses"):
            by = "partitions" if name == "archive_documents" else "lanes"
            service = river.service(name)
            written = () if name == "catalog" else (service.output,)  # it makes one order of all lanes
            for topic in [t for p in (*service.inputs, *written) for t in river.expand(p)]:
                assert topics[topic].by == by, topic

    def test_nothing_waits_before_who_watches(self) -> None:
        """Prevents a document in a pool from being counted once for the mixer and once for the archive."""
        carriers = [service.name for service in shipped().carriers]
        assert {"mixer", "sink", "dedup"} < set(carriers)
        assert not [name for name in carriers if name.startswith("archive")]

    def test_processes_are_chains_of_every_enabled_service_that_reads(self) -> None:
        """Prevents a service from being left out of the local stack, or run twice."""
        river = shipped()
        named = [name for group in river.processes for name in group]
        assert sorted(named) == sorted(set(river.services) - set(DOORS))
        for group in river.processes:
            assert river.chain(group).name == group[0]

    def test_services_are_what_their_place_says(self) -> None:
        """Prevents a row from pointing at the wrong object."""
        river = shipped()
        kinds = {name: type(service.definition) for name, service in river.services.items()}
        assert [kinds.pop(name) for name in DOORS] == [Source, Door, Door]
        lanes = ("mixer", "sink", "catalog", "archive_documents", "archive_uses")
        assert {kinds.pop(name) for name in lanes} == {LaneService}
        assert set(kinds.values()) == {Unit}
        for name, service in river.services.items():
            assert service.definition.name == name, "settings, metrics and groups go by the name"


def test_what_is_behind_a_topic_is_all_that_its_messages_can_come_to() -> None:
    """Prevents: a mix in which a service reads for nobody, or a part that gets no number."""
    found = Topology.load(None, ["zh"]).behind("pool.{bucket}")
    assert list(found.services) == ["mixer", "sink", "catalog", "archive_uses"]
    assert found.processes == [["mixer"], ["sink"], ["catalog"], ["archive_uses"]]
    assert "pool.zh" in found.topics()
    assert len(Topology.load(None, ["zh"]).services) > len(found.services)


def test_who_is_in_no_process_is_named() -> None:
    """Prevents: a table of one's own from before a service came, on which every document waits before it."""
    table = yaml.safe_load(DEFAULT.read_text())
    assert Topology(table, ["zh"]).unserved == []
    table["processes"] = [[name for name in names if name != "sentences"] for names in table["processes"]]
    assert Topology(table, ["zh"]).unserved == ["sentences"]
    table["services"]["sentences"]["enabled"] = False
    assert Topology(table, ["zh"]).unserved == []
