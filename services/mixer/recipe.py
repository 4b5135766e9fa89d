"""The recipe: which buckets there are and how much of each the model is fed, phase by phase."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.mixer import pooled, presets
from services.mixer.condition import Condition
from services.mixer.faults import Fault, Place, dotted, meant, refusal
from services.mixer.marked import Marked, parse
from services.mixer.phase import EVERY, WORTHWHILE_USES, Name, Phase, Terms, no_bool
from services.runtime import ConfigurationError, Settings

# What is wrong, and where in the tree.
_Wrong = tuple[Place, str]


Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]


class Limits(BaseModel):
    """How much of any `window` tokens of a lane may come from one host or one source, 0..1.

    What is over is put off, as far as the documents that the mixer looks ahead in a bucket allow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Share | None = None
    source: Share | None = None
    window: Annotated[int, Field(strict=True, ge=1, le=1 << 24)] = 1 << 20


class Recipe(BaseModel):
    """Buckets in the order in which they are tried, phases in the order in which they are run.

    starvation: what is done when the bucket that is due has nothing new: wait for it; relax: go on without
        it; reuse: read its pool again, up to WORTHWHILE_USES where the phase does not say how often.
    relax_after_s: so long it is waited for before relax or reuse.
    spacing: documents that are nearly alike are kept so many tokens apart in a lane, as far as the documents
        that the mixer looks ahead allow; 0: as they come.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    buckets: dict[Name, str] = Field(min_length=1)
    phases: tuple[Phase, ...] = Field(min_length=1)
    starvation: Literal["wait", "relax", "reuse"] = "wait"
    relax_after_s: float = Field(60.0, strict=True, ge=0, allow_inf_nan=False)
    spacing: Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=1 << 24)] = 0
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if wrong := list(_disagreements(self.model_dump())):
            raise ValueError("; ".join(f"{dotted(place)}: {said}" for place, said in wrong))
        return self

    @cached_property
    def digest(self) -> str:
        """16 hex digits over all that changes the mix; whether a dry bucket is waited for does not."""
        told = self._plain() | {"reuse": self.starvation == "reuse"}
        for unsaid in ("buckets", "starvation", "relax_after_s"):
            told.pop(unsaid, None)
        return _digest([list(self.buckets.items()), told])

    def relaxed(self) -> Recipe:
        """The same mix, which goes on without a bucket that stays dry."""
        return Recipe.model_validate(self._plain() | {"starvation": "relax"})

    def routing(self, bucket: str) -> str:
        """16 hex digits over the buckets up to this one: while they stand, its documents are its own."""
        return self._routings[bucket]

    @cached_property
    def _routings(self) -> dict[str, str]:
        tests = list(self.buckets.items())
        return {bucket: _digest(tests[: number + 1]) for number, (bucket, _) in enumerate(tests)}

    @cached_property
    def text(self) -> str:
        """As JSON in one line, which `load` reads."""
        return json.dumps(self._plain(), ensure_ascii=False)

    def terms(self, phase: Phase, bucket: str) -> Terms:
        """What a phase of this recipe takes of a bucket."""
        return self._terms[phase.name, bucket]

    @cached_property
    def _terms(self) -> dict[tuple[str, str], Terms]:
        uses = WORTHWHILE_USES if self.starvation == "reuse" else 1
        return {
            (phase.name, bucket): Terms(phase.condition(bucket), phase.told_uses(bucket) or uses)
            for phase in self.phases
            for bucket in self.buckets
        }

    def _plain(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True)

    @classmethod
    def load(cls, given: str | Path | None = None) -> Recipe:
        """The recipe of a preset's name, a YAML file or a recipe's text; or the default.

        Raises ConfigurationError with everything that is wrong: file, line, key, the nearest right name.
        """
        return _read(given, expressions=True)


def bucket_names(given: str | Path | None = None) -> tuple[str, ...]:
    """The names of a recipe's buckets, without loading the expression engine (half a second)."""
    return tuple(_read(given).buckets)


def agrees(_config: object, settings: Settings) -> Mapping[str, str]:
    """The recipe, and the tests of its buckets by which documents are routed. Raises ConfigurationError."""
    recipe = _read(settings.recipe)
    return {"recipe": recipe.text, "routing": json.dumps(list(recipe.buckets.items()))}


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _read(given: str | Path | None, *, expressions: bool = False) -> Recipe:
    path, marked, faults = _tree(given)
    recipe, wrong = None, list[_Wrong]()
    if marked.tree is not None or not faults:
        recipe, wrong = _examine(marked.tree, expressions=expressions)
    faults += [marked.fault(place, said) for place, said in wrong]
    if recipe is None or faults:
        raise refusal(path, faults)
    return recipe


