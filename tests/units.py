"""Units that tests put into a topology: one that passes everything on, one that is poisoned by some."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts import Control, Document, Retraction
from services.runtime import (
    Also,
    ConfigurationError,
    DependencyDown,
    Drop,
    Emit,
    Judge,
    Reject,
    Resources,
    Unit,
    Verdict,
    topics,
)


@dataclass(frozen=True)
class NoConfig:
    """Nothing to set."""


@dataclass(frozen=True)
class ThresholdConfig:
    """One of each kind of value that a person sets."""

    min_words: int = 5
    share: float = 0.5
    strict: bool = False
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}, not between 0 and 1")


def echo(documents: Sequence[Document]) -> list[Verdict]:
    """Everything goes on."""
    return [Emit(document) for document in documents]


def poisoned(documents: Sequence[Document]) -> list[Verdict]:
    """Does to this process what the text of a document says; anything unknown goes on, marked as seen."""
    verdicts: list[Verdict] = []
    for document in documents:
        verdict = _obey(document)
        if verdict is not None:
            verdicts.append(verdict)
    return verdicts


def _obey(document: Document) -> Verdict | None:
    document.features["seen"] += 1
    command, _, path = document.text.partition(" ")
    if command == "raise":
        raise ValueError("this document cannot be handled")
    if command == "odd":
        raise ValueError("a lone surrogate \udcff in the message")
    if command == "exit":
        sys.exit(3)
    if command == "die":
        os._exit(17)
    if command == "memory":
        hoard = [bytearray(64 << 20) for _ in range(1 << 10)]
        raise AssertionError(f"{len(hoard)} blocks fitted")
    if command == "hang":
        time.sleep(3600)
    if command == "short":
        return None  # one verdict too few
    if command == "undeclared":
        return Drop("a reason that nobody knows")
    if command == "drop":
        return Drop("unwanted", measured=3, threshold=5, detail="three of five")
    if command == "reject":
        return Reject("not for me")
    if (
        command == "down" and path and Path(path).exists()
    ):  # the server of this unit, as long as the file is there
        raise DependencyDown("redis", "connection refused")
    if command == "once" and path and not Path(path).exists():  # waits to be killed, the first time
        Path(path).write_text(str(os.getpid()))
        time.sleep(3600)
    if command == "stay" and path:  # waits to be killed until somebody has done it often enough
        with contextlib.suppress(FileExistsError):
            Path(path).with_suffix(".count").touch(exist_ok=False)
        times = Path(path).with_suffix(".count")
        times.write_text(times.read_text() + "x")
        if len(times.read_text()) <= 5:
            Path(path).write_text(str(os.getpid()))
            time.sleep(3600)
    if command == "suicide":
        os.kill(os.getpid(), signal.SIGKILL)
    return Emit(document)


def wordy(documents: Sequence[Document], *, config: ThresholdConfig) -> list[Verdict]:
    """Drops what has few words."""
    verdicts: list[Verdict] = []
    for document in documents:
        num_words = len(document.text.split())
        document.features["num_words"] = num_words
        few = num_words < config.min_words
        verdicts.append(Drop("too_short", num_words, config.min_words) if few else Emit(document))
    return verdicts


class Newest:
    """Keeps the last of each text: the one before is retracted."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """Everything goes on, with the retraction of its predecessor."""
        verdicts: list[Verdict] = []
        for document in documents:
            before = self._last.get(document.text)
            self._last[document.text] = document.uid
            gone = Retraction(uid=before or 0, superseded_by=document.uid, similarity=1)
            also = () if before is None else (Also(topics.CONTROL, Control(retraction=gone), b"", before),)
            verdicts.append(Emit(document, also))
        return verdicts


class Positioned:
    """Writes where it read a document and what it was told is committed; fails while a file is there."""

    def __init__(self, obstacle: Path) -> None:
        self._obstacle = obstacle
        self._told = 0

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """Everything goes on."""
        for document in documents:
            document.features["offset"] = document.position.offset
            document.features["told"] = self._told
        return [Emit(document) for document in documents]

    def committed(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Remember the highest offset."""
        if self._obstacle.exists():
            raise DependencyDown("redis", self._obstacle.read_text())
        self._told = max(offsets.values())


class Placed:
    """Writes down where documents were read, and what it was told at the beginning."""

    def __init__(self, refusal: Path) -> None:
        self._refusal = refusal
        self._begun = ""

    def begin(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Refuses while there is a file that says why."""
        if self._refusal.exists():
            raise ConfigurationError(self._refusal.read_text())
        self._begun = str(dict(sorted(offsets.items())))

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """Everything goes on."""
        for document in documents:
            at = document.position
            document.metadata["place"] = f"{at.topic} {at.topic_id} {at.partition} {at.offset} {at.redriven}"
            document.metadata["begun"] = self._begun
        return [Emit(document) for document in documents]


def _bucketed(documents: Sequence[Document]) -> list[Verdict]:
    for document in documents:
        document.bucket = document.text
    return [Emit(document) for document in documents]


def _obstacle(resources: Resources) -> Path:
    return Path(resources.settings.store_url.removeprefix("file://")) / "obstacle"


def _refuse(config: NoConfig, resources: Resources) -> Positioned:
    if _obstacle(resources).exists():
        raise DependencyDown("redis", "connection refused")
    return Positioned(_obstacle(resources))


def _gate(word: str) -> Callable[[NoConfig, Resources], Judge]:
    """Builds a judge that fails at texts (behind dedup: titles) that end in a word, while a file is there."""

    def build(config: NoConfig, resources: Resources) -> Judge:
        obstacle = _obstacle(resources)

        def judge(documents: Sequence[Document]) -> list[Verdict]:
            if (
                any(
                    (document.text or document.metadata.get("title", "")).endswith(word)
                    for document in documents
                )
                and obstacle.exists()
            ):
                raise ValueError(f"a text cannot be handled: {word}")
            return [Emit(document) for document in documents]

        return judge

    return build


def _twice(documents: Sequence[Document]) -> list[Verdict]:
    return [Emit(each, (Also("docs.copies", each, b"key", each.uid),)) for each in documents]


def _broken(config: NoConfig, resources: Resources) -> Positioned:
    raise RuntimeError("no model here")


ECHO = Unit("echo", NoConfig, lambda config, resources: echo)
POISONED = Unit("poisoned", NoConfig, lambda config, resources: poisoned, frozenset({"unwanted"}))
WORDY = Unit(
    "wordy",
    ThresholdConfig,
    lambda config, resources: lambda documents: wordy(documents, config=config),
    frozenset({"too_short"}),
    offline={"min_words": 2},
)
NEWEST = Unit("newest", NoConfig, lambda config, resources: Newest(), retracts=True)
POSITIONED = Unit(
    "positioned",
    NoConfig,
    lambda config, resources: Positioned(_obstacle(resources)),
    positioned=True,
)
PLACED = Unit(
    "placed",
    NoConfig,
    lambda config, resources: Placed(_obstacle(resources)),
    positioned=True,
)
TWICE = Unit("twice", NoConfig, lambda config, resources: _twice)
BUCKETED = Unit("bucketed", NoConfig, lambda config, resources: _bucketed)
REFUSING = Unit("refusing", NoConfig, _refuse)
GATE = Unit("gate", NoConfig, _gate("thorny"))
LATE_GATE = Unit("late_gate", NoConfig, _gate("thorny behind dedup"))
BROKEN = Unit("broken", NoConfig, _broken)
