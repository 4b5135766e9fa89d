"""The recipe: which buckets there are and how much of each the model is fed, phase by phase."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.mixer.condition import Condition
from services.runtime import ConfigurationError, Settings

DEFAULT = Path(__file__).with_name("default.yaml")

# A bucket's name is part of a topic's name and a metric label, a phase's name is in every record.
Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]
Weight = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Phase(BaseModel):
    """A stretch of training with its own shares.

    weights: by bucket, in any scale; a bucket that is left out has 0 and is not touched in this phase.
    tokens: the phase ends when so many are mixed, over all lanes; None: it never ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    weights: dict[str, Weight]
    tokens: int | None = Field(None, ge=1)


class Recipe(BaseModel):
    """Buckets in the order in which they are tried, phases in the order in which they are run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    buckets: dict[Name, str] = Field(min_length=1)
    phases: tuple[Phase, ...] = Field(min_length=1)
    starvation: Literal["wait", "relax"] = "wait"
    relax_after_s: float = Field(60.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError("each phase needs a name of its own")
        for phase in self.phases:
            unknown = ", ".join(sorted(set(phase.weights) - set(self.buckets)))
            if unknown:
                known = ", ".join(self.buckets)
                raise ValueError(
                    f"phase {phase.name} weighs {unknown}, which is no bucket; there are: {known}"
                )
            if not any(phase.weights.values()):
                raise ValueError(f"phase {phase.name} gives every bucket the weight 0; one must be above")
        return self

    @property
    def digest(self) -> str:
        """16 hex digits over buckets and phases; what to do about starvation does not change the mix."""
        told = [list(self.buckets.items()), [phase.model_dump() for phase in self.phases]]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path | None = None) -> Recipe:
        """The recipe in a YAML file, or the default. Raises ConfigurationError naming file and key."""
        recipe = _read(path)
        for name, expression in recipe.buckets.items():
            try:
                Condition(expression)
            except ValueError as error:
                raise ConfigurationError(f"recipe {path or DEFAULT}: buckets.{name}: {error}") from error
        return recipe


def bucket_names(path: Path | None = None) -> tuple[str, ...]:
    """The names of a recipe's buckets, without loading the expression engine (half a second)."""
    return tuple(_read(path).buckets)


def agrees(_config: object, settings: Settings) -> Mapping[str, str]:
    """The recipe's digest, which router and mixer must have alike. Raises ConfigurationError."""
    return {"recipe": _read(settings.recipe).digest}


def _read(path: Path | None) -> Recipe:
    path = path or DEFAULT
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 (it is a SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigurationError(f"recipe {path} must be a mapping with `buckets` and `phases`")
    try:
        return Recipe.model_validate(tree)
    except pydantic.ValidationError as error:
        lines = "; ".join(_line(e["loc"], e["msg"]) for e in error.errors())
        raise ConfigurationError(f"recipe {path}: {lines}") from error


def _line(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, location))
    return f"{where}: {message}" if where else message.removeprefix("Value error, ")


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets the last of two equal keys win silently; a bucket would vanish that way."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
