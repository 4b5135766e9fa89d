"""What the pods of a namespace take, as kubelet tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Of all pods together.

    memory: working sets in bytes, by pod: what the kernel could not take back. cpu_s: seconds of CPU since
    each began. at_s: when the newest of it was read.
    """

    memory: Mapping[str, int]
    cpu_s: Mapping[str, float]
    at_s: float

    @property
    def total_memory(self) -> int:
        """Bytes."""
        return sum(self.memory.values())

    def cores_since(self, former: Usage) -> float:
        """On average between the two, of the pods that are in both."""
        spent = sum(at - former.cpu_s[name] for name, at in self.cpu_s.items() if name in former.cpu_s)
        return spent / (self.at_s - former.at_s)


def usage(summary: Mapping[str, Any], namespace: str) -> Usage:
    """summary: of kubelet's /stats/summary."""
    pods = [pod for pod in summary["pods"] if pod["podRef"]["namespace"] == namespace]
    measured = {pod["podRef"]["name"]: pod for pod in pods if pod.get("cpu") and pod.get("memory")}
    return Usage(
        {name: int(pod["memory"]["workingSetBytes"]) for name, pod in measured.items()},
        {name: pod["cpu"]["usageCoreNanoSeconds"] / 1e9 for name, pod in measured.items()},
        max(datetime.fromisoformat(pod["cpu"]["time"]).timestamp() for pod in measured.values()),
    )
