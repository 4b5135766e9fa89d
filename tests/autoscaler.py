"""What KEDA and the HorizontalPodAutoscaler make of a ScaledObject of the chart's, on any clock.

KEDA's Kafka scaler tells a lag (keda.sh, scalers/apache-kafka; getTotalLag in pkg/scalers/kafka_scaler.go),
the HorizontalPodAutoscaler makes copies of it (kubernetes.io, tasks/run-application/horizontal-pod-autoscale,
"Algorithm details" and "Configurable scaling behavior"; pkg/controller/podautoscaler/horizontal.go). From
one copy on KEDA's activation threshold and cooldown change nothing: they are about none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SYNC_S = 15.0  # --horizontal-pod-autoscaler-sync-period
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
Lags = Sequence[int]  # messages that wait, by partition


@dataclass(frozen=True)
class Rules:
    """In one direction. window_s: the steadiest of what was recommended within it counts. policies: so many
    copies at most in so many seconds; the widest counts.
    """

    window_s: float
    policies: Sequence[tuple[int, float]]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Rules:
        """Raises ValueError: a policy that is none of whole copies, or none at all."""
        policies = told.get("policies", ())
        if not policies or any(policy["type"] != "Pods" for policy in policies):
            raise ValueError("behavior has rules without policies, or others than of type Pods")
        window_s = told.get("stabilizationWindowSeconds", 0)
        return cls(window_s, [(policy["value"], policy["periodSeconds"]) for policy in policies])

    def most(self, changes: Sequence[tuple[float, int]], now: float) -> int:
        """How many copies may change now. changes: (time, copies), below 0 what went the other way."""
        left = (n - sum(m for at, m in changes if at > now - period_s) for n, period_s in self.policies)
        return max(0, *left)


@dataclass
class Autoscaler:
    """One process' copies. threshold: messages a copy may have waiting. by_lag: no more copies than there are
    partitions on which something waits, else than partitions.
    """

    least: int
    most: int
    threshold: int
    by_lag: bool
    up: Rules
    down: Rules
    _recommended: list[tuple[float, int]] = field(default_factory=list, init=False)
    _added: list[tuple[float, int]] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, scaled: Mapping[str, Any]) -> Autoscaler:
        """Of a ScaledObject with one Kafka trigger. Raises ValueError, KeyError."""
        spec = scaled["spec"]
        (trigger,) = spec["triggers"]
        if trigger["type"] != "kafka" or spec["minReplicaCount"] < 1:
            raise ValueError("a ScaledObject of one copy or more by the lag of a topic is what is known here")
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        return cls(
            spec["minReplicaCount"],
            spec["maxReplicaCount"],
            int(trigger["metadata"]["lagThreshold"]),
            trigger["metadata"].get("limitToPartitionsWithLag") == "true",
            Rules.read(behavior["scaleUp"]),
            Rules.read(behavior["scaleDown"]),
        )

    def metric(self, lags: Lags) -> int:
        """The lag that KEDA tells."""
        total, bound = sum(lags), sum(lag > 0 for lag in lags) if self.by_lag else len(lags)
        return bound * self.threshold if total // self.threshold > bound else total

    def wanted(self, lags: Lags, copies: int) -> int:
        """What the lag alone asks for."""
        metric = self.metric(lags)
        if abs(1 - metric / (self.threshold * copies)) <= TOLERANCE:
            return copies
        return math.ceil(metric / self.threshold)

    def copies(self, now: float, lags: Lags, copies: int) -> int:
        """How many there are to be from now on, where there are `copies`. now: seconds, never less."""
        if not self._recommended:
            self._recommended.append((now, copies))
        wanted = self.wanted(lags, copies)
        steady = max(copies, min([wanted, *self._since(now - self.up.window_s)]))
        steady = min(steady, max([wanted, *self._since(now - self.down.window_s)]))
        self._recommended.append((now, wanted))
        return self._changed(now, copies, min(max(steady, self.least), self.most))

    def _since(self, cut: float) -> list[int]:
        return [wanted for at, wanted in self._recommended if at > cut]

    def _changed(self, now: float, copies: int, steady: int) -> int:
        """As far as the policies let it."""
        if steady > copies:
            number = min(steady - copies, self.up.most(self._added, now))
        else:
            removed = [(at, -number) for at, number in self._added]
            number = -min(copies - steady, self.down.most(removed, now))
        self._added.append((now, number))
        return copies + number


def turns(copies: Iterable[int]) -> int:
    """How often more became fewer, or fewer more."""
    steps = [later > former for former, later in itertools.pairwise(copies) if later != former]
    return sum(former != later for former, later in itertools.pairwise(steps))
