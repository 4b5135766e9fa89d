"""What a river asks of its broker, asked once, so that the classes that answer are in the AOT cache."""

from __future__ import annotations

import time

from contracts import Document
from services.runtime import CorpusworksError, DependencyDown, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.broker import KafkaBroker
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions, say
from services.runtime.topology import Topic

_IN, _OUT, _GROUP = "rehearsal.in", "rehearsal.out", "rehearsal"
_TOPICS = (Topic(_IN, Document, "partitions"), Topic(_OUT, Document, "lanes", compact=True))
_PATIENCE_S = 60.0


def rehearse(settings: Settings) -> None:
    """Topics made, a message sent, read by a group and carried on in a transaction, and where all stands.

    Raises CorpusworksError: a broker that does not do this.
    """
    with Admin(settings) as admin, Log(settings) as log:
        admin.create_topics(_TOPICS)
        say(settings, _IN, [Produce(_IN, b"a message", partition=0)])
        _begin(admin, log)
        _carry_on(settings)
        admin.committed(_GROUP)
        admin.topic_ids()
        if next(log.read_all(_OUT), None) is None:
            raise CorpusworksError("the broker does not give back what was sent")


def _begin(admin: Admin, log: Log) -> None:
    """A group begins nowhere by itself; and the first one makes the broker load what it has of groups."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            admin.set_offsets(_GROUP, log.starts([_IN]))
        except DependencyDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _carry_on(settings: Settings) -> None:
    """As a service does: what comes of a message, and the offset behind it, at once."""
    consumer = KafkaBroker(settings).consumer(_GROUP, instance="0")
    transactions = Transactions(settings, _GROUP, _GROUP)
    consumer.subscribe([_IN])
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := consumer.poll(timeout_ms=100)):
        if time.monotonic() > deadline:
            raise CorpusworksError("the broker gives a group nothing to read")
    for place, records in found.items():
        outputs = [Produce(_OUT, record.value, key=b"key") for record in records]
        transactions.commit(outputs, {place: records[-1].offset + 1}, consumer.group_metadata())
    transactions.reset()
    consumer.close()
