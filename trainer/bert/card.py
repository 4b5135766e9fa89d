"""The model card: what a person must know before trusting the model, from its report and notes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from trainer.bert.description import Description
from trainer.bert.report import markdown

# Below these the card warns.
_WEAK_F1 = 0.8
_WEAK_SOURCE = 0.8
_WEAK_AUC = 0.9
_WEAK_CALIBRATION = 0.05
_FEW = 20  # texts of a class in a language: too few to say


def card(
    description: Description,
    report: Mapping[str, Any],
    facts: Mapping[str, str],
    notes: str,
    version: int,
) -> str:
    """Markdown. report: of the network as exported; facts: a line each; notes: what numbers cannot say."""
    parts = [
        f"# {description.name}, version {version}",
        notes.strip() or "No notes were given on what this model is for.",
        "## What it says",
        _heads(description),
        "## What it is",
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        "## Data",
        _data(report.get("data", [])),
        markdown(report).replace("\n## ", "\n### ").replace("# Report", "## What it is worth", 1).strip(),
        "## Where it is weak",
        "\n".join(f"- {line}" for line in weaknesses(report))
        or "Nothing fell below the limits of this card.",
    ]
    return "\n\n".join(parts) + "\n"


def weaknesses(report: Mapping[str, Any]) -> list[str]:
    """What the report shows to be bad, or not measured."""
    found = []
    for name, measured in report["heads"].items():
        languages = measured["by_language"].items()
        if measured["kind"] == "classes":
            for language, of in languages:
                bad = [f"{label} ({f1:.2f})" for label, f1 in of["f1"].items() if f1 < _WEAK_F1]
                if bad:
                    found.append(f"{name}, {language}: F1 below {_WEAK_F1}: {', '.join(bad)}")
            few = [label for label, of in measured["by_class"].items() if of["texts"] < _FEW]
            if few:
                found.append(f"{name}: measured on fewer than {_FEW} texts: {', '.join(few)}")
            if measured["ece"] > _WEAK_CALIBRATION:
                found.append(f"{name}: probabilities are off by {measured['ece']:.2f} on average")
        else:
            bad = [f"{language} ({of['auc']:.2f})" for language, of in languages if of["auc"] < _WEAK_AUC]
            if bad:
                found.append(f"{name}: AUC below {_WEAK_AUC}: {', '.join(bad)}")
            unknown = [language for language, of in languages if math.isnan(of["auc"])]
            if unknown:
                found.append(
                    f"{name}: not measured, good and bad texts are not both there: {', '.join(unknown)}"
                )
        for source in measured["worst_sources"]:
            if source["accuracy"] < _WEAK_SOURCE:
                found.append(f"{name}: {source['accuracy']:.0%} of the texts of {source['source']} are right")
    return found


def _heads(description: Description) -> str:
    lines = []
    for name, head in description.heads.items():
        says = f"one of {', '.join(head.labels)}" if head.labels else "a score: higher is better"
        lines.append(f"- `{name}`: {says}")
    return "\n".join(lines)


def _data(sources: list[Mapping[str, Any]]) -> str:
    if not sources:
        return "Not recorded."
    licences: Counter[str] = Counter()
    for source in sources:
        licences[source["licence"]] += source["examples"]
    total = sum(licences.values())
    lines = [f"{total} labelled texts, by licence:", ""]
    lines += [f"- {licence}: {count}" for licence, count in licences.most_common()]
    lines += ["", "| source | licence | texts |", "| --- | --- | --- |"]
    lines += [f"| {s['source']} | {s['licence']} | {s['examples']} |" for s in sources]
    return "\n".join(lines)
