"""A model, trained or exported, measured on labelled files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.bert import data, repository
from trainer.bert.data import Part
from trainer.bert.description import Description
from trainer.bert.errors import JudgeError
from trainer.bert.predict import Infer, by_onnx, by_torch, judge
from trainer.bert.recipe import HeadConfig, SplitConfig
from trainer.bert.report import measure
from trainer.bert.run import Run, heads_of
from trainer.bert.vocabulary import Vocabulary


def evaluate(
    model: Path,
    paths: Sequence[Path],
    *,
    heads: Mapping[str, HeadConfig] | None = None,
    split: SplitConfig | None = None,
    part: Part | None = None,
    version: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """The report of a run's folder, or of a model in a repository: its latest version, or `version`.

    heads: how to read the labels (a recipe's); None: fields are named after the heads.
    part: only what falls into it; None: all. Raises JudgeError.
    """
    infer, vocabulary, description = opened(model, version, device)
    examples = data.read(paths, heads if heads is not None else heads_of(description), split or SplitConfig())
    chosen = [example for example in examples if part in (None, example.part)]
    if not chosen:
        raise JudgeError(f"none of the {len(examples)} records falls into the {part} part")
    _check_labels(chosen, description)
    logits = judge(infer, vocabulary, description, [example.text for example in chosen])
    report = measure(logits, chosen, description)
    return report | {"part": part or "whole", "examples": {"measured": len(chosen)}}


def opened(
    model: Path, version: int | None = None, device: str = "auto"
) -> tuple[Infer, Vocabulary, Description]:
    """A run's folder by torch, a model's folder in a repository by onnxruntime. Raises JudgeError."""
    if Run(model).model.is_dir():
        from trainer.bert.model import load, pick_device

        network, vocabulary, description = load(Run(model).model)
        return by_torch(network, description, pick_device(device)), vocabulary, description
    if not repository.versions(model):
        raise JudgeError(
            f"{model} is neither the --out of `judge train` nor a model in a repository (REPOSITORY/NAME)"
        )
    description = Description.load(model)
    return by_onnx(repository.network(model, version), description), Vocabulary.load(model), description


def _check_labels(examples: Sequence[data.Example], description: Description) -> None:
    for name, head in description.heads.items():
        labels = (example.labels.get(name) for example in examples)
        seen = {of for label in labels if isinstance(label, Mapping) for of in label}
        unknown = sorted(seen - set(head.labels)) if head.labels else []
        if unknown:
            raise JudgeError(f"head {name}: the model does not know {', '.join(unknown)}")
