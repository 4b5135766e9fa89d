"""Puts documents that were dropped back into the river, each drop once.

As with dead letters (redrive.py) the message and the mark that says so, in dlq.redriven, stand in one
transaction. A drop is named by its place in docs.rejected; a document that is dropped again has another one,
and can be put back again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from contracts import Document, Redriven
from services.ledger.letters import redriven_at
from services.runtime import Fenced, ObjectStore, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.tally import rejudged, tally
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.process.frames import REDRIVEN_HEADER
from services.runtime.topics import REDRIVEN, REJECTED
from services.runtime.wire import encode

_BATCH, _BATCH_BYTES = 500, 8 << 20  # drops in one transaction

Place = tuple[int, int]  # partition and offset in docs.rejected


@dataclass(frozen=True)
class Dropped:
    """A document with its text, the place of its rejection, and what was said there."""

    document: Document
    place: Place
    unit: str
    reason: str


def put_back_before(settings: Settings) -> set[Place]:
    """The drops that were. Raises DependencyDown."""
    with Log(settings) as log:
        return _put_back(log)


def put_back(settings: Settings, topic: str, drops: Iterable[Dropped]) -> int:
    """Send documents to a topic, but those of drops that were put back before; how many were sent.

    Raises DependencyDown, Aborted, Fenced (another one puts back).
    """
    with Admin(settings) as admin, Log(settings) as log:
        identity = admin.topic_ids().get(REJECTED, "")
        transactions = Transactions(settings, "redrive", "redrive")
        try:
            make = partial(messages, topic, identity, Resources(settings).store, settings.max_message_bytes)
            return put_back_by(log, transactions, make, drops)
        except Fenced as error:
            raise Fenced(
                "another `rejudge` or `dlq redrive` has begun; what is left is left to it"
            ) from error
        finally:
            transactions.reset()


Make = Callable[[Sequence[Dropped]], list[Produce]]


def put_back_by(log: Log, transactions: Transactions, make: Make, drops: Iterable[Dropped]) -> int:
    """As put_back, by these clients. make: the messages of a transaction."""
    transactions.open()  # whoever was at it is fenced before it is read what was put back
    before, sent = _put_back(log), 0
    for batch in _batches(drop for drop in drops if drop.place not in before):
        transactions.commit(make(batch), {}, None)
        sent += len(batch)
    return sent


def _put_back(log: Log) -> set[Place]:
    places = (place.split("/") for place in redriven_at(log) if place.startswith(f"{REJECTED}/"))
    return {(int(partition), int(offset)) for _, partition, offset in places}


def messages(
    topic: str, identity: str, store: ObjectStore, limit: int, batch: Sequence[Dropped]
) -> list[Produce]:
    """What goes to the topic, with marks and tally.

    identity: Kafka's id of docs.rejected; by it and the place a document is told from a copy of it. limit:
    bytes of a message; more goes to the store. Raises DependencyDown.
    """
    now, found = int(time.time() * 1000), list[Produce]()
    for drop in batch:
        partition, offset = drop.place
        value = encode(drop.document, store, limit, topic)
        header = (REDRIVEN_HEADER, f"{identity}/{partition}/{offset}".encode())
        mark = Redriven(topic=REJECTED, partition=partition, offset=offset, at_ms=now)
        key = f"{REJECTED}/{partition}/{offset}".encode()
        found.append(Produce(topic, value, spread=drop.document.uid, headers=[header]))
        found.append(Produce(REDRIVEN, mark.SerializeToString(), key=key, partition=0))
    return [*found, *tally(rejudged(drop.document, drop.unit, drop.reason) for drop in batch)]


def _batches(drops: Iterable[Dropped]) -> Iterator[list[Dropped]]:
    batch, size = list[Dropped](), 0
    for drop in drops:
        batch.append(drop)
        size += drop.document.ByteSize()
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
