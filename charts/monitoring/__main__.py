"""Writes dashboards and rules into the chart: `make dashboards`. What is committed must be that."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from charts.monitoring.alerts import rules
from charts.monitoring.cleaning import CLEANING
from charts.monitoring.dedup import DEDUPLICATION
from charts.monitoring.mix import MIX
from charts.monitoring.parts import PARTS
from charts.monitoring.river import RIVER
from charts.monitoring.training import TRAINING
from charts.monitoring.triton import TRITON

CHART = Path(__file__).parents[1] / "corpusworks"
DASHBOARDS = (RIVER, CLEANING, DEDUPLICATION, MIX, PARTS, TRITON, TRAINING)

_MADE = "# Made by `make dashboards` from charts/monitoring; changes belong there.\n"


def files() -> dict[str, str]:
    """By path in the chart."""
    found = {
        f"dashboards/{one.name}.json": json.dumps(one.json, indent=2, ensure_ascii=False) + "\n"
        for one in DASHBOARDS
    }
    found["rules/corpusworks.yaml"] = _MADE + yaml.safe_dump(rules(), sort_keys=False, width=110)
    return found


def main() -> None:
    """Write them, and remove those that are no more."""
    made = {CHART / path: text for path, text in files().items()}
    for path in {*CHART.glob("dashboards/*.json"), *CHART.glob("rules/*.yaml")} - made.keys():
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
