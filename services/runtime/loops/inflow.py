"""What a source puts into the river: its documents, what could not become one, and the tally of both."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts import Document, Tally
from services.runtime import metrics
from services.runtime.clients.store import ObjectStore
from services.runtime.logs import log
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.loops.tally import Told, tally
from services.runtime.loops.transaction import Produce
from services.runtime.topics import DEAD_LETTER_SUFFIX
from services.runtime.wire import encode

_ERROR_LIMIT = 16_000  # characters; a header is part of the message's size

Serialised = tuple[int, bytes]  # uid and message of a document
Piece = tuple[str, bytes, str]  # source, head and error of what is unreadable


@dataclass(frozen=True)
class Inflow:
    """Makes the messages of a source. output: its topic. limit: bytes of one; more goes to the store."""

    name: str
    output: str
    store: ObjectStore
    limit: int

    def messages(self, documents: Sequence[Serialised], unreadable: Sequence[Piece]) -> list[Produce]:
        """For one transaction, tallies included. Raises DependencyDown: the store."""
        outputs = [self._document(uid, value) for uid, value in documents]
        outputs += [self._unreadable(*piece) for piece in unreadable]
        came = [Told(Tally.CAME, uid) for uid, _ in documents]
        return outputs + tally([*came, *(Told(Tally.UNREADABLE, 0, self.name) for _ in unreadable)])

    def published(self, num_documents: int, num_unreadable: int, outputs: Iterable[Produce]) -> None:
        """Count what was committed."""
        metrics.DOCUMENTS.labels(self.name, self.name, "emit", "").inc(num_documents)
        metrics.DOCUMENTS.labels(self.name, self.name, "dead", "").inc(num_unreadable)
        metrics.BYTES.labels(self.name, "out").inc(sum(len(o.value or b"") for o in outputs))
        log.info("published", documents=num_documents, unreadable=num_unreadable)

    def _document(self, uid: int, value: bytes) -> Produce:
        if len(value) > self.limit:
            value = encode(Document.FromString(value), self.store, self.limit, self.output)
        return Produce(self.output, value, spread=uid)

    def _unreadable(self, source: str, head: bytes, error: str) -> Produce:
        said = {"topic": source, "stage": self.name, "exception.message": error[:_ERROR_LIMIT]}
        headers = [
            (ERROR_HEADER + name, text.encode(errors="backslashreplace")) for name, text in said.items()
        ]
        key = source.encode(errors="backslashreplace")
        return Produce(self.output + DEAD_LETTER_SUFFIX, head, key, spread=hash_of(key), headers=headers)


def hash_of(key: bytes) -> int:
    """A stable spread for a key that is not a document's."""
    return zlib.crc32(key)
