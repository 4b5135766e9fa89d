"""What a model is worth: report.json for programs, report.md and pictures for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.bert.data import Example
from trainer.bert.description import Description, Head
from trainer.bert.metrics import (
    Array,
    auc,
    calibration_error,
    confusion,
    f1_by_class,
    macro_f1,
    mean_known,
    softmax,
    spearman,
)

# Fewer texts of a source say nothing about it.
_MIN_OF_SOURCE = 20
_WORST = 10


def measure(
    logits: Mapping[str, Array], examples: Sequence[Example], description: Description
) -> dict[str, Any]:
    """{"heads": {name: measures}}; a head none of the examples has a label for is left out."""
    heads = {}
    for name, head in description.heads.items():
        rows = [row for row, example in enumerate(examples) if name in example.labels]
        if not rows:
            continue
        labelled = [examples[row] for row in rows]
        of = _classes if head.kind == "classes" else _score
        heads[name] = {"kind": head.kind} | of(logits[name][rows], name, head, labelled)
    return {"heads": heads}


def headline(logits: Mapping[str, Array], examples: Sequence[Example], description: Description) -> float:
    """One number to choose weights by: mean of the classes' macro-F1 and the scores' AUC (or Spearman)."""
    found = []
    for measured in measure(logits, examples, description)["heads"].values():
        if measured["kind"] == "classes":
            found.append(measured["macro_f1"])
        else:
            found.append(measured["spearman"] if math.isnan(measured["auc"]) else measured["auc"])
    return mean_known(found)


def write(report: Mapping[str, Any], out: Path) -> None:
    """report.json, report.md, confusion-<head>.png."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(report), ensure_ascii=False, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.md").write_text(markdown(report), encoding="utf-8")
    for name, measured in report["heads"].items():
        if measured["kind"] == "classes":
            draw(np.array(measured["confusion"]), measured["labels"], name, out / f"confusion-{name}.png")


def markdown(report: Mapping[str, Any]) -> str:
    """The measures as tables."""
    lines = ["# Report", ""]
    if "part" in report:
        counts = ", ".join(f"{count} {part}" for part, count in report["examples"].items())
        lines += [f"Measured on the {report['part']} part ({counts}).", ""]
    for name, measured in report["heads"].items():
        lines += [f"## {name}", ""]
        lines += _classes_lines(measured) if measured["kind"] == "classes" else _score_lines(measured)
    return "\n".join(lines).rstrip() + "\n"


