"""Labelled JSONL (plain or .gz) -> examples, each in its part.

A record: {"text": …, "<head's field>": label, …} and, if known, "lang", "source", "licence", "group",
"split".
A class is a name, or {name: probability, …} as a teacher gives it; a score is a number, or a name that the
head's `values` lists. A head whose field is absent or null is not taught by that record.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from contracts.plain import plain
from trainer.bert.errors import JudgeError
from trainer.bert.recipe import HeadConfig, SplitConfig

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
_SPLITS: dict[str, Part] = {"train": "train", "test": "test"}
_SPLITS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
Label = float | Mapping[str, float]  # a score in 0..1, or probabilities of classes


@dataclass(frozen=True, slots=True)
class Example:
    """One text and what is known of it; `labels` by head, heads without a label left out."""

    text: str
    labels: Mapping[str, Label]
    part: Part
    lang: str = "und"
    source: str = ""
    licence: str = ""


def read(paths: Sequence[Path], heads: Mapping[str, HeadConfig], split: SplitConfig) -> list[Example]:
    """All records of the files, in order. Raises JudgeError with file and line."""
    if not paths:
        raise JudgeError("no data: name at least one JSONL file of labelled texts")
    examples: list[Example] = []
    for path in paths:
        before = len(examples)
        for place, record in records(path):
            try:
                examples.append(_example(record, heads, split))
            except ValueError as error:
                raise JudgeError(f"{place}: {error}") from error
        if len(examples) == before:
            raise JudgeError(f"{path} holds no record: give JSONL, a record a line")
    return examples


def texts(paths: Sequence[Path]) -> list[str]:
    """The texts of files without labels, for pre-training. Raises JudgeError with file and line."""
    found = []
    for path in paths:
        for place, record in records(path):
            try:
                found.append(_text(record))
            except ValueError as error:
                raise JudgeError(f"{place}: {error}") from error
    return found


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, record) of a JSONL file; empty lines are passed over. Raises JudgeError."""
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise JudgeError(f"{path}:{number}: not JSON ({error}); a record is one line") from error
                if not isinstance(record, dict):
                    raise JudgeError(f'{path}:{number}: a record is an object: {{"text": …}}')
                yield f"{path}:{number}", record
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise JudgeError(f"{path}: cannot be read after line {number}: {error}") from error


def part_of(key: str, split: SplitConfig) -> Part:
    """The same key falls into the same part, in every run and on every machine."""
    normal = "".join(key.casefold().split())
    at = int.from_bytes(hashlib.blake2b(normal.encode(), digest_size=8).digest()) / 2**64
    if at < split.test:
        return "test"
    return "validation" if at < split.test + split.validation else "train"


def labels_of(name: str, head: HeadConfig, examples: Iterable[Example]) -> tuple[str, ...]:
    """The classes of a head: those it names, or those that are seen. Raises JudgeError."""
    seen: Counter[str] = Counter()
    for example in examples:
        label = example.labels.get(name)
        if isinstance(label, Mapping):
            seen.update(label.keys())
    if not seen:
        where = head.field or name
        raise JudgeError(f"head {name}: no record has the field {where!r}; set `field` or remove it")
    labels = head.labels or tuple(sorted(seen))
    unknown = sorted(set(seen) - set(labels))
    if unknown:
        raise JudgeError(
            f"head {name}: the data has classes that `labels` does not list: {', '.join(unknown)}"
        )
    if len(labels) < 2:
        raise JudgeError(f"head {name}: all records are {labels[0]!r}; a head needs at least two classes")
    return labels


def fingerprint(examples: Sequence[Example]) -> str:
    """Changes when the data does: a resumed run must go on with what it began with."""
    digest = hashlib.blake2b(digest_size=8)
    for example in examples:
        digest.update(repr((example.text, sorted(example.labels.items(), key=str), example.part)).encode())
    return digest.hexdigest()


def _example(record: dict[str, Any], heads: Mapping[str, HeadConfig], split: SplitConfig) -> Example:
    text = _text(record)
    labels = {}
    for name, head in heads.items():
        value = record.get(head.field or name)
        if value is not None:
            labels[name] = _score(value, head, name) if head.kind == "score" else _classes(value, head, name)
    if not labels:
        fields = ", ".join(head.field or name for name, head in heads.items())
        raise ValueError(f"no label: a record has at least one of the fields {fields}")
    group = record.get(split.group)
    part = part_of(text if group is None else f"group {group}", split)
    if record.get("split") is not None:
        if record["split"] not in _SPLITS:
            raise ValueError(f"split is {record['split']!r}; it may be {', '.join(_SPLITS)}")
        part = _SPLITS[record["split"]]
    about = {name: str(record.get(name) or "") for name in ("source", "licence")}
    return Example(text, labels, part, str(record.get("lang") or "und"), **about)


def _text(record: dict[str, Any]) -> str:
    text = record.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError('the field "text" must be a string that is not empty')
    text = text.encode(errors="replace").decode()  # a lone surrogate cannot be tokenised
    return plain(text).strip() or text  # as inference reads it; of marks alone, they


def _classes(value: Any, head: HeadConfig, name: str) -> dict[str, float]:
    if isinstance(value, str) and value:
        found = {value: 1.0}
    elif isinstance(value, dict) and value:
        if not all(_is_number(p) and p >= 0 for p in value.values()) or not sum(value.values()) > 0:
            raise ValueError(f"{head.field or name}: probabilities of classes must be numbers, not all 0")
        total = sum(value.values())
        found = {label: p / total for label, p in value.items() if p > 0}
    else:
        raise ValueError(f"{head.field or name}: a class is a name or {{name: probability}}, not {value!r}")
    unknown = sorted(set(found) - set(head.labels)) if head.labels else []
    if unknown:
        raise ValueError(f"{head.field or name}: {', '.join(unknown)} is not in the recipe's labels")
    return found


def _score(value: Any, head: HeadConfig, name: str) -> float:
    if isinstance(value, str):
        if value not in head.values:
            listed = ", ".join(head.values) or "none"
            raise ValueError(
                f"{head.field or name}: {value!r} is not a number, and the recipe's `values` lists {listed}"
            )
        value = head.values[value]
    if not _is_number(value) or not head.low <= value <= head.high:
        raise ValueError(
            f"{head.field or name}: a score is a number in {head.low}..{head.high}, not {value!r}"
        )
    return float((value - head.low) / (head.high - head.low))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
