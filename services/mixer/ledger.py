"""The ledger of one lane: what was taken in this phase, and which bucket is owed the most."""

from __future__ import annotations

from collections.abc import Iterable

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

    def neediest(self, buckets: Iterable[str]) -> str:
        """The bucket with the largest token deficit, argmax of w·(T+1) - tokens with w summing to 1.

        Ties go to the recipe's order. buckets: some of `active`, in that order.

        So none is ahead of its share by a document of any length L: who is taken is owed something, and gets
        (1 - w)·L beyond it at most. Of three buckets none is behind by more than (1/2 + w)·L: who is passed
        over is owed no more than another, and all together are owed nothing. Where no share is above a half,
        that is one document; with more buckets, or one share far above the others, it may be one and a half.
        """
        return max(buckets, key=self._deficit)

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

    def _spent(self) -> bool:
        return self.left == 0