def draw(counts: Array, labels: Sequence[str], name: str, path: Path) -> None:
    """A confusion matrix: colour is the share of the true class, the number the count."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = max(4.0, 0.55 * len(labels) + 2)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        count = str(counts[row, column])
        axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(name)
    figure.savefig(path, dpi=120)


def _classes(logits: Array, name: str, head: Head, examples: Sequence[Example]) -> dict[str, Any]:
    true = np.array([_true(example, name, head) for example in examples])
    predicted = logits.argmax(axis=1)
    counts = confusion(true, predicted, len(head.labels))
    f1 = f1_by_class(counts)
    languages = np.array([example.lang for example in examples])
    by_language = {}
    for language in sorted(set(languages)):
        of = languages == language
        inside = confusion(true[of], predicted[of], len(head.labels))
        by_language[str(language)] = {
            "texts": int(of.sum()),
            "accuracy": float((true[of] == predicted[of]).mean()),
            "macro_f1": macro_f1(inside),
            "f1": {
                label: v
                for label, v in zip(head.labels, f1_by_class(inside).tolist(), strict=True)
                if not math.isnan(v)
            },
        }
    by_class = {
        label: {"texts": int(counts[row].sum()), "f1": float(f1[row])}
        for row, label in enumerate(head.labels)
    }
    return {
        "labels": list(head.labels),
        "texts": len(examples),
        "accuracy": float((true == predicted).mean()),
        "macro_f1": macro_f1(counts),
        "ece": calibration_error(softmax(logits, head.temperature), true),
        "ece_uncalibrated": calibration_error(softmax(logits), true),
        "temperature": head.temperature,
        "by_class": by_class,
        "by_language": by_language,
        "worst_sources": _worst(examples, true == predicted),
        "confusion": counts.tolist(),
    }


def _score(logits: Array, name: str, _head: Head, examples: Sequence[Example]) -> dict[str, Any]:
    true = np.array([example.labels[name] for example in examples], np.float64)
    scores = logits[:, 0]
    languages = np.array([example.lang for example in examples])

    def of(rows: Array) -> dict[str, Any]:
        return {
            "texts": int(rows.sum()),
            "auc": auc(scores[rows], true[rows] >= 0.5),
            "spearman": spearman(scores[rows], true[rows]),
        }

    by_language = {str(language): of(languages == language) for language in sorted(set(languages))}
    # Beside the middle on the right side: the one thing that can be said of a single score.
    worst = _worst(examples, (scores >= 0) == (true >= 0.5))
    return of(np.ones(len(true), bool)) | {"by_language": by_language, "worst_sources": worst}


def _true(example: Example, name: str, head: Head) -> int:
    label = example.labels[name]
    assert isinstance(label, Mapping)
    return head.labels.index(max(label, key=lambda of: label[of]))


def _worst(examples: Sequence[Example], right: Array) -> list[dict[str, Any]]:
    """The sources that are judged worst: where a card must warn."""
    rows: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        rows.setdefault(example.source, []).append(row)
    found: list[dict[str, Any]] = [
        {"source": source, "texts": len(of), "accuracy": float(right[of].mean())}
        for source, of in rows.items()
        if source and len(of) >= _MIN_OF_SOURCE
    ]
    return sorted(found, key=lambda source: source["accuracy"])[:_WORST]


def _classes_lines(measured: Mapping[str, Any]) -> list[str]:
    f1 = _n(measured["macro_f1"])
    ece, before = _n(measured["ece"]), _n(measured["ece_uncalibrated"])
    lines = [
        f"{measured['texts']} texts. Accuracy {_n(measured['accuracy'])}, macro-F1 {f1},"
        f" calibration error {ece} ({before} before the temperature {measured['temperature']:.2f}).",
        "",
        "| language | texts | accuracy | macro-F1 |",
        "| --- | --- | --- | --- |",
    ]
    for language, of in measured["by_language"].items():
        lines.append(f"| {language} | {of['texts']} | {_n(of['accuracy'])} | {_n(of['macro_f1'])} |")
    languages = list(measured["by_language"])
    lines += ["", f"| class | texts | F1 | {' | '.join(f'F1 {language}' for language in languages)} |"]
    lines.append("| --- " * (3 + len(languages)) + "|")
    for label, of in measured["by_class"].items():
        each = " | ".join(_n(measured["by_language"][language]["f1"].get(label)) for language in languages)
        lines.append(f"| {label} | {of['texts']} | {_n(of['f1'])} | {each} |")
    return [*lines, *_worst_lines(measured), ""]


def _score_lines(measured: Mapping[str, Any]) -> list[str]:
    lines = ["| language | texts | AUC (upper against lower half) | Spearman |", "| --- | --- | --- | --- |"]
    for language, of in [("all", measured), *measured["by_language"].items()]:
        lines.append(f"| {language} | {of['texts']} | {_n(of['auc'])} | {_n(of['spearman'])} |")
    return [*lines, *_worst_lines(measured), ""]


def _worst_lines(measured: Mapping[str, Any]) -> list[str]:
    if not measured["worst_sources"]:
        return []
    lines = ["", "Sources judged worst:", "", "| source | texts | accuracy |", "| --- | --- | --- |"]
    return lines + [
        f"| {s['source']} | {s['texts']} | {_n(s['accuracy'])} |" for s in measured["worst_sources"]
    ]


def _n(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> Any:
    """NaN is not JSON: null."""
    if isinstance(value, Mapping):
        return {key: _plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    return None if isinstance(value, float) and math.isnan(value) else value
