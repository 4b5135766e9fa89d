"""Which documents explain a spike: proven by doing the steps again with and without them.

A spike is data × state: the same batches do no harm from another checkpoint (PaLM, Chowdhery et al. 2022,
section 5.1). So a high loss makes a suspect, and no more than that. Named is what passes this, from the
checkpoint before the spike:

1. With everything the steps are skipped again; else it was a passing fault, and nothing is named.
2. Suspects are documents whose loss, under weights that the spike has not touched, is far above that of
   their bucket's others. Where without all of them nothing is skipped, they are put back by groups, while the
   others stay out: those of a part together, its lower losses apart. What makes no spike then is cleared.
3. Where no loss stands out (a text that repeats itself has a low one and a huge gradient), the documents of
   the steps are halved until those are left without which nothing is skipped.
4. Without the sequences of what is named, as training goes on, no step is skipped. Else nothing is named.

Documents of a part go together because one alone may be too little for a spike, and is spoilt all the same;
so those of it are named too that are as far out and too short to be sure.
All ranks do the same and come to the same.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from trainer.scores import Document, Replayed, documents_of, scored

# Own: of a robust z. Of clean documents about 1 in a hundred is beyond 5, for their losses have a tail to the
# right; random or shifted tokens are beyond 10 as soon as a model has learnt anything, if they are many.
# Where those beyond 5 do not explain a spike, short documents may: those beyond 3 are tried.
_FAR = (5.0, 3.0)
_LIKELY = 2.0  # of a document in a part that is spoilt
_LIKE = 0.6  # own: of the median excess of the suspects of a part; what is below it is of another kind
_BUDGET = 48  # replays; log2 of some thousand documents, a few times

Verdict = Literal["proven", "unexplained", "passing"]


class Taken(Protocol):
    """A step that was done (trainer/replay.py)."""

    @property
    def number(self) -> int:
        """Of the step."""

    @property
    def indices(self) -> Sequence[int]:
        """Of its samples."""


class Replay(Protocol):
    """Does steps again from the checkpoint, with the detector of then, and without some targets."""

    def __call__(
        self, steps: Iterable[Any], exclude: Collection[int] = (), documents: Collection[tuple[int, int]] = ()
    ) -> Sequence[Replayed]:
        """exclude: indices of samples; documents: (index, number of the document in its sequence)."""


Cures = Callable[[Sequence[Document]], bool]  # whether without these no step is skipped
_Group = tuple[Document, ...]  # of one part


class Point(NamedTuple):
    """A step with and without what was excluded."""

    step: int
    loss: float
    gradient_norm: float
    skipped: bool


@dataclass(frozen=True)
class Finding:
    """What the replays came to.

    named: the documents that are proven. cleared: suspects that are not. with_all, without: the series of
    steps, with everything and without the sequences of what is named. bucket_loss: usual losses. replays: how
    many it took.
    """

    verdict: Verdict
    named: tuple[Document, ...] = ()
    cleared: tuple[Document, ...] = ()
    with_all: tuple[Point, ...] = ()
    without: tuple[Point, ...] = ()
    bucket_loss: Mapping[str, float] = field(default_factory=dict)
    replays: int = 0

    @property
    def indices(self) -> list[int]:
        """Of the samples that hold a named document, in order."""
        return sorted({document.sample for document in self.named})


class _Spent(Exception):
    """No more replays."""


def prove(
    replay: Replay,
    steps: Sequence[Taken],
    first: int,
    *,
    thresholds: tuple[float, float],
    buckets: Callable[[], Sequence[str]],
    gather: Callable[[Any], list[Any]],
) -> Finding:
    """Find what explains that steps from `first` on were skipped. Collective.

    steps: all that were done since the checkpoint, in order, to the last of the spike. thresholds: the
    detector's at the spike, of loss and gradient norm. buckets: names by this rank's numbers. gather: what
    each rank has, by rank.
    """
    proof = _Proof(replay, steps, first, thresholds, gather)
    with_all = proof.run()
    spiked = [step for step in with_all if step.skipped and step.number >= first]
    if not spiked:
        return Finding("passing", with_all=_points(with_all), replays=proof.replays)
    documents, usual = scored(proof.documents(with_all, spiked[0].number, buckets), spiked[0].number)
    named: list[Document] = []
    without: Sequence[Replayed] = ()
    suspects: list[Document] = []
    try:
        for far in _FAR:
            suspects = sorted((each for each in documents if each.score > far), key=lambda each: -each.weight)
            if suspects and proof.cures(suspects):
                named = _with_their_like(_guilty(suspects, proof.cures), documents)
                break
        else:
            near = [each for each in documents if each.step >= _step_before(steps, first)]
            named = _halved(near, (), proof.cures) if proof.cures(near) else []
            named = named if 4 * len(named) <= len(near) else []  # else it is the batch and not a document
        if named:
            samples = {each.sample for each in named}
            without = proof.run(exclude=samples)
            proven = proof.calm(without, [each for each in documents if each.sample in samples])
            named = named if proven else []
    except _Spent:
        named = []
    innocent = [each for each in suspects if each not in named]
    found: Verdict = "proven" if named else "unexplained"
    points, series = _points(with_all), _points(without)
    return Finding(found, tuple(named), tuple(innocent), points, series, usual, proof.replays)


class _Proof:
    """Counts the replays, and makes documents of what they measure."""

    def __init__(
        self,
        replay: Replay,
        steps: Sequence[Taken],
        first: int,
        thresholds: tuple[float, float],
        gather: Callable[[Any], list[Any]],
    ) -> None:
        self._replay = replay
        self._steps = steps
        self._first = first
        self._thresholds = thresholds
        self._gather = gather
        self._tokens: Counter[int] = Counter()  # targets of a step
        self.replays = 0

    def run(self, **without: Any) -> Sequence[Replayed]:
        if self.replays >= _BUDGET:
            raise _Spent
        self.replays += 1
        return self._replay(self._steps, **without)

    def cures(self, documents: Sequence[Document]) -> bool:
        """Whether no step spikes without these."""
        return self.calm(self.run(documents={each.place for each in documents}), documents)

    def calm(self, done: Sequence[Replayed], without: Iterable[Document]) -> bool:
        """Whether none of the steps spikes.

        The gradient of fewer tokens is noisier: its norm may grow with the root of what was left out.
        """
        out: Counter[int] = Counter()
        for each in without:
            out[each.step] += each.tokens
        for step in done:
            left = 1 - out[step.number] / max(1, self._tokens[step.number])
            if step.number < self._first or left <= 0:
                continue
            within = step.loss <= self._thresholds[0]
            if not (within and step.gradient_norm * math.sqrt(left) <= self._thresholds[1]):
                return False
        return True

    def documents(
        self, with_all: Sequence[Replayed], spike: int, buckets: Callable[[], Sequence[str]]
    ) -> list[Document]:
        """All of the steps, over all ranks. From the spike on as the checkpoint's own weights see them."""
        done = [step for step in with_all if step.number < spike]
        done += [each for step in self._steps if step.number >= spike for each in self._replay([step])]
        self.replays += 1
        mine = [document for step in done for document in documents_of(step, buckets())]
        found = sorted((each for rank in self._gather(mine) for each in rank), key=lambda each: each.place)
        for each in found:
            self._tokens[each.step] += each.tokens
        return found