def _tree(given: str | Path | None) -> tuple[object, Marked, list[Fault]]:
    """What it is called, what stands in it, and what is wrong with it as YAML."""
    if isinstance(given, str) and given.startswith("{"):
        return "in force", Marked(json.loads(given)), []
    path = presets.find(given)
    try:
        return path, *parse(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {error.strerror or error}") from error


def _examine(tree: Any, *, expressions: bool) -> tuple[Recipe | None, list[_Wrong]]:
    """The recipe, or what is wrong with it. Expressions are tried if asked for, or if it is wrong anyway.

    Keys that are no words are left to `parse`, which knows how they are written.
    """
    if not isinstance(tree, dict):
        found = "empty" if tree is None else _shown(tree)
        return None, [((), f"must be a mapping with `buckets` and `phases`, and is {found}")]
    recipe, wrong = None, list[_Wrong]()
    try:
        recipe = Recipe.model_validate(tree)
    except pydantic.ValidationError as error:
        wrong = [_plainly(e) for e in error.errors() if not _told_elsewhere(e)]
        wrong += _disagreements(tree)  # also where values are wrong by themselves
    if expressions or wrong:
        wrong += _unusable(tree)
    return recipe, wrong


def _disagreements(tree: Mapping[str, Any]) -> Iterator[_Wrong]:
    """What is wrong between values that are right by themselves; those of a wrong type are passed over."""
    buckets, phases = tree.get("buckets"), tree.get("phases")
    phases = phases if isinstance(phases, (list, tuple)) else ()
    firsts: dict[str, int] = {}
    for index, phase in enumerate(phases):
        if not isinstance(phase, Mapping):
            continue
        here: Place = ("phases", index)
        if isinstance(name := phase.get("name"), str) and firsts.setdefault(name, index) != index:
            yield (*here, "name"), f"{name} is phase {firsts[name]} already; each needs a name of its own"
        for key in ("weights", "where", "max_uses"):
            for bucket, _ in _items(phase.get(key)):
                if isinstance(buckets, Mapping) and bucket not in buckets and bucket != EVERY:
                    near, known = meant(bucket, buckets), ", ".join(map(str, buckets))
                    yield (*here, key, bucket), f"no such bucket{near} (there are: {known})"
        if isinstance(weights := phase.get("weights"), Mapping) and not any(weights.values()):
            yield (*here, "weights"), "every bucket has the weight 0; one must be above"
        if phase.get("tokens") is None and index + 1 < len(phases):
            yield (*here, "tokens"), "only the last phase may do without: this one would never end"


def _unusable(tree: Mapping[str, Any]) -> Iterator[_Wrong]:
    for place, expression in _expressions(tree):
        try:
            asked = Condition(expression)
        except ValueError as error:
            yield place, str(error)
        else:
            if place[0] == "phases" and (gone := pooled.missing(expression, asked.names)):
                yield (
                    place,
                    f"`{expression}` asks for {', '.join(gone)}, which the pools do not hold (of metadata: "
                    f"{', '.join(sorted(pooled.METADATA))}); a bucket's test may ask for it",
                )


def _expressions(tree: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Those that are words, of a tree that need not be right."""
    buckets, phases = tree.get("buckets"), tree.get("phases")
    given: list[tuple[Place, Any]] = [(("buckets", n), e) for n, e in _items(buckets)]
    for index, phase in enumerate(phases if isinstance(phases, (list, tuple)) else ()):
        where = phase.get("where") if isinstance(phase, dict) else None
        given.append((("phases", index, "where"), where))
        given += [(("phases", index, "where", n), e) for n, e in _items(where)]
    return ((place, e) for place, e in given if isinstance(e, str))


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _told_elsewhere(error: Any) -> bool:
    """No place: what disagrees. A key that is no word. Too short, though not empty: what is wrong inside."""
    place, given = error["loc"], error["input"]
    match error["type"]:
        case "invalid_key":
            return True
        case "too_short":
            return bool(given)
    return not place or (place[-1] == "[key]" and not isinstance(given, str))


def _plainly(error: Any) -> _Wrong:
    """What pydantic found, in our words."""
    place = tuple(part for part in error["loc"] if part not in ("[key]", EVERY))
    given = error["input"]
    match error["type"]:
        case "missing":
            return place, "is missing"
        case "too_short":
            return place, "is empty; there must be at least one"
        case "string_pattern_mismatch":
            return (
                place,
                f"must be of a-z, 0-9, _ and -, as names of topics are, and is {_shown(given)}",
            )
        case "extra_forbidden":
            model: type[BaseModel] = Recipe if len(place) == 1 else Limits if place[0] == "limits" else Phase
            known = model.model_fields
            return place, f"no such key{meant(place[-1], known)} (there are: {', '.join(known)})"
    said = error["msg"].removeprefix("Input ").removeprefix("Value error, ")
    said = said.replace("valid tuple", "list").replace("valid dictionary", "mapping")
    hint = " (YAML reads 1e9 as a word; write 1.0e+9 or 1_000_000_000)" if _exponent(given) else ""
    return place, f"{said[:1].lower()}{said[1:]}, and is {_shown(given)}{hint}"


def _exponent(given: Any) -> bool:
    """Whether it is a number to everybody but YAML 1.1."""
    try:
        return isinstance(given, str) and "e" in given.lower() and float(given) >= 1
    except ValueError:
        return False


def _shown(given: Any) -> str:
    if isinstance(given, (dict, list)):
        return "a mapping" if isinstance(given, dict) else "a list"
    if isinstance(given, int) and given.bit_length() > 64:
        return "larger than any corpus"
    told = repr(given)
    return told if len(told) <= 40 else f"{told[:39]}…"
