"""Settings of the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.inference import InferenceConfig


def _formats() -> Mapping[str, str]:
    return {"code": "code"}


@dataclass(frozen=True)
class ClassifierConfig:
    """Which model names the category, and when it is believed.

    min_probability: below it the category is "other". Own: a calibrated model that gives its best label less
        than this is wrong more often than three times in four (the reject option of Chow 1970).
    formats: category by format, for what the model need not be asked: a program's text says nothing to it.
    model, head: the model folder's name and its head of kind classes.
    models: the repository that holds the folder; None for the one that ships.
    declared: whether what a page says that it is (schema.org, its software, its address) counts beside its
        text, by the page_kinds.json beside the model; without that file it does not.
    triton_url: None for the setting of all services; "onnx:" for the stand-in in this process.
    """

    min_probability: float = 0.25
    formats: Mapping[str, str] = field(default_factory=_formats)
    model: str = "judge"
    head: str = "category"
    models: Path | None = None
    declared: bool = True
    triton_url: str | None = None
    inference: InferenceConfig = field(default_factory=InferenceConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise ValueError(f"min_probability is {self.min_probability}; it lies in 0..1, 0 always believes")
        if not all(self.formats) or not all(self.formats.values()):
            raise ValueError(
                f"formats is {dict(self.formats)}; it maps a format to a category, such as code: code"
            )
        if not self.model or not self.head:
            raise ValueError("model and head name a model folder and its head; neither can be empty")
