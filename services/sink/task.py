"""The sink: cuts a lane of docs.mixed into parts, writes them and announces them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from contracts import Document, Flush, PartSealed
from services.runtime import (
    Count,
    LaneService,
    Message,
    ObjectStore,
    Output,
    Resources,
    Step,
    Vocabularies,
    topics,
)
from services.sink.config import SinkConfig
from services.sink.manifest import Manifest, in_order
from services.sink.owner import Owner
from services.sink.part import UNFIT_REASONS, Packable, build, packable, stream_name, stream_of
from services.sink.parts import read_records

logger = structlog.get_logger(__name__)

ALREADY_IN_PART = "already_in_part"


@dataclass
class _Open:
    """The part in the making: a stretch of the lane, with what was unfit in it."""

    since: float | None = None  # when the first document was read, by the clock of step
    first_s: float = 0.0  # timestamps in the log of the first document and of the last message
    last_s: float = 0.0
    next_offset: int | None = None
    num_tokens: int = 0
    num_documents: int = 0  # the unfit after the first fit one included
    packables: list[Packable] = field(default_factory=list)
    unfit: list[tuple[Document, str, str]] = field(default_factory=list)
    tokenizer: str = ""  # digest of the vocabulary of its documents
    cut: str | None = None  # why it ends here: size, phase, recipe, vocabulary or flush

    def ended_by(self, document: Document) -> str | None:
        """Why this document begins the next part."""
        if not self.packables:
            return None
        if self.packables[0].record.phase != document.phase:
            return "phase"
        if self.packables[0].record.recipe != document.recipe:
            return "recipe"
        return "vocabulary" if document.tokenizer not in {"", self.tokenizer} else None


class Sink:
    """The fold of one lane.

    A part ends by size, by a change of phase, recipe or vocabulary or at a Flush; these follow from the
    order of the lane alone, so a replay writes the same part again, byte for byte. Age alone depends on a
    clock, and two are never compared: it is the time since this process read the first document; and, so
    that it counts across restarts, the time in the log from that one to the last message once all is read
    (a backlog after an outage is not cut small).

    What is known of the vocabulary of a part's documents is in the store; a digest that is not there is a
    ConfigurationError, and nothing is taken until it is.

    Files are written before the announcement and count only with it. A write that fails leaves the
    part open, so the step can be repeated.

    Documents of parts that an earlier docs.mixed filled (`parts adopt`) are known by uid and use, and do not
    go into a second part: some 100 B of memory for each.
    """

    def __init__(
        self, config: SinkConfig, store: ObjectStore, lane: int, topic_ids: Mapping[str, str] | None = None
    ) -> None:
        """topic_ids: Kafka's, by name; they tell this river and its parts from others."""
        ids = topic_ids or {}
        self._config = config
        self._store = store
        self._lane = lane
        self._stream = stream_name(ids.get(topics.MIXED, ""))
        self._manifest = Manifest(store, lane, Owner(store, ids.get(topics.SEALED, "")), self._stream)
        self._adopted: dict[tuple[int, int], str] = {}
        self._vocabularies = Vocabularies(store)
        self._waiting: deque[Message] = deque()
        self._open = _Open()

    def restore(self, log: Sequence[Message]) -> None:
        """log: shards.sealed. Mends the manifest. Raises DependencyDown.

        Raises ConfigurationError where the log and the store do not belong together.
        """
        announced = [m.value for m in log if isinstance(m.value, PartSealed)]
        self._manifest.restore(announced)
        for part in in_order(announced):
            if stream_of(part.name) != self._stream:
                self._adopted |= {(r.uid, r.use): part.name for r in read_records(self._store, part)}

    @property
    def since(self) -> float | None:
        """When the oldest document came that waits for its part."""
        return self._open.since if self._open.packables else None

    def wants(self) -> Collection[str]:
        """More documents, unless a part is ready to be sealed."""
        return () if self._open.cut else (topics.MIXED,)

    def feed(self, messages: Sequence[Message]) -> None:
        """Add documents to the open part, up to where it ends. Raises DependencyDown."""
        if messages:
            self._manifest.remove_orphans(messages[0].offset)
        self._waiting.extend(messages)
        self._fill()

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Seal the open part if it is time. Raises DependencyDown when the store takes nothing."""
        part = self._open
        if part.packables:
            if part.since is None:
                part.since = now
            sealed_by = part.cut or ("age" if self._is_old(now, drained) else None)
            return self._seal(sealed_by, now) if sealed_by else None
        if part.next_offset is None:
            return None
        # Nothing to pack: a Flush with nothing waiting, or unfit documents alone.
        self._start()
        return Step((), {topics.MIXED: part.next_offset}, part.unfit)

    def _fill(self) -> None:
        part = self._open
        while self._waiting and part.cut is None:
            message = self._waiting[0]
            if isinstance(message.value, Flush):
                part.cut = "flush"
            elif (document := message.document) is not None:
                part.cut = part.ended_by(document)
                if part.cut is not None:
                    return
                self._put(message, document)
            self._waiting.popleft()
            part.last_s = message.timestamp_ms / 1000
            part.next_offset = message.offset + 1

    def _put(self, message: Message, document: Document) -> None:
        part = self._open
        adopted = self._adopted.get((document.uid, document.use))
        if adopted is not None:
            part.unfit.append((document, ALREADY_IN_PART, adopted))
            return  # as for one with a fault
        if (fault := self._vocabularies.fault(document)) is not None:
            logger.error("a document that fits no part came as far as the sink", id=document.id,
                         reason=fault.reason, detail=fault.detail)  # fmt: skip
            part.unfit.append((document, *fault))
            if not part.packables:
                return  # may leave at any step, so it must not count towards the size
        else:
            if not part.packables:
                part.first_s = message.timestamp_ms / 1000
                part.tokenizer = document.tokenizer
            part.packables.append(packable(message, document))
            part.num_tokens += document.num_tokens
        part.num_documents += 1
        full = part.num_tokens >= self._config.seal_tokens
        if full or part.num_documents >= self._config.seal_documents:
            part.cut = "size"

    def _is_old(self, now: float, drained: Collection[str]) -> bool:
        part = self._open
        assert part.since is not None
        limit = self._config.seal_age_s
        if now - part.since >= limit:
            return True
        return part.last_s - part.first_s >= limit and not self._waiting and topics.MIXED in drained

    def _seal(self, sealed_by: str, now: float) -> Step:
        part = self._open
        card = self._vocabularies.card(part.tokenizer)
        built = build(part.packables, self._lane, self._config, card, self._stream)
        sealed = built.announcement
        sealed.sealed_by = sealed_by
        sealed.sealed_ms = int(now * 1000)
        self._manifest.put(sealed.name, built.files)
        assert part.next_offset is not None
        self._start()
        return Step(
            outputs=[Output(topics.SEALED, sealed)],
            consumed={topics.MIXED: part.next_offset},
            dropped=part.unfit,
            committed=partial(self._manifest.add, sealed),
            part=sealed.name,
            records=[packable.record for packable in part.packables],
            counted=_counted(sealed),
        )

    def _start(self) -> None:
        """Open the next part with what was already read."""
        self._open = _Open()
        self._fill()


def _counted(sealed: PartSealed) -> list[Count]:
    tokens = [Count("sealed_tokens", (bucket,), number) for bucket, number in sealed.bucket_tokens.items()]
    return [Count("sealed_parts", (sealed.sealed_by,)), *tokens]


def _build(config: SinkConfig, resources: Resources, lane: int) -> Sink:
    return Sink(config, resources.store, lane, resources.topic_ids)


def _reached(log: Sequence[Message], topic_ids: Mapping[str, str]) -> Mapping[str, int]:
    """After the last document that an announced part of this docs.mixed holds."""
    stream = stream_name(topic_ids.get(topics.MIXED, ""))
    parts = [m.value for m in log if isinstance(m.value, PartSealed)]
    ends = [part.last_offset + 1 for part in parts if stream_of(part.name) == stream]
    return {topics.MIXED: max(ends)} if ends else {}


SERVICE = LaneService(
    name="sink",
    config=SinkConfig,
    build=_build,
    logs=(topics.SEALED,),
    drop_reasons=UNFIT_REASONS | {ALREADY_IN_PART},
    reached=_reached,
)
