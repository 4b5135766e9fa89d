"""A unit: one pure step over a batch of documents, and the verdicts it may return.

SERVICE = Unit(
name="rules",
config=RulesConfig,
build=lambda config, resources: partial(judge, config=config),
drop_reasons=frozenset({"too_short", ...}),
)

def judge(documents: Sequence[Document], *, config: RulesConfig) -> list[Verdict]: ...
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pydantic

from contracts import Document
from services.runtime.contracts.verdict import Drop, Reject, Verdict
from services.runtime.errors import ConfigurationError
from services.runtime.metrics import COUNTED, OBSERVED
from services.runtime.wrong import meant, sentence

if TYPE_CHECKING:
    from services.runtime.resources import Resources
    from services.runtime.settings import Settings


Judge = Callable[[Sequence[Document]], Sequence[Verdict]]


@dataclass(frozen=True)
class Unit:
    """A named step and how to build it.

    config: a frozen dataclass that validates itself at construction; its defaults are the thresholds.
    build: makes the judge in the process that will run it; opens clients, so never called at import.
        The judge may change the documents it is given and returns one verdict for each, in order.
    drop_reasons: every reason a Drop may carry; they are metric labels, so they are bounded here.
    slice_size: most documents per call. 1 where a document's cost is unbounded (parse): the time limit
        then holds for each and a bad one is known at once.
    positioned: the judge reads `document.position`, and may have methods that are called with offsets by
        (Kafka's topic id, partition): `begin` with what the group has committed of all partitions, before the
        first batch and whenever partitions came, which may refuse with ConfigurationError; `reached` with
        what is about to be committed, when all below has been judged; `committed` with what was, before the
        next batch.
    offline: settings that let the unit run without servers, for `corpusworks apply`.
    agrees: values that every copy of the unit must have alike, now and later, by name; compared at start
        with what the river was made with.
    needs: looks for what its settings name (files, modules), before anything starts; asks no server. Raises
        ConfigurationError.
    gauges: asked every few seconds outside the judge's process: numbers by the names of metrics.GAUGES of the
        server that the judge keeps its state in; none where it keeps none. It may raise what it likes.
    retracts: a verdict may carry retractions, so an earlier Emit is final only at the end of input.
    """

    name: str
    config: type[Any]
    build: Callable[[Any, Resources], Judge]
    drop_reasons: frozenset[str] = field(default_factory=frozenset)
    slice_size: int = 1000
    positioned: bool = False
    retracts: bool = False
    offline: Mapping[str, Any] = field(default_factory=dict)
    agrees: Callable[[Any, Settings], Mapping[str, str]] = lambda config, settings: {}
    needs: Callable[[Any, Settings], object] = lambda config, settings: None
    gauges: Callable[[Any, Resources], Mapping[str, float]] | None = None


def verdicts_of(unit: Unit, judge: Judge, documents: Sequence[Document]) -> Sequence[Verdict]:
    """Call the judge, and hold it to its word: a verdict for each, declared reasons and observations only.

    Raises what the judge raises, ValueError.
    """
    verdicts = judge(documents)
    if len(verdicts) != len(documents):
        raise ValueError(f"{unit.name} returned {len(verdicts)} verdicts for {len(documents)} documents")
    for verdict in verdicts:
        if isinstance(verdict, Drop) and verdict.reason not in unit.drop_reasons:
            raise ValueError(f"{unit.name} dropped for {verdict.reason!r}, which is not in its drop_reasons")
        if isinstance(verdict, Reject):
            continue
        if not verdict.observed.keys() <= OBSERVED.keys():
            raise ValueError(f"{unit.name} observed {sorted(verdict.observed)}, not all in metrics.OBSERVED")
        if unknown := {count.name for count in verdict.counted} - COUNTED.keys():
            raise ValueError(f"{unit.name} counted {sorted(unknown)}, not in metrics.COUNTED")
    return verdicts


def configure(name: str, config: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance of a frozen config dataclass out of settings.

    Values may be strings from the environment, where a list or a table is JSON. Raises ConfigurationError
    naming the unit and the field.
    """
    unknown = set(values) - set(config.__dataclass_fields__)
    if unknown:
        known, first = ", ".join(config.__dataclass_fields__), min(unknown)
        near = meant(first, config.__dataclass_fields__)
        told = f" (it has: {known})" if near else f"; it has: {known}"
        raise ConfigurationError(f"{name} has no setting {', '.join(sorted(unknown))}{near}{told}")
    adapter = pydantic.TypeAdapter(config)
    with contextlib.suppress(ValueError):
        return adapter.validate_python(dict(values))
    try:
        return adapter.validate_python({field: _from_json(value) for field, value in values.items()})
    except pydantic.ValidationError as error:
        raise ConfigurationError(f"settings of {name}: {sentence(error)}") from error
    except ValueError as error:
        raise ConfigurationError(f"settings of {name}: {error}") from error


def _from_json(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("[", "{")):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value
