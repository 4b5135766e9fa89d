"""The third table: a row for each use in a part, once whatever is killed, and where nothing can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts import Flush
from services.archive.query import Asked, listed, rows
from services.archive.tables import USES
from services.archive.task import USES as SERVICE
from services.runtime import ObjectStore
from services.sink.parts import list_parts, read_records
from tests.unit.archive.rows import lane
from tests.unit.sink.packed import pack

NAMES = ["id", "uid", "part", "sequences", "spans", "bucket", "phase", "use", "num_tokens", "mixed_offset"]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """Four parts of one lane; a document of 40 tokens lies in three sequences of 16."""
    made = ObjectStore(tmp_path.as_uri())
    pack(made, [[5, 40, 3], [16, 16], [7], [9, 2]])
    return made


def used(store: ObjectStore, *more: str) -> list[dict[str, Any]]:
    found = rows(store, USES, Asked(), [*NAMES, *more])
    return sorted(found, key=lambda row: (row["part"], row["mixed_offset"]))


def test_every_use_is_a_row(store: ObjectStore) -> None:
    """Prevents a span, a sequence or a pass that is another document's."""
    river = lane(store, "uses")
    parts = list_parts(store)
    river.put("shards.sealed", *parts)
    river.put("archive.uses.flush", Flush())
    river.run()
    expected = [
        {
            "id": record.id,
            "uid": f"{record.uid:016x}",
            "part": part.name,
            "sequences": list(dict.fromkeys(span.start // 16 for span in record.spans)),
            "spans": [{"start": span.start, "end": span.end} for span in record.spans],
            "bucket": "zh",
            "phase": "stable",
            "use": 1,
            "num_tokens": record.num_tokens,
            "mixed_offset": record.position.offset,
        }
        for part in parts
        for record in read_records(store, part)
    ]
    assert used(store) == sorted(expected, key=lambda row: (row["part"], row["mixed_offset"]))
    assert max(len(row["sequences"]) for row in expected) == 3
    assert listed(store, USES) == {part.name for part in parts}


@pytest.mark.parametrize("seed", range(4))
def test_every_use_is_archived_once_whatever_is_killed(store: ObjectStore, seed: int) -> None:
    """Prevents half of a part in one file and all of it in the next."""
    river = lane(store, "uses", seed=seed, max_chunk=1, seal_rows=3)
    for part in list_parts(store):
        river.put("shards.sealed", part)
        river.run(kill_share=0.6)
    river.put("archive.uses.flush", Flush())
    river.run(kill_share=0.6)
    river.start()
    assert river.num_kills > 3
    assert [row["id"] for row in used(store)] == [f"d{n}" for n in range(1, 9)]
    assert river.committed == {"shards.sealed": 4, "archive.uses.flush": 1}


def test_a_part_that_is_announced_anew_is_not_archived_again(store: ObjectStore) -> None:
    """`parts adopt`, into the topics of another Kafka: its uses would count twice."""
    first = lane(store, "uses", topic_id="lost")
    parts = list_parts(store)
    first.put("shards.sealed", *parts[:2])
    first.put("archive.uses.flush", Flush())
    first.run()
    again = lane(ObjectStore(store.url), "uses", topic_id="made anew")
    for part in parts:
        part.numbered = True
    again.put("shards.sealed", *parts)
    again.put("archive.uses.flush", Flush())
    again.run()
    assert again.committed["shards.sealed"] == 4
    assert [row["id"] for row in used(store)] == [f"d{n}" for n in range(1, 9)]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"id": "d1"}\n', b"[]\n", None])
def test_a_part_that_cannot_be_read_stops_nothing(store: ObjectStore, damage: bytes | None) -> None:
    """Prevents one file that somebody has removed or cut from stopping the archive for ever."""
    parts = list_parts(store)
    key = f"parts/{parts[0].name}.jsonl"
    store.delete([key])
    if damage is not None:
        store.put(key, damage)
    river = lane(store, "uses")
    river.put("shards.sealed", *parts)
    river.put("archive.uses.flush", Flush())
    river.run()
    assert listed(store, USES) == {part.name for part in parts[1:]}
    assert river.committed["shards.sealed"] == 4
    assert SERVICE.name == "archive_uses"
