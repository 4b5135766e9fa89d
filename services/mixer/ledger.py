"""The ledger of one lane: what was taken in this phase, and which bucket is owed the most."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from contracts import MixerState
from services.mixer.recipe import Phase, Recipe

logger = structlog.get_logger(__name__)


class Ledger:
    """Token accounts by bucket. A phase's budget is shared evenly by the lanes, rounded up."""

    def __init__(self, recipe: Recipe, lane: int, lanes: int) -> None:
        self._recipe = recipe
        self._digest = recipe.digest
        self._lane = lane
        self._lanes = lanes
        self._documents = 0
        self._enter(0, {})

    @property
    def phase(self) -> Phase:
        """The phase that the next document belongs to."""
        return self._recipe.phases[self._index]

    @property
    def active(self) -> tuple[str, ...]:
        """Buckets that may be taken from now, in the recipe's order; none once the last budget is spent."""
        return () if self._spent() else tuple(self._weights)

    @property
    def left(self) -> int | None:
        """Tokens until this phase's budget is reached in this lane; None: it has no end."""
        budget = self.phase.tokens
        return None if budget is None else max(0, -(-budget // self._lanes) - self._total)

    def due(self, upcoming: Mapping[str, int | None]) -> str:
        """The bucket to take from; or the one to be waited for, of which no document is at hand.

        upcoming: tokens of the next document of some of `active`, in that order; None where it has none.

        Of the buckets that are not ahead of their share (tokens <= w·T, w summing to 1) the one that would
        be done with its document first, by (tokens + length) / w: so none is ahead of its share or behind it
        by more than the longest document (Bennett and Zhang, "WF2Q: worst-case fair weighted fair queueing",
        INFOCOM 1996). Which one that is can't be told while one of them has nothing, so it is waited for.
        Where all of them are ahead, since those behind are passed over, they share by their weights.
        """
        owed = [bucket for bucket in upcoming if self._deficit(bucket) > 0] or list(upcoming)
        for bucket in owed:
            if upcoming[bucket] is None:
                return bucket
        return min(owed, key=lambda bucket: self._finish(bucket, upcoming[bucket] or 0))

    def add(self, bucket: str, num_tokens: int) -> bool:
        """Book what was taken; whether it reached this phase's budget and the next one has begun."""
        self._tokens[bucket] = self._tokens.get(bucket, 0) + num_tokens
        self._total += num_tokens
        self._documents += 1
        if not self._spent() or self._index + 1 == len(self._recipe.phases):
            return False
        self._enter(self._index + 1, {})
        return True

    def state(self) -> MixerState:
        """What `restore` needs."""
        return MixerState(
            recipe=self._digest, phase=self._index, tokens=self._tokens, documents=self._documents
        )

    def restore(self, state: MixerState) -> None:
        """Go on from a state; under another recipe than the one that it was written for, count anew."""
        self._documents = state.documents
        if state.recipe == self._digest:
            self._enter(state.phase, dict(state.tokens))
        else:
            logger.warning("recipe changed: tokens are counted anew", lane=self._lane, old=state.recipe,
                        new=self._digest, phase=self.phase.name)  # fmt: skip

    def _enter(self, index: int, tokens: dict[str, int]) -> None:
        self._index = index
        self._tokens = tokens
        self._total = sum(tokens.values())
        shares = self.phase.shares
        self._weights = {name: shares[name] for name in self._recipe.buckets if name in shares}

    def _deficit(self, bucket: str) -> float:
        return self._weights[bucket] * (self._total + 1) - self._tokens.get(bucket, 0)

    def _finish(self, bucket: str, num_tokens: int) -> float:
        return (self._tokens.get(bucket, 0) + num_tokens) / self._weights[bucket]

    def _spent(self) -> bool:
        return self.left == 0
