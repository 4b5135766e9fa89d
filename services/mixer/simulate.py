"""What a recipe makes of a supply: the mixer's own ledger over documents that are only lengths.

It is one lane with all that there is in its pools from the start, so that `relax` goes on at once. Several
lanes part the documents and the budgets evenly: each then does the same with its share, up to a document.

Cost and error: about `steps` decisions, some µs each, however many tokens there are. Up to so many documents
each is decided on its own and the counts are the mixer's. Beyond, a step takes a block of documents of one
bucket, total / steps tokens at most or one document: at any moment a bucket is off by a block where the mixer
is off by a document. No block crosses the end of a phase but by its last document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.mixer.ledger import Ledger
from services.mixer.recipe import Recipe
from services.mixer.supply import Supply

_STEPS = 200_000
_WINDOWS = 120  # of the course over time, at most,
_LEAST = 30  # with so many decisions at least: the shares of a handful of documents are noise


@dataclass(frozen=True)
class Use:
    """What a phase takes of a bucket.

    tokens: taken in this phase. share, target: of the phase's tokens, 0..1, and what the weights ask for.
    epochs: tokens / supply, 0 where there is none. starved: tokens that were mixed since the recipe's
    beginning when the bucket was due and had nothing left while others had; None: never.
    """

    tokens: int
    share: float
    target: float
    epochs: float
    starved: int | None


@dataclass(frozen=True)
class PhaseMix:
    """A phase with all buckets of the recipe; one that is not reached has 0 tokens."""

    name: str
    tokens: int
    buckets: Mapping[str, Use]


@dataclass(frozen=True)
class Window:
    """A stretch of the course, [start, end) in tokens, and its tokens by bucket.

    It lies within a phase, and before or after the moment at which a bucket was first dry.
    """

    phase: str
    start: int
    end: int
    tokens: Mapping[str, int]


@dataclass(frozen=True)
class Simulation:
    """supply, left: tokens by bucket before and after. block: the most tokens that a step took."""

    phases: tuple[PhaseMix, ...]
    windows: tuple[Window, ...]
    supply: Mapping[str, int]
    left: Mapping[str, int]
    block: int

    @property
    def tokens(self) -> int:
        """All that was mixed."""
        return sum(phase.tokens for phase in self.phases)

    @property
    def first_starved(self) -> tuple[int, str] | None:
        """(tokens mixed before, bucket) of the first that was due and had nothing left."""
        uses = ((name, use) for phase in self.phases for name, use in phase.buckets.items())
        return min(((use.starved, name) for name, use in uses if use.starved is not None), default=None)

    @property
    def row(self) -> dict[str, Any]:
        """`{"phases": [{"name", "tokens", "buckets": {name: {…}}}]}`; a bucket's values are those of Use."""
        return {
            "phases": [
                {
                    "name": phase.name,
                    "tokens": phase.tokens,
                    "buckets": {name: dict(vars(use)) for name, use in phase.buckets.items()},
                }
                for phase in self.phases
            ]
        }


