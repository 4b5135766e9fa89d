"""A head of words for a judge that is exported: taught apart, put in beside what the judge says already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainer.bert import data, graft, repository
from trainer.bert.data import Example
from trainer.bert.description import Description, Head
from trainer.bert.errors import JudgeError
from trainer.bert.metrics import auc
from trainer.bert.predict import Array, by_onnx, judge
from trainer.bert.recipe import HeadConfig, SplitConfig
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.windows import text_windows
from trainer.bert.words import Words, fit

LOSS = 0.01  # of a genre's good texts: at what is lost of them junk is measured
_LEAST = 20  # texts of either kind: of fewer nothing is said

Log = Callable[[str], None]


class Labelled(NamedTuple):
    """A text, its genre, and 1 where it is what the head looks for."""

    example: Example
    genre: str
    wanted: float


class Row(NamedTuple):
    """Of a genre: texts without and with what is looked for, how well told apart, and what is missed."""

    language: str
    genre: str
    good: int
    bad: int
    auc: float
    kept: float


def teach(model: Path, name: str, paths: Sequence[Path], log: Log = print) -> list[Row]:
    """Teach the head `name` to the newest version of the model in the folder `model`; what it is worth.

    paths: labelled records whose field `name` is 0 or 1 (with `lang` and `genre`). The version's number
    stays, since all that it said before it says still. Raises JudgeError.
    """
    description, vocabulary = Description.load(model), Vocabulary.load(model)
    network = repository.network(model)
    found = read(paths, name)
    taught = [each for each in found if each.example.part == "train"]
    held = [each for each in found if each.example.part == "test"]
    if len({each.wanted >= 0.5 for each in taught}) < 2:
        raise JudgeError(f"the records to train on have one value of {name!r} only: texts of both are needed")
    words = words_of(vocabulary, description, taught)
    try:
        graft.put(network, name, words, network)
    except ValueError as error:
        raise JudgeError(str(error)) from error
    described = replace(description, heads={**description.heads, name: Head("score")})
    repository.describe(model, described)
    log(f"{name}: taught by {len(taught)} texts, {sum(each.wanted >= 0.5 for each in taught)} of them {name}")
    texts = [each.example.text for each in held]
    only = replace(described, heads={name: Head("score")})
    rows = measured(held, judge(by_onnx(network, only), vocabulary, only, texts)[name][:, 0]) if held else []
    repository.say_of_head(model, name, card(name, rows, taught))
    return rows


def read(paths: Sequence[Path], name: str) -> list[Labelled]:
    """The records that have the field. Raises JudgeError."""
    examples = data.read(paths, {name: HeadConfig("score")}, SplitConfig())
    genres = [str(record.get("genre") or "") for path in paths for _, record in data.records(path)]
    found = []
    for example, genre in zip(examples, genres, strict=True):
        value = example.labels.get(name)
        if isinstance(value, float):
            found.append(Labelled(example, genre, value))
    return found


def words_of(vocabulary: Vocabulary, description: Description, taught: Sequence[Labelled]) -> Words:
    """A text counts once, whatever its windows; a genre by the root of its number, as in `balance: 0.5`."""
    cut = text_windows(vocabulary, [each.example.text for each in taught], description.max_length - 2)
    kinds = [(each.example.lang, each.genre, each.wanted >= 0.5) for each in taught]
    count = Counter(kinds)
    weights = [
        count[kind] ** -0.5 / len(windows) for kind, windows in zip(kinds, cut, strict=True) for _ in windows
    ]
    targets = [each.wanted for each, windows in zip(taught, cut, strict=True) for _ in windows]
    counted = np.array(weights, np.float32)
    flat = [window for windows in cut for window in windows]
    return fit(vocabulary, flat, np.array(targets, np.float32), counted / counted.mean())


def measured(held: Sequence[Labelled], logits: Array) -> list[Row]:
    """By language and genre, where there are enough of both kinds."""
    rows = []
    kinds = np.array([f"{each.example.lang}\0{each.genre}" for each in held])
    wanted = np.array([each.wanted >= 0.5 for each in held])
    for kind in sorted(set(kinds.tolist())):
        good, bad = logits[(kinds == kind) & ~wanted], logits[(kinds == kind) & wanted]
        if min(len(good), len(bad)) < _LEAST:
            continue
        # The k-th highest with k = LOSS (n + 1), rounded down: as the table of thresholds has it.
        bound = np.sort(good)[::-1][max(0, int(LOSS * (len(good) + 1)) - 1)]
        both = np.concatenate([good, bad])
        labels = np.arange(len(both)) >= len(good)
        language, _, genre = kind.partition("\0")
        rows.append(
            Row(language, genre, len(good), len(bad), auc(both, labels), float((bad <= bound).mean()))
        )
    return rows


def card(name: str, rows: Sequence[Row], taught: Sequence[Labelled]) -> str:
    """The card's section of the head."""
    sources = Counter((e.example.source or "not stated", e.example.licence or "not stated") for e in taught)
    lines = [
        f"A score that reads words and pairs of words of a window (`trainer/bert/words.py`), taught apart by "
        f"{len(taught)} texts; 0 and above is rather {name}. On held-out texts:",
        "",
        f"| language, genre | good | {name} | AUC | {name} left at 1 % loss of good texts |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {r.language} {r.genre} | {r.good} | {r.bad} | {r.auc:.3f} | {r.kept:.2f} |" for r in rows),
        "",
        "| taught by | licence | texts |",
        "| --- | --- | ---: |",
        *(f"| {source} | {licence} | {count} |" for (source, licence), count in sorted(sources.items())),
    ]
    return "\n".join(lines)
