"""What a recipe allows and hardly anybody means."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Sequence

from contracts import Document
from services.mixer.condition import Condition
from services.mixer.config import MixerConfig
from services.mixer.phase import EVERY, Phase
from services.mixer.pooled import KEY
from services.mixer.recipe import Recipe
from services.mixer.supply import MEAN_LENGTH

_MAX_TRIALS = 5000
_MOST = (1 << 32) - 1  # that num_tokens can hold
_STRING = re.compile(r"""(["'])(.*?)\1""")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_STRINGS = ("language", "format", "category", "source", "media_type")
_NUMBERS = ("score", "rank", "language_confidence", "num_tokens", "luck")
# What dedup measures, behind the router: has(…) of it is false in every test of a bucket.
_LATER = ("cluster_size", "dedup_similarity")

_LOOK_AHEAD = MixerConfig.look_ahead
_LEAST_ALIKE = 0.05  # own: a recipe must bear that so many documents of a bucket are like one that passed
_LEAST_TRIALS = 100  # of a bucket, where they are a sample, before anything is told of them


def review(recipe: Recipe) -> list[str]:
    """A line for each doubt. That none is told of a hidden bucket is no proof that there is none."""
    return [
        *_unweighed(recipe),
        *_unmet(recipe),
        *_idle(recipe),
        *_short_phases(recipe),
        *_crowded(recipe),
        *_too_early(recipe),
        *_hidden(recipe),
    ]


def _unweighed(recipe: Recipe) -> Iterator[str]:
    for name in recipe.buckets:
        given = [phase.weights[name] for phase in recipe.phases if name in phase.weights]
        if not any(given):
            why = "has the weight 0 wherever it is named" if given else "has no weight in any phase"
            yield f"bucket {name} {why}: its documents wait in their pool and are never fed"


def _unmet(recipe: Recipe) -> Iterator[str]:
    """A `where` that no document of its bucket meets, as far as trial documents show."""
    for phase in recipe.phases:
        for bucket in phase.shares:
            where = phase.condition(bucket)
            if where and not _is_met(recipe, bucket, where):
                yield (
                    f"phase {phase.name} asks of {bucket} `{where}`, and no trial document that goes to "
                    f"{bucket} meets it: nothing of it is fed there"
                )


def _is_met(recipe: Recipe, bucket: str, where: str) -> bool:
    """Or nothing can be told."""
    names = list(recipe.buckets)
    earlier = [Condition(recipe.buckets[name]) for name in names[: names.index(bucket)]]
    own, asked = Condition(recipe.buckets[bucket]), Condition(where)
    trials = list(_trials([*recipe.buckets.values(), where]))
    tried = 0
    for document in trials:
        if _holds(own, document) and not any(_holds(condition, document) for condition in earlier):
            if _holds(asked, document):
                return True
            tried += 1
    return tried < (_LEAST_TRIALS if len(trials) == _MAX_TRIALS else 1)


def _idle(recipe: Recipe) -> Iterator[str]:
    """What a phase says of a bucket that it does not take from."""
    for phase in recipe.phases:
        for key, told in (("where", phase.where), ("max_uses", phase.max_uses)):
            if idle := [name for name in told if name != EVERY and name not in phase.shares]:
                yield (
                    f"phase {phase.name} says {key} of {', '.join(idle)} and gives no weight: nothing of it "
                    "is fed there"
                )
        yield from _uses_that_end(recipe, phase)


def _uses_that_end(recipe: Recipe, phase: Phase) -> Iterator[str]:
    """Fewer uses than a phase before allowed."""
    before = recipe.phases[: recipe.phases.index(phase)]
    for bucket in phase.shares:
        most = max((recipe.terms(p, bucket).max_uses for p in before if bucket in p.shares), default=0)
        now = recipe.terms(phase, bucket).max_uses
        if now < most:
            yield (
                f"phase {phase.name} allows {now} uses of {bucket} and one before it {most}: uses count over "
                "all phases, so what was used so often is not taken again"
            )


def _crowded(recipe: Recipe) -> Iterator[str]:
    """Spacing and limits that cannot be kept by looking so few documents ahead."""
    shares = [(share, name) for phase in recipe.phases for name, share in phase.shares.items()]
    share, bucket = max(shares)
    passing = recipe.spacing * share / MEAN_LENGTH
    if passing * _LEAST_ALIKE > _LOOK_AHEAD:
        yield (
            f"spacing {recipe.spacing:,} is some {passing:,.0f} documents of {bucket}, and the mixer looks "
            f"{_LOOK_AHEAD} ahead: where more than {_LOOK_AHEAD / passing:.1%} of them are like one that "
            "passed, some come nearer"
        )
    limits = recipe.limits
    for key, of in (("host", limits.host), ("source", limits.source)):
        if of is not None and of * limits.window < MEAN_LENGTH:
            yield (
                f"limits.{key} {of:g} of a window of {limits.window:,} tokens is less than one document has "
                f"(about {MEAN_LENGTH}): of each {key} one document at a time is let through"
            )


def _short_phases(recipe: Recipe) -> Iterator[str]:
    for phase in recipe.phases:
        if phase.tokens is not None and phase.tokens < MEAN_LENGTH:
            yield (
                f"phase {phase.name} ends after {phase.tokens} tokens, fewer than one document has "
                f"(about {MEAN_LENGTH}): it is one or a few documents, of whichever bucket comes first"
            )


def _too_early(recipe: Recipe) -> Iterator[str]:
    for name, expression in recipe.buckets.items():
        asked = {dot or quoted for kind, dot, quoted in KEY.findall(expression) if kind == "features"}
        for feature in sorted(asked & {*_LATER}):
            yield (
                f"bucket {name} asks for features.{feature}, which is known only after a document has its "
                "bucket: ask for it in a phase's `where`"
            )


def _hidden(recipe: Recipe) -> Iterator[str]:
    """Buckets whose documents all go to earlier ones, as far as trial documents show."""
    conditions = {name: Condition(text) for name, text in recipe.buckets.items()}
    taken_from: dict[str, set[str]] = {name: set() for name in conditions}
    reached: set[str] = set()
    for document in _trials(list(recipe.buckets.values())):
        holding = [name for name, condition in conditions.items() if _holds(condition, document)]
        reached.update(holding[:1])
        for name in holding[1:]:
            taken_from[name].add(holding[0])
    for name, earlier in taken_from.items():
        if earlier and name not in reached:
            yield (
                f"bucket {name} is hidden: whatever it holds of the trial documents goes to "
                f"{', '.join(sorted(earlier))}, which stands before it"
            )


def _holds(condition: Condition, document: Document) -> bool:
    try:
        return condition.holds(document)
    except LookupError:
        return False


def _trials(expressions: Sequence[str]) -> Iterator[Document]:
    """Documents of every mix of the values that the expressions name, and of others beside them.

    Of very many mixes a sample, always the same.
    """
    text = "\n".join(expressions)
    strings = ["", "other", *sorted({found for _, found in _STRING.findall(text)})]
    bare = _STRING.sub("", text)
    numbers = sorted({near for n in map(float, _NUMBER.findall(bare)) for near in _near(n)} | {0.0})
    named = [name for name in (*_STRINGS, *_NUMBERS) if re.search(rf"\b{name}\b", bare)]
    keys = sorted({(kind, dot or quoted) for kind, dot, quoted in KEY.findall(text)})
    axes: list[Sequence[str | float | None]] = [
        *(strings if name in _STRINGS else numbers for name in named),
        *([None, *numbers] if kind == "features" else [None, *strings] for kind, _ in keys),
    ]
    for values in _mixes(axes):
        document = Document(id="1", text="x", score=0.5, rank=0.5, num_tokens=1)
        for name, value in zip(named, values, strict=False):
            _set(document, name, value)
        for (kind, key), value in zip(keys, values[len(named) :], strict=True):
            if value is not None:
                getattr(document, kind)[key] = value
        yield document


def _set(document: Document, name: str, value: str | float | None) -> None:
    number = value if isinstance(value, float) else 0.0
    match name:
        case "num_tokens":
            document.num_tokens = min(int(number), _MOST)
        case "luck":
            document.uid = min(int(max(number, 0.0) * 2.0**64), (1 << 64) - 1)
        case _:
            setattr(document, name, value)


def _near(number: float) -> tuple[float, float, float]:
    step = 1.0 if number.is_integer() and number > 1 else 1e-3
    return number - step, number, number + step


def _mixes(axes: Sequence[Sequence[str | float | None]]) -> Iterator[tuple[str | float | None, ...]]:
    if math.prod(len(axis) for axis in axes) <= _MAX_TRIALS:
        yield from itertools.product(*axes)
        return
    chance = random.Random(0)
    for _ in range(_MAX_TRIALS):
        yield tuple(chance.choice(axis) for axis in axes)
