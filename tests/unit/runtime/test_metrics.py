"""Metrics: one table, declared once, explained, with labels that stay few."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from services.runtime import metrics
from tests.unit.runtime.conftest import ROOT

FEW = {
    "service",
    "unit",
    "outcome",
    "reason",
    "direction",
    "dependency",
    "bucket",
    "language",
    "category",  # the judge's labels
    "junk",
    "by",
    "format",
    "rule",
    "lane",
    "sealed_by",
    "what",
    "state",
    "action",
    "kind",
}
NAMED = {**metrics.OBSERVED, **metrics.COUNTED, **metrics.GAUGES}
DECLARED = {name: m for name, m in vars(metrics).items() if isinstance(m, Counter | Gauge | Histogram)}


def test_there_are_metrics() -> None:
    """Prevents the tests below from passing over nothing."""
    assert len(DECLARED) >= 10


@pytest.mark.parametrize("name", DECLARED)
def test_each_has_a_comment_a_prefix_and_few_labels(name: str) -> None:
    """Prevents a number that nobody can read, and a label that grows without bound."""
    metric = DECLARED[name]
    assert metric._name.startswith("corpusworks_")
    assert set(metric._labelnames) <= FEW
    lines = Path(metrics.__file__).read_text().splitlines()
    line = next(number for number, text in enumerate(lines) if text.startswith(f"{name} = "))
    assert lines[line - 1].startswith("# ")


@pytest.mark.parametrize("name", DECLARED)
def test_each_is_set_somewhere(name: str) -> None:
    """Prevents a metric that is always zero, and an alert on it that never fires."""
    sources = [p for p in (ROOT / "services").rglob("*.py") if p.name != "metrics.py"]
    assert any(f"metrics.{name}" in path.read_text() for path in sources), f"{name} is declared and never set"


@pytest.mark.parametrize("name", NAMED)
def test_each_that_units_name_is_explained_and_used(name: str) -> None:
    """Prevents one that no unit and no lane ever names, a surprising label, and a name in two tables."""
    metric = NAMED[name]
    assert metric._name == f"corpusworks_{name}"
    assert set(metric._labelnames) <= FEW
    assert metric._labelnames[0] == "service"
    assert sum(name in table for table in (metrics.OBSERVED, metrics.COUNTED, metrics.GAUGES)) == 1
    sources = [p.read_text() for p in (ROOT / "services").rglob("*.py") if p.name != "metrics.py"]
    if not name.startswith("scorer_place_"):  # put together from the kind
        assert any(f'"{name}"' in source for source in sources)


def test_no_metric_is_declared_anywhere_else() -> None:
    """Prevents a second table."""
    for path in (ROOT / "services").rglob("*.py"):
        if path == Path(metrics.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                assert not {alias.name for alias in node.names} & {
                    "Counter",
                    "Gauge",
                    "Histogram",
                    "Summary",
                    "Info",
                }