def simulate(
    recipe: Recipe, supplies: Mapping[str, Supply], *, flush: bool = False, steps: int = _STEPS
) -> Simulation:
    """Mix until the last budget is spent, all is used up, or (`wait`) a bucket that is due is dry.

    supplies: by bucket, used up by this; a bucket that is missing has nothing. flush: as `run` does at its
    end, go on without what is dry even where the recipe waits.
    """
    supply = {name: supplies[name].total if name in supplies else 0 for name in recipe.buckets}
    total = _reachable(recipe, supply)
    course = _Course(recipe, span=max(1, total // _WINDOWS))
    relax = flush or recipe.starvation == "relax"
    ledger, block, largest = Ledger(recipe, 0, 1), max(1, total // steps), 0
    while not (flush and _is_flushed(ledger, supplies)):
        room = block if ledger.left is None else min(block, ledger.left)
        if (due := _due(recipe, ledger, supplies, room, course, relax=relax)) is None:
            break
        tokens = supplies[due].take(room, recipe.terms(ledger.phase, due))
        largest = max(largest, tokens)
        course.take(due, tokens, phase_ends=ledger.add(due, tokens))
    phases, windows = course.done(supply)
    used = Counter[str]()
    for phase in phases:
        used.update({name: use.tokens for name, use in phase.buckets.items()})
    left = {name: max(0, tokens - used[name]) for name, tokens in supply.items()}
    return Simulation(phases, windows, supply, left, largest)


def _is_flushed(ledger: Ledger, supplies: Mapping[str, Supply]) -> bool:
    """As the mixer ends: nothing is new, and what may be used again has no budget to be used for."""
    return ledger.left is None and not any(supplies[n].unread for n in ledger.active if n in supplies)


def _due(
    recipe: Recipe,
    ledger: Ledger,
    supplies: Mapping[str, Supply],
    room: int,
    course: _Course,
    *,
    relax: bool,
) -> str | None:
    """The bucket to take from; None where there is none or it has to be waited for. Notes what is dry."""
    upcoming = {
        name: supplies[name].upcoming(room, recipe.terms(ledger.phase, name)) if name in supplies else None
        for name in ledger.active
    }
    while upcoming:
        due = ledger.due(upcoming)
        if upcoming[due] is not None:
            return due
        if any(upcoming.values()):
            course.starve(due)
        if not relax:
            return None
        del upcoming[due]
    return None


def _reachable(recipe: Recipe, supply: Mapping[str, int]) -> int:
    """The most tokens that can be mixed."""
    budgets = [phase.tokens for phase in recipe.phases]
    whole = sum(
        tokens * max(recipe.terms(phase, name).max_uses for phase in recipe.phases)
        for name, tokens in supply.items()
    )
    return min(whole, sum(budget or 0 for budget in budgets)) if budgets[-1] else whole


@dataclass
class _Course:
    """Notes what is taken, by phase and by window."""

    recipe: Recipe
    span: int
    total: int = 0
    windows: list[Window] = field(default_factory=list)
    _taken: list[Counter[str]] = field(default_factory=lambda: [Counter()])
    _starved: list[dict[str, int]] = field(default_factory=lambda: [{}])
    _start: int = 0  # of the window
    _window: Counter[str] = field(default_factory=Counter)
    _decisions: int = 0  # in the window

    def starve(self, bucket: str) -> None:
        if bucket not in self._starved[-1]:
            self._starved[-1][bucket] = self.total
            self._close()

    def take(self, bucket: str, tokens: int, *, phase_ends: bool) -> None:
        self.total += tokens
        self._taken[-1][bucket] += tokens
        self._window[bucket] += tokens
        self._decisions += 1
        if phase_ends or (self._decisions >= _LEAST and self.total - self._start >= self.span):
            self._close()
        if phase_ends:
            self._taken.append(Counter())
            self._starved.append({})

    def done(self, supply: Mapping[str, int]) -> tuple[tuple[PhaseMix, ...], tuple[Window, ...]]:
        self._close()
        unreached = len(self.recipe.phases) - len(self._taken)
        taken, starved = self._taken + [Counter()] * unreached, self._starved + [{}] * unreached
        phases = []
        for phase, tokens, dry in zip(self.recipe.phases, taken, starved, strict=True):
            whole = tokens.total()
            uses = {
                name: Use(
                    tokens=tokens[name],
                    share=tokens[name] / whole if whole else 0.0,
                    target=phase.shares.get(name, 0.0),
                    epochs=tokens[name] / supply[name] if supply[name] else 0.0,
                    starved=dry.get(name),
                )
                for name in self.recipe.buckets
            }
            phases.append(PhaseMix(phase.name, whole, uses))
        return tuple(phases), tuple(self.windows)

    def _close(self) -> None:
        if self.total > self._start:
            name = self.recipe.phases[len(self._taken) - 1].name
            self.windows.append(Window(name, self._start, self.total, dict(self._window)))
        self._start, self._window, self._decisions = self.total, Counter(), 0
