"""The ledger of one lane: what was taken in this phase, and which bucket is owed the most."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from contracts import MixerState
from services.mixer.phase import Phase
from services.mixer.recipe import Recipe

logger = structlog.get_logger(__name__)


class Ledger:
    """Token accounts by bucket. A phase's budget is shared evenly by the lanes, rounded up."""

    def __init__(self, recipe: Recipe, lane: int, lanes: int) -> None:
        self._recipe = recipe
        self._lane = lane
        self._lanes = lanes
        self._documents = 0
        self._over: list[str] = []  # phases whose budgets are spent, by name
        self._enter(0, {})

    @property
    def phase(self) -> Phase:
        """The phase that the next document belongs to."""
        return self._phase

    @property
    def active(self) -> tuple[str, ...]:
        """Buckets that may be taken from now, in the recipe's order; none once the last budget is spent."""
        return () if self._spent() else self._buckets

    @property
    def shares(self) -> Mapping[str, float]:
        """Of the buckets of this phase, 1 in sum."""
        return self._weights

    @property
    def left(self) -> int | None:
        """Tokens until this phase's budget is reached in this lane; None: it has no end."""
        return None if self._budget is None else max(0, self._budget - self._total)

    def due(self, upcoming: Mapping[str, int | None]) -> str:
        """The bucket to take from; or the one to be waited for, of which no document is at hand.

        upcoming: tokens of the next document of some of `active`, in that order; None where it has none.

        Of the buckets that are not ahead of their share (tokens <= w·T, w summing to 1) the one that would
        be done with its document first, by (tokens + length) / w: so none is ahead of its share or behind it
        by more than the longest document (Bennett and Zhang, "WF2Q: worst-case fair weighted fair queueing",
        INFOCOM 1996). Which one that is can't be told while one of them has nothing, so it is waited for.
        Where all of them are ahead, since those behind are passed over, they share by their weights.
        """
        weights, taken, end = self._weights, self._taken, self._since + 1
        owed = [bucket for bucket in upcoming if weights[bucket] * end > taken[bucket]] or list(upcoming)
        for bucket in owed:
            if upcoming[bucket] is None:
                return bucket
        return min(owed, key=lambda bucket: (taken[bucket] + (upcoming[bucket] or 0)) / weights[bucket])

    def add(self, bucket: str, num_tokens: int) -> bool:
        """Book what was taken; whether it reached this phase's budget and the next one has begun."""
        self._tokens[bucket] = self._tokens.get(bucket, 0) + num_tokens
        self._taken[bucket] += num_tokens
        self._total += num_tokens
        self._since += num_tokens
        self._documents += 1
        return self._go_on()

    def change(self, recipe: Recipe) -> None:
        """Go on by another recipe: in the phase of the same name with its counts, else in the first of its
        phases that is not over.
        """
        former, tokens, base = self.phase, self._tokens, self._base
        self._recipe = recipe
        names = [phase.name for phase in recipe.phases]
        if former.name in names:
            index = names.index(former.name)
            # Other weights hold for what comes; they don't make up for what was taken by the former ones.
            self._enter(index, tokens, base if recipe.phases[index].shares == former.shares else tokens)
        else:
            left = (index for index, name in enumerate(names) if name not in self._over)
            self._enter(next(left, len(names) - 1), {})
        self._go_on()
        logger.info("recipe changed", lane=self._lane, recipe=recipe.digest, phase=self.phase.name)

    def state(self) -> MixerState:
        """What `restore` needs."""
        return MixerState(
            phase=self.phase.name,
            tokens=self._tokens,
            base=self._base,
            documents=self._documents,
            over=self._over,
        )

    def restore(self, state: MixerState, recipe: Recipe) -> None:
        """Go on from a state and the recipe under which it was written."""
        self._recipe = recipe
        self._documents = state.documents
        self._over = list(state.over)
        names = [phase.name for phase in self._recipe.phases]
        self._enter(names.index(state.phase), dict(state.tokens), dict(state.base))

    def _go_on(self) -> bool:
        """Past phases whose budgets are spent; the last one is stayed in. Whether there was one."""
        begun = False
        while self._spent() and self._index + 1 < len(self._recipe.phases):
            self._over.append(self.phase.name)
            self._enter(self._index + 1, {})
            begun = True
        return begun

    def _enter(self, index: int, tokens: dict[str, int], base: Mapping[str, int] | None = None) -> None:
        """base: what of the tokens was taken before the phase's weights held."""
        self._index = index
        self._phase = self._recipe.phases[index]
        budget = self._phase.tokens
        self._budget = None if budget is None else -(-budget // self._lanes)
        self._tokens = tokens
        self._base = dict(base or {})
        self._total = sum(tokens.values())
        self._since = self._total - sum(self._base.values())  # tokens by these weights
        shares = self._phase.shares
        self._weights = {name: shares[name] for name in self._recipe.buckets if name in shares}
        self._buckets = tuple(self._weights)
        self._taken = {  # by these weights
            name: self._tokens.get(name, 0) - self._base.get(name, 0) for name in self._buckets
        }

    def _spent(self) -> bool:
        return self._budget is not None and self._total >= self._budget
