"""Settings of the scorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from services.inference import InferenceConfig
from services.scorer.keep import KeepRule


@dataclass(frozen=True)
class ScorerConfig:
    """What is kept of each group, by whose score, and by which table a score becomes a rank.

    keep: rules, the first that matches decides; what none matches is kept whole. A list given here replaces
        the default, which drops the lowest 5 % of prose. Own and mild on purpose: one score is no judge, and
        the sets that keep far less (FineWeb-Edu some 8 %, DCLM 10 %) chose for one use; a recipe can do that.
        Code, tables and the like are dropped only where a rule says so: their scores order, they do not
        condemn.
    calibration: the table of quantiles, as `corpusworks judge calibrate` writes it. None: calibration.json
        beside the model, or, where the model has none, of the shipped table what holds for any model.
    model, head: the model folder's name and its head of kind score; model.head is the feature that is read.
    models: the repository that holds the folder; None for the one that ships. Where a classifier uses the
        same model it must be told the same.
    junk: what becomes of a document whose logit of the head junk is past its limit (junk.json beside the
        model). "report" counts it and sets the feature junk to 1; "drop" drops it. By default it is reported:
        a hundredth of good text is lost, and what is junk to one use is a genre to another.
    triton_url: None for the setting of all services; "onnx:" for the stand-in in this process.
    """

    keep: tuple[KeepRule, ...] = (KeepRule(format="prose", share=0.95),)
    calibration: Path | None = None
    model: str = "judge"
    head: str = "quality"
    models: Path | None = None
    junk: Literal["report", "drop"] = "report"
    triton_url: str | None = None
    inference: InferenceConfig = field(default_factory=InferenceConfig)

    def __post_init__(self) -> None:
        if self.junk not in ("report", "drop"):
            raise ValueError(f"junk is {self.junk!r}; it is report or drop")
        if not self.model or not self.head:
            raise ValueError("model and head name a model folder and its head; neither can be empty")
