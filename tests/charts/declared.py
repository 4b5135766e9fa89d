"""What the code declares: names of series with their labels; and what a PromQL expression names."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from charts.monitoring.triton import METRICS
from services.runtime import metrics

# What Prometheus and its operator add.
ADDED = frozenset({"namespace"})
LAUNCHER, TRAINER = "corpusworks_launcher_", "corpusworks_train_"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SELECTOR = re.compile(r"\b((?:corpusworks|nv)_\w+)(?:\{([^}]*)\})?")
_KEPT = re.compile(r"\b(?:by|on|ignoring|group_left|group_right) \(([^)]*)\)")
_AGGREGATIONS = {"sum", "min", "max", "count", "by", "on", "group_left", "unless", "and", "or", "offset"}
_FUNCTIONS = {
    "rate", "increase", "delta", "deriv", "abs", "sqrt", "scalar", "vector", "histogram_quantile",
    "avg_over_time", "last_over_time", "min_over_time",
}  # fmt: skip
_LANGUAGE = _AGGREGATIONS | _FUNCTIONS


class Named(NamedTuple):
    """A selector: its metric, the labels that it matches."""

    metric: str
    labels: frozenset[str]


def declared() -> dict[str, frozenset[str]]:
    """By series: its labels. Of the runtime, of the trainer where it is there, and of Triton."""
    found = dict(METRICS)
    for module in (metrics, *_trainer()):
        for value in vars(module).values():
            for metric in value.values() if isinstance(value, Mapping) else [value]:
                found.update(_series(metric))
    return found


def _trainer() -> Iterator[ModuleType]:
    if importlib.util.find_spec("trainer.metrics"):
        yield importlib.import_module("trainer.metrics")


def _series(metric: object) -> Iterator[tuple[str, frozenset[str]]]:
    if not isinstance(metric, Counter | Gauge | Histogram):
        return
    name, labels = metric._name, frozenset(metric._labelnames)
    if isinstance(metric, Counter):
        yield f"{name}_total", labels
    elif isinstance(metric, Gauge):
        yield name, labels
    else:
        yield f"{name}_bucket", labels | {"le"}
        yield f"{name}_sum", labels
        yield f"{name}_count", labels


def selectors(expr: str) -> list[Named]:
    """In the order of the expression."""
    return [
        Named(name, frozenset(re.findall(r"(\w+)(?:=~|!~|!=|=)", inside or "")))
        for name, inside in _SELECTOR.findall(expr)
    ]


def kept(expr: str) -> set[str]:
    """Labels that it sums and matches by."""
    return {label for inside in _KEPT.findall(expr) for label in _WORD.findall(inside)}


def strangers(expr: str) -> set[str]:
    """Words that are neither PromQL nor in a selector or a list of labels: metrics of somebody else."""
    bare = re.sub(r"\[[^\]]*\]", "", _KEPT.sub("", _SELECTOR.sub("", expr)))
    bare = re.sub(r"offset \d+[smhd]", "", re.sub(r"\b(by|on|group_left)\b", "", bare))
    return set(_WORD.findall(bare)) - _LANGUAGE
