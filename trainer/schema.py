"""A YAML file as a frozen dataclass: closed keys, every fault at once, each with its line.

    train.yaml:7: data.batch_sise: no such key; did you mean batch_size?
    --set model.dim=-1: model.dim: should be greater than or equal to 1 (-1 was given)

Types and bounds are the dataclass' own (checked by pydantic); what a dataclass' __post_init__ finds wrong
between its values it raises as Disagreement.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import pydantic
import yaml

from trainer.errors import ConfigError

# The way to a value: keys of mappings and indices of lists.
Place = tuple[int | str, ...]


T = TypeVar("T")


class Disagreement(ValueError):
    """Values that cannot stand together. faults: the key of each, and what is wrong."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{key}: {said}" for key, said in self.faults))


@dataclass
class Tree:
    """Plain values, and where each was written: `FILE:LINE` or `--set KEY=VALUE`."""

    origin: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, str] = field(default_factory=dict)
    faults: dict[Place, str] = field(default_factory=dict)  # one of each value

    def where(self, place: Place) -> str:
        """Of the value, or of what is nearest round it."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.origins:
                return self.origins[place[:end]]
        return self.origin

    def fault(self, place: Place, said: str) -> None:
        """Of the value at a place; the first one stands."""
        key = ".".join(map(str, place))
        self.faults.setdefault(place, f"{self.where(place)}: {f'{key}: ' if key else ''}{said}")

    def put(self, place: Place, value: Any, origin: str) -> None:
        """Set a value; mappings on the way to it are made."""
        values: dict[Any, Any] = self.values
        for part in place[:-1]:
            if not isinstance(values.get(part), dict):
                values[part] = {}
            values = values[part]
        values[place[-1]] = value
        self.origins = {at: said for at, said in self.origins.items() if at[: len(place)] != place}
        for end in range(1, len(place)):
            self.origins.setdefault(place[:end], origin)
        self.origins[place] = origin


def read(text: str, name: str) -> Tree:
    """The file as values. Equal keys, of which YAML would silently take the last, are a fault.

    Raises ConfigError: this is no YAML, or no mapping.
    """
    tree = Tree(name)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        values = {} if root is None else loader.construct_document(root)
        if root is not None:
            _mark(root, (), tree)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{name}{line}: this is no YAML: {why}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: should be a mapping of keys to values")
    tree.values = values
    return tree


def override(tree: Tree, overrides: Sequence[str]) -> None:
    """`a.b=c` each, of which c is YAML. Later ones win."""
    for given in overrides:
        key, equals, value = given.partition("=")
        origin = f"--set {given}"
        try:
            if not (key and equals):
                raise ValueError("should be KEY=VALUE, as in data.batch_size=8")
            tree.put(tuple(key.split(".")), yaml.safe_load(value), origin)
        except (yaml.YAMLError, ValueError) as error:
            tree.faults[(origin,)] = f"{origin}: {str(error).splitlines()[0]}"


def build(kind: type[T], tree: Tree) -> T:
    """The dataclass. Raises ConfigError with every fault, a line each."""
    made: T | None = None
    try:
        made = pydantic.TypeAdapter(kind).validate_python(tree.values)
    except pydantic.ValidationError as error:
        for wrong in error.errors():
            for place, said in _said(kind, wrong):
                tree.fault(place, said)
    if tree.faults or made is None:
        raise ConfigError("\n".join(tree.faults.values()))
    return made


def meant(name: object, known: Iterable[str]) -> str:
    """`; did you mean …?` with the nearest of the known names; all of them where none is near."""
    choices = list(known)
    if near := difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5):
        return f"; did you mean {near[0]}?"
    return f"; there are: {', '.join(choices)}"


def _mark(node: yaml.Node, place: Place, tree: Tree) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below, line = (*place, key.value), f"{tree.origin}:{key.start_mark.line + 1}"
            if below in tree.origins:
                tree.fault(below, f"stands in line {key.start_mark.line + 1} once more")
            tree.origins[below] = line
            _mark(value, below, tree)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            tree.origins[*place, index] = f"{tree.origin}:{value.start_mark.line + 1}"
            _mark(value, (*place, index), tree)


def _said(kind: type, wrong: Any) -> Iterator[tuple[Place, str]]:
    place, given = tuple(wrong["loc"]), wrong["input"]
    if wrong["type"] == "unexpected_keyword_argument":
        yield place, f"no such key{meant(place[-1], _keys(kind, place[:-1]))}"
    elif wrong["type"] == "missing":
        yield place, "is missing"
    elif wrong["type"] == "literal_error":
        choices = [one.strip("'") for one in wrong["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        yield place, f"no {place[-1]} is called {given}{meant(given, choices)}"
    elif isinstance(disagreement := wrong.get("ctx", {}).get("error"), Disagreement):
        for key, said in disagreement.faults:
            yield (*place, *key.split(".")), said
    elif wrong["type"] == "dataclass_type":
        yield place, "should be keys and values, indented below it"
    else:
        yield place, f"{wrong['msg'].removeprefix('Input ')} ({given!r} was given)"


def _keys(kind: Any, place: Place) -> Sequence[str]:
    for part in place:
        kind = get_type_hints(kind).get(str(part)) if is_dataclass(kind) else None
    return [one.name for one in fields(kind)] if is_dataclass(kind) else []
