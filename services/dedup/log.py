"""dedup.log: what the index knows, in Kafka, in the transaction that the verdict is in.

Two records a document at most, in one partition: its first sight (key: the uid, 8 bytes), and its death
(the same and a "d"). The topic is compacted, so a record that is sent again costs nothing in the end.
`corpusworks dedup rebuild` reads it; dropped documents are in it too, since they go on dropping.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts import DedupRecord
from services.dedup.layout import LAYOUT
from services.runtime import Also, topics


def sighting(
    uid: int,
    entry: bytes,
    exact: int,
    bands: bytes = b"",
    *,
    late_bands: int = 0,
    rare: bytes = b"",
    late_rare: int = 0,
    sketch: bytes = b"",
    cluster: int = 0,
    number: int = 0,
    merged: Sequence[tuple[int, int, int]] = (),
) -> Also:
    """A document was entered: what the index stores of it, packed as there.

    bands: empty for one that was not entered into any, since it is the worse copy of an exact text.
    late_bands, late_rare: so many of these keys, the last, had their founders before; see rebuild.py.
    merged: as of a case.
    """
    record = DedupRecord(
        layout=LAYOUT,
        uid=uid,
        entry=entry,
        exact=exact,
        bands=bands,
        late_bands=late_bands,
        rare=rare,
        late_rare=late_rare,
        sketch=sketch,
        cluster=cluster,
        number=number,
        merged=[number for each in merged for number in each],
    )
    return Also(topics.DEDUP_LOG, record, uid.to_bytes(8, "big"), uid)


def death(uid: int, killer: int, *, retracted: bool) -> Also:
    """A document stands back for a better one. retracted: it had gone on before."""
    record = DedupRecord(layout=LAYOUT, uid=uid, killer=killer, retracted=retracted)
    return Also(topics.DEDUP_LOG, record, uid.to_bytes(8, "big") + b"d", uid)
