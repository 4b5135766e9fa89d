"""Which document comes next in a lane."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.mixer.config import MixerConfig
from services.mixer.draft import Draft
from services.mixer.ledger import Ledger
from services.mixer.phase import Terms
from services.mixer.pool import Pool, Waiting
from services.mixer.recipe import Recipe
from services.mixer.sorting import Sorter
from services.mixer.spacing import Recent


class Head(NamedTuple):
    """The next document of a bucket. number: of the reading that came to it; place: in that one's buffer."""

    pool: Pool
    terms: Terms
    number: int
    place: int
    one: Waiting
    near: bool  # spacing or a limit does not allow it


@dataclass(frozen=True)
class Moment:
    """Of a step. now: Unix seconds. drained: topics with nothing left to read. flushing: a Flush waits."""

    draft: Draft
    now: float
    drained: Collection[str]
    flushing: bool


def has_room(pool: Pool, config: MixerConfig) -> bool:
    """For more new documents."""
    return len(pool.new) < config.buffer_documents and pool.num_bytes < config.buffer_bytes


@dataclass
class Choice:
    """By one recipe. waits_for: the bucket that is due and has nothing, as it was found last. without: those
    that a document was chosen without, since they stayed dry.
    """

    config: MixerConfig
    recipe: Recipe
    pools: Mapping[str, Pool]
    ledger: Ledger
    recent: Recent
    sorter: Sorter
    waits_for: str | None = None
    without: frozenset[str] = frozenset()
    _heads: dict[str, Head] = field(default_factory=dict)  # by bucket: its first new document, not taken yet

    def next(self, at: Moment) -> Head | None:
        """The document to take, or None when there is none or one has to be waited for."""
        heads: dict[str, Head | None] = {}
        without = set()
        phase = self.ledger.phase
        for bucket in self.ledger.active:
            pool, terms = self.pools[bucket], self.recipe.terms(phase, bucket)
            head = self._new(pool, terms, at)
            if head is None and not pool.new:
                head = self._used(pool, terms, at)
                if head is None and self._passed_over(pool, at):
                    without.add(bucket)
                    continue
            heads[bucket] = head
        self.waits_for = None
        if not heads:
            return None
        bucket = self.ledger.due(
            {name: head and head.one.document.num_tokens for name, head in heads.items()}
        )
        self.waits_for = bucket if heads[bucket] is None else None
        self.without = frozenset() if at.flushing else frozenset(without)
        self._heads.pop(bucket, None)
        return heads[bucket]

    def _new(self, pool: Pool, terms: Terms, at: Moment) -> Head | None:
        """The first new document. Where nothing is kept apart it stays that, whatever else is mixed."""
        if (known := self._heads.get(pool.bucket)) is not None and known.terms == terms:
            return known
        self._heads.pop(pool.bucket, None)  # by these terms it may be passed over
        head = self._head(pool, terms, 0, at.draft, ends=pool.topic in at.drained)
        if head is not None and not self.recent.apart:
            self._heads[pool.bucket] = head
        return head

    def _head(self, pool: Pool, terms: Terms, number: int, draft: Draft, *, ends: bool) -> Head | None:
        """The first document of a buffer that is wanted and allowed; what is not wanted is passed over.

        ends: nothing comes after what is in the buffer. Where all that are looked at are too near, the first
        of them goes; that is known once as many are there as are looked at.
        """
        waiting, recent, front = pool.again if number else pool.new, self.recent, pool.front(number)
        front.look(recent.end, recent, number, terms)
        while front.held < len(waiting) and front.held < self.config.look_ahead:
            one = waiting[front.held]
            if front.held >= front.wanted and not self._is_wanted(pool, terms, number, one):
                self._leave(pool, number, pool.take_out(number, front.held, terms), draft)
            elif (free := recent.free_at(one.document)) <= recent.end:
                return Head(pool, terms, number, front.held, one, near=False)
            else:
                front.hold(free)
        if waiting and (ends or front.held == self.config.look_ahead or not has_room(pool, self.config)):
            return Head(pool, terms, number, 0, waiting[0], near=True)
        return None

    def _is_wanted(self, pool: Pool, terms: Terms, number: int, one: Waiting) -> bool:
        return pool.is_wanted(terms, number, one) and (number > 0 or self.sorter.belongs(pool, one.document))

    def _leave(self, pool: Pool, number: int, one: Waiting, draft: Draft) -> None:
        """Pass over a document that this phase does not want, or that lies in the wrong pool."""
        if number == 0 and not self.sorter.belongs(pool, one.document):
            self.sorter.move(pool, number, one, draft)
            return
        if number == 0 and not one.document.use:
            draft.aside.append(one.document.uid)
        draft.moved(pool, one, 0)

    def _used(self, pool: Pool, terms: Terms, at: Moment) -> Head | None:
        """The next document that may be used again, where the bucket has nothing new."""
        if pool.topic in at.drained and pool.dry_since is None:
            pool.dry_since = at.now
        if pool.dry_since is None or not self._may_reuse(pool, at):
            return None
        while pool.go_again(terms):
            ends = pool.wanted_again(1 << 60) is None
            head = self._head(pool, terms, pool.number, at.draft, ends=ends)
            if head is not None or not ends:
                return head
        return None

    def _may_reuse(self, pool: Pool, at: Moment) -> bool:
        """A phase that says how often means it; else it is what `starvation` does, in its time."""
        if self.recipe.starvation != "reuse" or self.ledger.phase.told_uses(pool.bucket) is not None:
            return True
        since = pool.dry_since or at.now
        return at.flushing or at.now - since >= self.recipe.relax_after_s

    def _passed_over(self, pool: Pool, at: Moment) -> bool:
        """Whether the others go on without it."""
        if pool.wanted_again(1 << 60) is not None:
            return False  # it is being read
        if at.flushing and pool.topic in at.drained:
            return True
        if self.recipe.starvation != "relax" or pool.dry_since is None:
            return False
        return at.now - pool.dry_since >= self.recipe.relax_after_s
