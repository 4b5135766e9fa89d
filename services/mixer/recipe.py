"""The recipe: which buckets there are and how much of each the model is fed, phase by phase."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.mixer import presets
from services.mixer.condition import Condition
from services.mixer.faults import Place, dotted, meant, refusal
from services.mixer.marked import parse
from services.runtime import ConfigurationError, Settings

# What is wrong, and where in the tree.
_Wrong = tuple[Place, str]


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


# A bucket's name is part of a topic's name and a metric label, a phase's name is in every record.
Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]
# Bounded, so that a sum of weights is finite; counts of tokens are 64 bits in the mixer's state.
Weight = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
Tokens = Annotated[int, BeforeValidator(_number), Field(ge=1, lt=1 << 63)]


class Phase(BaseModel):
    """A stretch of training with its own shares.

    weights: by bucket, in any scale; a bucket that is left out has 0 and is not touched in this phase.
    tokens: the phase ends when so many are mixed, over all lanes; None: it never ends, so it is the last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    weights: dict[str, Weight]
    tokens: Tokens | None = None

    @property
    def shares(self) -> dict[str, float]:
        """What a bucket is to be of all tokens, 0..1, of those that have a weight."""
        whole = sum(self.weights.values())
        return {name: weight / whole for name, weight in self.weights.items() if weight}


class Recipe(BaseModel):
    """Buckets in the order in which they are tried, phases in the order in which they are run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    buckets: dict[Name, str] = Field(min_length=1)
    phases: tuple[Phase, ...] = Field(min_length=1)
    starvation: Literal["wait", "relax"] = "wait"
    relax_after_s: float = Field(60.0, strict=True, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if wrong := list(_disagreements(self.model_dump())):
            raise ValueError("; ".join(f"{dotted(place)}: {said}" for place, said in wrong))
        return self

    @property
    def digest(self) -> str:
        """16 hex digits over buckets and phases; what to do about starvation does not change the mix."""
        told = [list(self.buckets.items()), [phase.model_dump() for phase in self.phases]]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def load(cls, given: str | Path | None = None) -> Recipe:
        """The recipe of a preset's name or a YAML file, or the default.

        Raises ConfigurationError with everything that is wrong: file, line, key, the nearest right name.
        """
        return _read(given, expressions=True)


def bucket_names(given: str | Path | None = None) -> tuple[str, ...]:
    """The names of a recipe's buckets, without loading the expression engine (half a second)."""
    return tuple(_read(given).buckets)


def agrees(_config: object, settings: Settings) -> Mapping[str, str]:
    """The recipe's digest, which router and mixer must have alike. Raises ConfigurationError."""
    return {"recipe": _read(settings.recipe).digest}


def _read(given: str | Path | None, *, expressions: bool = False) -> Recipe:
    path = presets.find(given)
    try:
        marked, faults = parse(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {error.strerror or error}") from error
    recipe, wrong = None, list[_Wrong]()
    if marked.tree is not None or not faults:
        recipe, wrong = _examine(marked.tree, expressions=expressions)
    faults += [marked.fault(place, said) for place, said in wrong]
    if recipe is None or faults:
        raise refusal(path, faults)
    return recipe


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
        wrong += _unusable(tree.get("buckets"))
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
        if isinstance(weights := phase.get("weights"), Mapping):
            for bucket in weights:
                if isinstance(buckets, Mapping) and bucket not in buckets:
                    near, known = meant(bucket, buckets), ", ".join(map(str, buckets))
                    yield (*here, "weights", bucket), f"no such bucket{near} (there are: {known})"
            if not any(weights.values()):
                yield (*here, "weights"), "every bucket has the weight 0; one must be above"
        if phase.get("tokens") is None and index + 1 < len(phases):
            yield (*here, "tokens"), "only the last phase may do without: this one would never end"


def _unusable(buckets: Any) -> Iterator[_Wrong]:
    for name, expression in buckets.items() if isinstance(buckets, dict) else ():
        if isinstance(expression, str):
            try:
                Condition(expression)
            except ValueError as error:
                yield ("buckets", name), str(error)


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
    place = tuple(part for part in error["loc"] if part != "[key]")
    given = error["input"]
    match error["type"]:
        case "missing":
            return place, "is missing"
        case "too_short":
            return place, "is empty; there must be at least one"
        case "extra_forbidden":
            known = (Phase if len(place) > 1 else Recipe).model_fields
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
