"""The mixer: takes from the pools of one lane what the recipe asks for next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from contracts import Control, Document, Flush, MixerState
from services.mixer.ledger import Ledger
from services.mixer.recipe import Recipe, agrees
from services.mixer.retractions import Retractions
from services.runtime import LaneService, Message, Output, Resources, Step, topics

_LAYOUT = 3  # of MixerState

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MixerConfig:
    """How much is held and moved at a time; what is mixed is the recipe's business.

    buffer_*: per bucket; past either the pool is paused and waits in Kafka.
    step_*: bounds of one transaction, about what a batch of the other services holds.
    hold: mix at a Flush alone. For a run with an end: no document is mixed before every better duplicate
        of it has come in, and the mix is made of all there is.
    """

    buffer_documents: int = 1000
    buffer_bytes: int = 16 << 20
    step_documents: int = 1000
    step_bytes: int = 8 << 20
    hold: bool = False

    def __post_init__(self) -> None:
        for name in ("buffer_documents", "buffer_bytes", "step_documents", "step_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass
class _Pool:
    """What was read of one bucket's topic and not taken yet.

    dry_since: when there was first nothing left to read; None once more came. That a later step does not
    list the topic as drained means only that other topics keep the reader busy.
    """

    topic: str
    waiting: deque[tuple[int, Document, int]] = field(default_factory=deque)  # offset, document, bytes
    num_bytes: int = 0
    dry_since: float | None = None

    def feed(self, message: Message) -> None:
        if (document := message.document) is not None:
            size = document.ByteSize()
            self.waiting.append((message.offset, document, size))
            self.num_bytes += size
            self.dry_since = None

    @property
    def upcoming(self) -> int | None:
        """Tokens of the next document."""
        return self.waiting[0][1].num_tokens if self.waiting else None

    def take(self) -> tuple[int, Document, int]:
        offset, document, size = self.waiting.popleft()
        self.num_bytes -= size
        return offset, document, size


@dataclass
class _Draft:
    """A step in the making."""

    outputs: list[Output] = field(default_factory=list)
    consumed: dict[str, int] = field(default_factory=dict)
    dropped: list[tuple[Document, str, str]] = field(default_factory=list)
    num_bytes: int = 0


class Mixer:
    """The fold of one lane.

    The bucket that is owed the most tokens comes next, and if it is empty the others wait for it. So
    the order of a lane follows from the contents of its pools alone, however they arrive. Two things
    make it pass over a bucket that has run dry (nothing buffered, nothing left to read): a Flush, and
    the recipe's `starvation: relax` after its time. A bucket without weight in the present phase is
    never touched, not even by a Flush.

    What the lane is told (retraction, quarantine, flush) comes in one order in pool.control. Nothing is
    taken before what stood there at the start is read; and the place there that is committed is that of the
    first Flush that is not done.
    """

    def __init__(self, config: MixerConfig, recipe: Recipe, lane: int, lanes: int) -> None:
        self._config = config
        self._relax_after_s = recipe.relax_after_s if recipe.starvation == "relax" else None
        self._lane = lane
        self._recipe = recipe.digest
        self._ledger = Ledger(recipe, lane, lanes)
        self._pools = {name: _Pool(topics.POOL + name) for name in recipe.buckets}
        self._by_topic = {pool.topic: pool for pool in self._pools.values()}
        self._retractions = Retractions()
        self._quarantined: dict[int, str] = {}  # uid -> why
        self._told = self._heard = 0  # offsets in pool.control: after what is done with, and what is read
        self._caught_up = False
        self._flushes: deque[tuple[int, Flush]] = deque()  # with their offsets
        self._starved: str | None = None
        self._consumed: dict[str, int] = {}  # by input, ever

    @property
    def starved(self) -> bool:
        """The mix waits for a bucket that has run dry while others have documents."""
        return self._starved is not None

    def restore(self, log: Sequence[Message]) -> None:
        """log: pool.state, and pool.control up to its committed offset."""
        state = None
        for message in log:
            if isinstance(message.value, Control):
                self._remember(message.value)
            elif isinstance(message.value, MixerState):
                state = message.value
        if state is not None:
            self._ledger.restore(state)
            self._consumed = dict(state.consumed)
            self._told = self._consumed.get(topics.CONTROL, 0)

    def wants(self) -> Collection[str]:
        """What it is told always; the pools of this phase that have room."""
        pools = (self._pools[name] for name in self._ledger.active)
        return {topics.CONTROL, *(pool.topic for pool in pools if self._has_room(pool))}

    def feed(self, messages: Sequence[Message]) -> None:
        """Buffer documents, remember what is told."""
        for message in messages:
            if (pool := self._by_topic.get(message.topic)) is not None:
                pool.feed(message)
            elif message.topic == topics.CONTROL:
                self._heard = message.offset + 1
                if isinstance(message.value, Control):
                    self._remember(message.value)
                    if message.value.HasField("flush"):
                        self._flushes.append((message.offset, message.value.flush))

    def _remember(self, told: Control) -> None:
        if told.HasField("retraction"):
            self._retractions.add(told.retraction)
        elif told.HasField("quarantine"):
            self._quarantined.setdefault(told.quarantine.uid, told.quarantine.why)

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Take as much as the recipe and the bounds of a transaction allow."""
        draft = _Draft()
        self._caught_up = self._caught_up or topics.CONTROL in drained
        if self._caught_up and (self._flushes or not self._config.hold):
            self._mix(draft, now, drained)
            self._pass_flushes(draft, drained)
        done = self._flushes[0][0] if self._flushes else self._heard
        if done > self._told:
            draft.consumed[topics.CONTROL] = self._told = done
        if not draft.consumed:
            return None
        self._consumed |= draft.consumed
        state = self._ledger.state()
        state.consumed.update(self._consumed)
        state.layout = _LAYOUT
        draft.outputs.append(Output(topics.LANE_STATE, state, key=str(self._lane).encode()))
        return Step(draft.outputs, draft.consumed, draft.dropped)

    def _mix(self, draft: _Draft, now: float, drained: Collection[str]) -> None:
        limit = self._config
        while (
            len(draft.outputs) + len(draft.dropped) < limit.step_documents
            and draft.num_bytes < limit.step_bytes
            and (bucket := self._next(now, drained)) is not None
        ):
            self._take(bucket, draft)

    def _next(self, now: float, drained: Collection[str]) -> str | None:
        """The bucket to take from, or None when there is none or it has to be waited for."""
        owed = [name for name in self._ledger.active if not self._passed_over(name, now, drained)]
        if not owed:
            return None
        upcoming = {name: self._pools[name].upcoming for name in owed}
        bucket = self._ledger.due(upcoming)
        if self._pools[bucket].waiting:
            return bucket
        self._tell_starved(bucket)
        return None

    def _passed_over(self, bucket: str, now: float, drained: Collection[str]) -> bool:
        pool = self._pools[bucket]
        if pool.waiting:
            return False
        if pool.topic in drained:
            if self._flushes:
                return True
            if pool.dry_since is None:
                pool.dry_since = now
        if self._relax_after_s is None or pool.dry_since is None:
            return False
        return now - pool.dry_since >= self._relax_after_s

    def _take(self, bucket: str, draft: _Draft) -> None:
        pool = self._pools[bucket]
        offset, document, size = pool.take()
        draft.consumed[pool.topic] = offset + 1
        self._starved = None
        if (unwanted := self._unwanted(document.uid)) is not None:
            draft.dropped.append((document, *unwanted))
            draft.num_bytes += size
            return
        document.phase = self._ledger.phase.name
        document.recipe = self._recipe
        document.use = 1
        document.ClearField("features")  # the tokens go on; what was measured stays in the pool's log
        if self._ledger.add(bucket, document.num_tokens):
            logger.info("phase", lane=self._lane, phase=self._ledger.phase.name)
        draft.outputs.append(Output(topics.MIXED, document))
        draft.num_bytes += document.ByteSize()

    def _unwanted(self, uid: int) -> tuple[str, str] | None:
        """Reason and detail for which a document is not mixed."""
        if (why := self._quarantined.get(uid)) is not None:
            return "quarantined", why
        if (superseded := self._retractions.find(uid)) is not None:
            return "superseded", f"superseded by {superseded.by:016x}, similarity {superseded.similarity:.2f}"
        return None

    def _pass_flushes(self, draft: _Draft, drained: Collection[str]) -> None:
        """Hand the flushes on once there is nothing left that they could wait for."""
        if self._flushes and all(self._is_dry(self._pools[name], drained) for name in self._ledger.active):
            draft.outputs += [Output(topics.MIXED, flush) for _, flush in self._flushes]
            self._flushes.clear()

    @staticmethod
    def _is_dry(pool: _Pool, drained: Collection[str]) -> bool:
        return not pool.waiting and pool.topic in drained

    def _has_room(self, pool: _Pool) -> bool:
        limit = self._config
        return len(pool.waiting) < limit.buffer_documents and pool.num_bytes < limit.buffer_bytes

    def _tell_starved(self, bucket: str) -> None:
        others = sum(len(pool.waiting) for pool in self._pools.values())
        if others and self._starved != bucket and self._pools[bucket].dry_since is not None:
            self._starved = bucket
            logger.warning("starved: the mix waits", lane=self._lane, bucket=bucket, others_waiting=others)


def _build(config: MixerConfig, resources: Resources, lane: int) -> Mixer:
    settings = resources.settings
    return Mixer(config, Recipe.load(settings.recipe), lane, settings.lanes)


def _reached(log: Sequence[Message], _topic_ids: Mapping[str, str]) -> Mapping[str, int]:
    """As the last state says, which stands in the transaction of every step."""
    states = [m.value for m in log if isinstance(m.value, MixerState)]
    return dict(states[-1].consumed) if states else {}


MIXER = LaneService(
    name="mixer",
    config=MixerConfig,
    build=_build,
    logs=(topics.LANE_STATE, topics.CONTROL),
    drop_reasons=frozenset({"superseded", "quarantined"}),
    reached=_reached,
    agrees=agrees,
)
