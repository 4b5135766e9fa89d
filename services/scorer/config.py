"""Settings of the scorer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from services.inference import InferenceConfig
from services.scorer.keep import KeepRule


@dataclass(frozen=True)
class ScorerConfig:
    """What is kept of each group, and by whose score.

    keep: rules, the first that matches decides; what none matches is kept whole. A list given here replaces
        the default, which drops the lowest 5 % of prose. Own and mild on purpose: one score is no judge, and
        the sets that keep far less (FineWeb-Edu some 8 %, DCLM 10 %) chose for one use; a recipe can do that.
        Code, tables and the like are dropped only where a rule says so: their scores order, they do not
        condemn.
    min_below: a group drops nothing before it has so many documents below its threshold: 200 documents for
        the default of 95 %, 15 where 30 % are kept. So the worst of a handful is not condemned, and what is
        kept for want of evidence is about this many documents a group.
    model, head: the model folder's name and its head of kind score; model.head is the feature that is read.
    models: the repository that holds the folder; None for the one that ships.
    triton_url: None for the setting of all services; "onnx:" for the stand-in in this process.
    store: of the ranks: redis, shared by all replicas; or memory, for one process and one run.
    k: of the KLL sketch. Normalised rank error 0.53 % at 512, 0.9 % at 300 (DataSketches' own figures).
    prefix: of every key in Redis.
    expire_days: after so long without a document what is known of a group goes.
    """

    keep: tuple[KeepRule, ...] = (KeepRule(format="prose", share=0.95),)
    min_below: float = 10
    model: str = "judge"
    head: str = "quality"
    models: Path | None = None
    triton_url: str | None = None
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    store: Literal["redis", "memory"] = "redis"
    k: int = 512
    prefix: str = "scorer"
    expire_days: float = 90

    def __post_init__(self) -> None:
        if not 0 <= self.min_below < math.inf:
            raise ValueError(f"min_below: a number of documents from 0 up is needed, not {self.min_below}")
        if not self.model or not self.head:
            raise ValueError("model and head name a model folder and its head; neither can be empty")
        if not 300 <= self.k <= 4096:
            raise ValueError(f"k: 300 to 4096 is possible, not {self.k}; below, ranks err by 1 % and more")
        if not self.prefix or "{" in self.prefix or "}" in self.prefix:
            raise ValueError("prefix must be a name without braces")
        if not 1 <= self.expire_days <= 36500:
            raise ValueError(f"expire_days: 1 to 36500 is possible, not {self.expire_days}")
