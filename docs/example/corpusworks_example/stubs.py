"""A unit: drops what an encyclopedia marks as a stub, and measures how much of a text its title is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from contracts import Document
from services.runtime import Drop, Emit, Resources, Unit, Verdict


@dataclass(frozen=True)
class StubsConfig:
    """marks: any of these at the end of a text."""

    marks: tuple[str, ...] = ("{{stub}}", "{{小作品}}")


def judge(documents: Sequence[Document], *, config: StubsConfig) -> list[Verdict]:
    """One verdict for each, in order."""
    return [_judge(document, config) for document in documents]


def _judge(document: Document, config: StubsConfig) -> Verdict:
    title = document.metadata.get("title", "")
    document.features["title_share"] = len(title) / max(1, len(document.text))
    if document.text.rstrip().endswith(config.marks):
        return Drop("stub", detail="it ends with the mark of a stub")
    return Emit(document)


def _build(config: StubsConfig, resources: Resources) -> partial[list[Verdict]]:
    return partial(judge, config=config)


SERVICE = Unit(name="stubs", config=StubsConfig, build=_build, drop_reasons=frozenset({"stub"}))
