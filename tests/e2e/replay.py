"""A sink that nobody disturbs, over the lanes of a river as its log has them."""

from __future__ import annotations

from pathlib import Path

from contracts import Flush
from services.runtime import Message, ObjectStore, Resources, Settings, topics
from services.runtime.clients.broker import KafkaBroker
from services.runtime.clients.log import Log
from services.runtime.contracts.unit import configure
from services.runtime.wire import decode
from services.sink import SERVICE as SINK
from services.sink.parts import list_parts


def undisturbed_parts(settings: Settings, folder: Path) -> dict[str, dict[str, str]]:
    """Writes the parts anew into a folder; by name their hashes."""
    given = Resources(settings).store
    with Log(settings) as log:
        lanes = _lanes(log, given)
    resources = Resources(settings.model_copy(update={"store_url": folder.as_uri()}))
    resources.topic_ids = KafkaBroker(settings).topic_ids()
    for key in given.list("vocabularies"):
        resources.store.put(key, given.get(key))
    config = configure(SINK.name, SINK.config, settings.units.get(SINK.name, {}))
    for lane, messages in lanes.items():
        task = SINK.build(config, resources, lane)
        task.restore([])
        task.feed(messages)
        while step := task.step(0.0, set()):
            if step.committed:
                step.committed()
    return {part.name: dict(part.sha256) for part in list_parts(resources.store)}


def _lanes(log: Log, store: ObjectStore) -> dict[int, list[Message]]:
    lanes: dict[int, list[Message]] = {}
    for r in log.read_all(topics.MIXED):
        flush = dict(r.headers or ()).get("type") == b"Flush"
        value = Flush.FromString(r.value) if flush else decode(r.value, store)
        message = Message(r.topic, r.partition, r.offset, r.key, value, r.timestamp)
        lanes.setdefault(r.partition, []).append(message)
    return lanes
