"""The river as the benchmarks compose it: without the judges, which no rival has, and with few hops.

Units compose: rules, tokenizer, router and dedup share one process here, so a document passes the broker
once less on its way. With the judges between rules and dedup that would let a slow model hold all four.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from services.runtime.topology import DEFAULT

JUDGES = ("classifier", "scorer")
BEHIND = [["catalog"], ["archive_documents"], ["archive_uses"]]
PROCESSES = [["parse"], ["rules", "sentences", "tokenizer", "router", "dedup"], ["mixer"], ["sink"], *BEHIND]


def without_judges(folder: Path) -> Mapping[str, str]:
    """Settings of a river with the table that this writes into the folder."""
    table = yaml.safe_load(DEFAULT.read_text())
    for name in JUDGES:
        table["services"][name]["enabled"] = False
    table["processes"] = PROCESSES
    path = folder / "topology.yaml"
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    return {"CORPUSWORKS_TOPOLOGY": str(path)}
