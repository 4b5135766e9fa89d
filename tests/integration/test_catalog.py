"""The catalog on a real broker: killed in the middle again and again, two at once, lanes added."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from contracts import PartCatalogued, PartSealed
from services.catalog.entry import entry_in
from services.catalog.reader import Reader
from services.local.stack import Stack
from services.runtime import Resources
from services.runtime.clients.admin import Admin
from services.runtime.errors import EXIT_CONFIGURATION
from services.runtime.loops.transaction import Produce
from services.runtime.topology import DEFAULT
from tests.integration.rig import Rig, rig

pytestmark = pytest.mark.stack

LANES = 3
SEALED, CATALOG = "shards.sealed", "shards.catalog"
SETTINGS = {
    "CORPUSWORKS_LANES": str(LANES),
    "CORPUSWORKS_PARTITIONS": "1",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "3",
}


@contextmanager
def _cataloguing(folder: Path) -> Iterator[Rig]:
    """A broker of its own: its topics have the names of the real ones."""
    table = yaml.safe_load(DEFAULT.read_text())
    with (
        Stack(folder / "state") as stack,
        rig(stack, folder, "catalog", {"catalog": table["services"]["catalog"]}, table["topics"], **SETTINGS)
        as river,
    ):  # fmt: skip
        yield river


def _seal(river: Rig, number: int, lanes: int = LANES) -> None:
    """One more part in every lane."""
    river.produce([Produce(SEALED, _part(lane, number).SerializeToString(), partition=lane)
                   for lane in range(lanes)])  # fmt: skip


def _part(lane: int, number: int) -> PartSealed:
    name = f"lane-{lane:03d}/part-{lane:03d}-0a1b2c3d-{number:012d}-{number:012d}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return PartSealed(name=name, lane=lane, first_offset=number, last_offset=number, sha256={"bin": digest})


def _said(river: Rig) -> list[PartCatalogued]:
    return [PartCatalogued.FromString(record.value) for record in river.records(CATALOG)]


def _assert_once(river: Rig, num_parts: int, lanes: int = LANES) -> None:
    said = _said(river)
    assert [one.sequence for one in said] == list(range(num_parts * lanes))
    for lane in range(lanes):
        names = [one.name for one in said if one.lane == lane]
        assert names == [_part(lane, number).name for number in range(num_parts)]
    assert list(Reader(Resources(river.settings).store).read()) == [entry_in(one) for one in said]


def test_a_catalog_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Prevents: a number given twice, or none, when it dies between its segment and its transaction."""
    with _cataloguing(tmp_path) as river:
        store = Resources(river.settings).store
        number, deadline = 0, time.monotonic() + 120
        for kill in range(4):
            process = river.serve()
            segments = len(list(store.list("catalog")))
            # It is at work when it dies: its last segment may be announced or not.
            while len(list(store.list("catalog"))) < segments + 1 + 2 * kill:
                assert time.monotonic() < deadline, river.log()
                _seal(river, number)
                number += 1
            river.kill(process)
        river.serve()
        river.wait_for(number * LANES, CATALOG)
        _assert_once(river, number)
        river.wait_until(lambda: sum(river.committed().values()) >= 2 * number * LANES)  # markers, too
        assert "Traceback" not in river.log()


@pytest.mark.soak
def test_a_second_catalog_waits_and_takes_over_and_lanes_are_added(tmp_path: Path) -> None:
    """Prevents: two orders at once, none when each holds half of the lanes, and a lane that is never read."""
    with _cataloguing(tmp_path) as river:
        _seal(river, 0)
        first = river.serve(instance="1")
        river.wait_for(LANES, CATALOG)
        second = river.serve(instance="2")
        with Admin(river.settings) as admin:
            river.wait_until(lambda: admin.members("catalog") == 2)
        _seal(river, 1)
        river.wait_for(2 * LANES, CATALOG)
        assert "lane taken up" not in river.log(instance="2")
        river.kill(first)
        _seal(river, 2)
        river.wait_for(3 * LANES, CATALOG)
        assert "lane taken up" in river.log(instance="2")
        _assert_once(river, 3)
        second.terminate()
        assert second.wait(20) == 0
        more = river.settings.model_copy(update={"lanes": LANES + 1})
        with Admin(more) as admin:
            admin.grow_topics(river.topology.topics().values())
        river.produce(
            [Produce(SEALED, _part(LANES, n).SerializeToString(), partition=LANES) for n in range(3)]
        )
        river.serve(instance="2", CORPUSWORKS_LANES=str(LANES + 1))
        river.wait_for(3 * (LANES + 1), CATALOG)
        _assert_once(river, 3, LANES + 1)


@pytest.mark.soak
def test_a_catalog_without_its_topic_is_refused(tmp_path: Path) -> None:
    """Prevents: numbers from 0 on for parts that have others, in a store that readers know."""
    with _cataloguing(tmp_path) as river:
        for number in range(3):
            process = river.serve()
            _seal(river, number)
            river.wait_for((number + 1) * LANES, CATALOG)
            process.terminate()
            assert process.wait(20) == 0
        store = Resources(river.settings).store
        before = {key: store.get(key) for key in store.list("catalog")}
        with Admin(river.settings) as admin:
            admin._client.delete_topics([CATALOG])
            river.wait_until(lambda: CATALOG not in admin.topic_ids())
            admin.create_topics(river.topology.topics().values())
        assert river.serve(instance="9").wait(60) == EXIT_CONFIGURATION
        said = river.log(instance="9")
        assert "corpusworks parts adopt" in said
        assert "Traceback" not in said
        assert {key: store.get(key) for key in store.list("catalog")} == before
