"""The mixer: takes from the pools of one lane what the recipe asks for next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from functools import partial
from typing import TypeVar

import structlog

from contracts import Control, Document, Flush, MixerState
from services.mixer.choice import Choice, Head, Moment, has_room
from services.mixer.config import MixerConfig
from services.mixer.draft import Draft
from services.mixer.gone import Gone, shown
from services.mixer.ledger import Ledger
from services.mixer.pool import Pool
from services.mixer.recipe import Limits, Recipe, agrees
from services.mixer.snapshots import Snapshots
from services.mixer.sorting import Sorter
from services.mixer.spacing import Apart, Recent
from services.runtime import LaneService, Message, Output, Resources, Step, topics

_LAYOUT = 4  # of MixerState

logger = structlog.get_logger(__name__)


class Mixer:
    """The fold of one lane.

    Of the buckets that are not ahead of their share one comes next (see Ledger.due), and if it is empty the
    others wait for it. So the order of a lane follows from the contents of its pools alone, however they
    arrive. What makes it go on without new documents of a bucket that has run dry (nothing buffered, nothing
    left to read): documents that may be used again; a Flush; the recipe's `starvation` after its time. A
    bucket without weight in the present phase is never touched, not even by a Flush.

    What the lane is told (retraction, quarantine, forget, flush, another recipe) comes in one order in
    pool.control. Nothing is taken before what stood there at the start is read; and the place there that is
    committed is that of the first Flush or recipe that is not done.
    """

    def __init__(
        self,
        config: MixerConfig,
        recipe: Recipe,
        lane: int,
        lanes: int,
        *,
        buckets: Collection[str] = (),
        snapshots: Snapshots | None = None,
    ) -> None:
        """buckets: whose pools it reads beside the recipe's. recipe: where the lane has no state yet."""
        self._config = config
        self._lane = lane
        self._snapshots = snapshots
        self._pools = {name: Pool(name) for name in sorted({*recipe.buckets, *buckets})}
        self._by_topic = {pool.topic: pool for pool in self._pools.values()}
        self._gone = Gone()
        self._gone_upto = 0  # offset in pool.control below which the snapshot tells who is gone
        self._told = self._heard = 0  # offsets in pool.control: after what is done with, and what is read
        self._caught_up = False
        self._pending: deque[tuple[int, Flush | Recipe]] = deque()  # with what was heard before
        self._starved: str | None = None
        self._new_since: float | None = None
        self._without: Set[str] = frozenset()  # buckets that are dry, as it was said last
        self._missing: Set[str] = set()  # buckets of the next recipe whose pools are not read
        self._near = 0  # documents of this phase that went though spacing or a limit did not allow it
        self._consumed: dict[str, int] = {}  # by input, ever
        self._ledger = Ledger(recipe, lane, lanes)
        self._recent = Recent(Apart(0, Limits()), self._gone.kin)
        self._use(recipe)

    def _use(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._sorter = Sorter(recipe, self._gone)
        kept = self._recent.pack()
        self._recent = Recent(Apart(recipe.spacing, recipe.limits), self._gone.kin)
        self._recent.unpack(kept)
        self._choice = Choice(self._config, recipe, self._pools, self._ledger, self._recent, self._sorter)

    @property
    def starved(self) -> bool:
        """The mix waits for a bucket that has run dry while others have documents."""
        return self._starved is not None

    def restore(self, log: Sequence[Message]) -> None:
        """log: the last of pool.state, and pool.control from where the snapshot ends to its committed offset.

        Raises ConfigurationError: the snapshot is gone; DependencyDown.
        """
        for message in log:
            if isinstance(message.value, MixerState):
                self._take_up(message.value)
            elif isinstance(message.value, Control):
                self._learn(message.value)

    def _take_up(self, state: MixerState) -> None:
        if state.gone and self._snapshots is not None:
            self._gone, self._gone_upto = self._snapshots.read(state.gone), state.gone
        recipe = Recipe.load(state.text)
        self._use(recipe)
        self._recent.unpack(state.recent)
        self._ledger.restore(state, recipe)
        for bucket, stands in state.pools.items():
            pool = self._pools.setdefault(bucket, Pool(bucket))
            self._by_topic[pool.topic] = pool
            pool.restore(stands)
        self._consumed = dict(state.consumed)
        self._told = self._consumed.get(topics.CONTROL, 0)

    def wants(self) -> Collection[str]:
        """What it is told always; the pools of this phase, and those that are sorted, that have room."""
        pools = [self._pools[name] for name in self._ledger.active] + self._abandoned
        pools += [pool for pool in self._pools.values() if pool.sorting]
        return {topics.CONTROL, *(pool.topic for pool in pools if has_room(pool, self._config))}

    def feed(self, messages: Sequence[Message]) -> None:
        """Buffer documents, remember what is told."""
        for message in messages:
            if (pool := self._by_topic.get(message.topic)) is not None:
                pool.feed(message)
            elif message.topic == topics.CONTROL:
                self._hear(message)

    def wanted_again(self) -> Mapping[str, tuple[int, int]]:
        """See RereadingTask."""
        limit = self._config
        pools = (p for p in self._pools.values() if not p.again or p.num_bytes < limit.buffer_bytes)
        found = ((pool.topic, pool.wanted_again(limit.buffer_documents)) for pool in pools)
        return {topic: stretch for topic, stretch in found if stretch is not None}

    def feed_again(self, topic: str, messages: Sequence[Message], reached: int) -> None:
        """See RereadingTask."""
        self._by_topic[topic].feed_again(messages, reached)

    def _hear(self, message: Message) -> None:
        before, self._heard = self._heard, message.offset + 1
        told = message.value
        if not isinstance(told, Control):
            return
        self._learn(told)
        if told.HasField("flush"):
            self._pending.append((before, told.flush))
        elif told.HasField("recipe"):
            self._pending.append((before, Recipe.load(told.recipe.text)))

    def _learn(self, told: Control) -> None:
        if (joined := self._gone.add(told)) is not None:
            self._recent.join(joined)

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Take as much as the recipe and the bounds of a transaction allow."""
        draft = Draft(self._config.step_documents, self._config.step_bytes)
        self._caught_up = self._caught_up or topics.CONTROL in drained
        if self._caught_up:
            self._change_recipe(draft)
            if self._sort(draft, drained):
                self._mix(draft, now, drained)
        return self._ended(draft)

    def _ended(self, draft: Draft) -> Step | None:
        done = self._pending[0][0] if self._pending else self._heard
        if done > self._told:
            self._told, draft.changed = done, True
        return None if draft.is_empty else self._written(draft)

    def _written(self, draft: Draft) -> Step:
        places = {topic: place for topic, place in draft.places() if place > self._consumed.get(topic, 0)}
        # Always there: it is by an offset of the group that one who lost the lane is refused.
        self._consumed |= places | {topics.CONTROL: self._told}
        state = self._ledger.state()
        state.recipe, state.text = self._recipe.digest, self._recipe.text
        state.consumed.update(self._consumed)
        for bucket, pool in self._pools.items():
            state.pools[bucket].CopyFrom(pool.state())
        state.recent = self._recent.pack()
        state.layout = _LAYOUT
        committed = None
        if self._snapshots is not None:
            self._gone_upto, committed = self._snapshots.kept(self._gone, self._gone_upto, self._heard)
        state.gone = self._gone_upto
        draft.outputs.append(Output(topics.LANE_STATE, state, key=str(self._lane).encode()))
        consumed = places | {topics.CONTROL: self._told}
        return Step(
            draft.outputs,
            consumed,
            draft.dropped,
            aside=draft.aside,
            resumed=draft.resumed,
            committed=committed,
            counted=draft.counted,
        )

    def _change_recipe(self, draft: Draft) -> None:
        """Take up recipes that nothing told before waits for. A pool that is not read yet is waited for."""
        while self._pending and isinstance(recipe := self._pending[0][1], Recipe):
            if any(pool.sorting for pool in self._pools.values()):
                return
            if missing := recipe.buckets.keys() - self._pools.keys():
                self._tell_missing(missing)
                return
            self._pending.popleft()
            draft.changed = True
            if recipe.digest != self._recipe.digest or recipe != self._recipe:
                former = self._recipe
                self._use(recipe)
                self._ledger.change(recipe)
                self._sorter.begin(self._pools.values(), former)

    def _sort(self, draft: Draft, drained: Collection[str]) -> bool:
        """Whether nothing is left to be sorted anew, so that it may be mixed."""
        for pool in self._abandoned:
            self._sorter.sort_strays(pool, draft)
        todo = [pool for pool in self._pools.values() if pool.sorting]
        done = [self._sorter.sort(pool, drained, draft) for pool in todo]
        return all(done)

    @property
    def _abandoned(self) -> list[Pool]:
        """Of buckets that are no more."""
        return [
            pool
            for name, pool in self._pools.items()
            if name not in self._recipe.buckets and not pool.sorting
        ]

    @property
    def _flushes(self) -> list[Flush]:
        """Those before the next recipe."""
        found = []
        for _, told in self._pending:
            if isinstance(told, Recipe):
                break
            found.append(told)
        return found

    def _mix(self, draft: Draft, now: float, drained: Collection[str]) -> None:
        flushing = bool(self._flushes)
        if self._config.hold and not flushing:
            return
        if self._lingers(now) and not (flushing and self._all_read(drained)):
            return  # where a Flush waits no longer than until it is known that all before it has come
        moment, self._choice.waits_for = Moment(draft, now, drained, flushing), None
        while draft.has_room:
            head = None if flushing and self._is_flushed(draft, drained) else self._choice.next(moment)
            if head is None:
                break
            self._take(head, draft)
        else:
            return
        if (bucket := self._choice.waits_for) is not None:
            self._tell_starved(bucket)
        self._tell_without(self._choice.without)
        if flushing and self._is_dry(draft, drained):
            for flush in self._flushes:
                self._pending.popleft()
                draft.outputs.append(Output(topics.MIXED, flush))

    def _lingers(self, now: float) -> bool:
        """Whether what is new waits for more, counted from when it was seen, or last failed to be mixed."""
        new = [pool for name in self._ledger.active if (pool := self._pools[name]).new]
        few = sum(len(pool.new) for pool in new) < self._config.step_documents
        little = sum(pool.num_bytes for pool in new) < self._config.step_bytes
        if self._new_since is None:
            self._new_since = now
        if new and few and little and now < self._new_since + self._config.linger_s:
            return True
        self._new_since = None
        return False

    def _all_read(self, drained: Collection[str]) -> bool:
        return all(self._pools[name].topic in drained for name in self._ledger.active)

    def _is_flushed(self, draft: Draft, drained: Collection[str]) -> bool:
        """Nothing new is left, and what could be used again has no budget to be used for."""
        return self._ledger.left is None and self._is_dry(draft, drained)

    def _is_dry(self, draft: Draft, drained: Collection[str]) -> bool:
        """Nothing is left that a Flush waits for."""
        pools = [self._pools[name] for name in self._ledger.active]
        if draft.refills or any(pool.new for pool in pools):
            return False
        if any(pool.new or pool.topic not in drained for pool in pools + self._abandoned):
            return False
        filled = self._ledger.left is None
        return filled or not any(pool.again or pool.wanted_again(1) is not None for pool in pools)

    def _take(self, head: Head, draft: Draft) -> None:
        pool, number, document = head.pool, head.number, head.one.document
        uses = pool.uses(number, head.one)
        pool.take_out(head.number, head.place, head.terms)
        self._starved = None
        if number and not uses:
            draft.resumed.append(document.uid)
        if (why := self._gone.find(document.uid)) is not None:
            if not uses:
                draft.dropped.append((shown(document, why), *why))
            draft.erase(pool, document.uid)
            draft.moved(pool, head.one)
            return
        self._near += head.near
        document.use = uses + 1
        self._stamp(document)
        self._recent.add(document)
        draft.take(pool.bucket, document.num_tokens, self._ledger.shares)
        if self._ledger.add(pool.bucket, document.num_tokens):
            logger.info("phase", lane=self._lane, phase=self._ledger.phase.name, too_near=self._near)
            self._near = 0
        draft.outputs.append(Output(topics.MIXED, document))
        draft.moved(pool, head.one)

    def _stamp(self, document: Document) -> None:
        """Say how it was mixed; what was measured stays in the pool."""
        phase = self._ledger.phase
        document.phase, document.packing = phase.name, phase.packing or ""
        document.recipe = self._recipe.digest
        self._gone.kin.relabel(document)
        document.ClearField("features")

    def _tell_missing(self, buckets: Set[str]) -> None:
        if self._missing != buckets:
            self._missing = buckets
            logger.info("another recipe waits for a start that reads its pools", missing=sorted(buckets))

    def _tell_starved(self, bucket: str) -> None:
        others = sum(len(pool.new) for pool in self._pools.values())
        if others and self._starved != bucket and self._pools[bucket].dry_since is not None:
            self._starved = bucket
            logger.warning("starved: the mix waits", lane=self._lane, bucket=bucket, others_waiting=others)

    def _tell_without(self, buckets: Set[str]) -> None:
        if self._without != buckets:
            self._without = buckets
            if buckets:
                logger.warning("relaxed: the mix goes on without", lane=self._lane, buckets=sorted(buckets))


_Made = TypeVar("_Made", bound=Mixer)


def lane_of(made: Callable[..., _Made], config: MixerConfig, resources: Resources, lane: int) -> _Made:
    """A mixer of one lane, or what is made as one is."""
    settings = resources.settings
    pools = (t for t in resources.inputs if t.startswith(topics.POOL) and t != topics.CONTROL)
    return made(
        config,
        Recipe.load(settings.recipe),
        lane,
        settings.lanes,
        buckets=[topic.removeprefix(topics.POOL) for topic in pools],
        snapshots=Snapshots(resources.store, lane, resources.topic_ids.get(topics.CONTROL, "")),
    )


def _reached(log: Sequence[Message], _topic_ids: Mapping[str, str]) -> Mapping[str, int]:
    """As the last state says, which stands in the transaction of every step."""
    states = [m.value for m in log if isinstance(m.value, MixerState)]
    return dict(states[-1].consumed) if states else {}


def _since(tails: Sequence[Message]) -> Mapping[str, int]:
    """What the snapshot tells need not be read."""
    states = [m.value for m in tails if isinstance(m.value, MixerState)]
    return {topics.CONTROL: states[-1].gone} if states else {}


MIXER = LaneService(
    name="mixer",
    config=MixerConfig,
    build=partial(lane_of, Mixer),
    logs=(topics.CONTROL,),
    tails=(topics.LANE_STATE,),
    since=_since,
    drop_reasons=frozenset({"superseded", "quarantined", "forgotten", "no_bucket"}),
    reached=_reached,
    agrees=agrees,
)