def _guilty(suspects: Sequence[Document], cures: Cures) -> list[Document]:
    """Those that cannot be put back, part by part, and of a part those whose loss is lower by far apart.

    All suspects together cure. Some are harmless when, put back with all others left out, they make no spike.
    """

    def harmless(groups: Sequence[_Group]) -> bool:
        back = {each for group in groups for each in group}
        return cures([each for each in suspects if each not in back])

    groups = _groups(suspects)
    found = _harmful(groups, harmless)
    rest = [group for group in groups if group not in found]
    if found and rest and not harmless(rest):  # each by itself is, and all of them are not
        found += rest[: _fewest(rest, harmless)]
    return [each for each in suspects if any(each in group for group in found)]


def _groups(suspects: Sequence[Document]) -> list[_Group]:
    """By part, and in it by loss; what adds most to the loss comes first."""
    by_part: defaultdict[str, list[Document]] = defaultdict(list)
    for each in suspects:
        by_part[each.part].append(each)
    groups = []
    for of_part in by_part.values():
        level = _level(of_part)
        groups.append(tuple(each for each in of_part if each.excess >= level))
        groups.append(tuple(each for each in of_part if each.excess < level))
    return sorted(filter(None, groups), key=lambda group: -sum(each.weight for each in group))


def _harmful(groups: Sequence[_Group], harmless: Callable[[Sequence[_Group]], bool]) -> list[_Group]:
    """Of groups that are not harmless together, by halves."""
    if len(groups) == 1:
        return list(groups)
    halves = groups[: len(groups) // 2], groups[len(groups) // 2 :]
    found = [group for half in halves if not harmless(half) for group in _harmful(half, harmless)]
    return found or list(groups[: _fewest(groups, harmless)])


def _fewest(groups: Sequence[_Group], harmless: Callable[[Sequence[_Group]], bool]) -> int:
    """How many of the first ones must stay out, so that the others are harmless."""
    low, high = 0, len(groups)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if harmless(groups[middle:]) else (middle, high)
    return high


def _with_their_like(named: Sequence[Document], documents: Sequence[Document]) -> list[Document]:
    """And those of the same parts whose loss is as far out, though they are too short for a suspect."""
    parts = {each.part for each in named}
    levels = {part: _level([each for each in named if each.part == part]) for part in parts}
    return [
        each
        for each in documents
        if each in named or (each.score > _LIKELY and each.excess >= levels.get(each.part, math.inf))
    ]


def _level(of_part: Sequence[Document]) -> float:
    return _LIKE * statistics.median(each.excess for each in of_part)


def _halved(documents: Sequence[Document], fixed: Sequence[Document], cures: Cures) -> list[Document]:
    """The fewest that cure together with `fixed`, as all of them do (delta debugging, Zeller 2002)."""
    if len(documents) == 1:
        return list(documents)
    halves = documents[: len(documents) // 2], documents[len(documents) // 2 :]
    for half in halves:
        if cures([*half, *fixed]):
            return _halved(half, fixed, cures)
    one, other = halves
    found = _halved(one, [*fixed, *other], cures)
    return found + _halved(other, [*fixed, *found], cures)


def _step_before(steps: Sequence[Taken], first: int) -> int:
    """What was learnt in the step before may be what spoils this one."""
    return max((step.number for step in steps if step.number < first), default=first)


def _points(steps: Iterable[Replayed]) -> tuple[Point, ...]:
    return tuple(Point(step.number, step.loss, step.gradient_norm, step.skipped) for step in steps)
