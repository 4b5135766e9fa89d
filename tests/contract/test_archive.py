"""The archive on every object store: written by the fold, read by questions."""

from __future__ import annotations

from contracts import Flush
from services.archive.query import Asked, count, rows
from services.archive.tables import DOCUMENTS
from services.runtime import ObjectStore
from tests.contract.test_store import store  # noqa: F401 - a fixture
from tests.unit.archive.rows import document, lane, uids


def test_what_is_archived_is_found(store: ObjectStore) -> None:  # noqa: F811
    """Prevents an archive that can be asked on a folder only, an orphan that counts, and a mark too few."""
    river = lane(store, seed=3, max_chunk=4, seal_rows=6)
    river.put("pool.zh", *[document(number, text="潮" * number * 1000) for number in range(1, 40)])
    river.put("archive.flush", Flush())
    river.run(kill_share=0.3)
    assert river.num_kills
    river.start()
    assert uids(store) == list(range(1, 40))
    assert count(store, DOCUMENTS, Asked(source="in/7.")) == [{"rows": 1}]
    wanted = document(23)
    (row,) = rows(store, DOCUMENTS, Asked({"uid": f"{wanted.uid:016x}"}), ["id", "text"])
    assert row == {"id": wanted.id, "text": "潮" * 23_000}
