"""Tokenising: MB/s of UTF-8 a core, against HF `tokenizers` with the same vocabulary on the same texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from services.tokenizer import END_OF_DOCUMENT, Vocabulary
from services.tokenizer.huggingface import to_huggingface
from services.tokenizer.ranks import parse_ranks
from services.tokenizer.vocabulary import DEFAULT
from tests.benchmarks.corpus import documents
from tests.benchmarks.figures import Figure, cpu_seconds

NUM_DOCUMENTS = 4500  # one in three is measured, after all the others: the encoder remembers pieces


def texts() -> tuple[list[str], dict[str, list[str]]]:
    """What to warm up with, and what to measure by language (see corpus.py)."""
    rows = documents(NUM_DOCUMENTS)
    chosen: dict[str, list[str]] = defaultdict(list)
    for row in rows[::3]:
        chosen[row["language"]].append(row["text"])
    return [row["text"] for at, row in enumerate(rows) if at % 3], dict(chosen)


def run() -> Iterator[Figure]:
    """Speed by language and over the mix, the ratio to the rival, and bytes a token."""
    warm_up, corpus = texts()
    ours = Vocabulary.load()
    ours.encode_batch(warm_up)
    # One core: encode_batch of the rival is one thread a document, so it gets one document a call.
    rival = to_huggingface(parse_ranks(DEFAULT.read_bytes()), END_OF_DOCUMENT)
    seconds, rival_seconds, size = 0.0, 0.0, 0
    for language, found in corpus.items():
        num_bytes = sum(len(text.encode()) for text in found)
        spent = cpu_seconds(partial(ours.encode_batch, found), repeat=1)
        rival_spent = cpu_seconds(partial(_one_by_one, rival, found), repeat=1)
        num_tokens = sum(map(len, ours.encode_batch(found)))
        yield Figure(f"tokenizer speed, {language}", num_bytes / spent / 1e6, "MB/s a core")
        yield Figure(f"tokenizer compression, {language}", num_bytes / num_tokens, "bytes/token")
        seconds, rival_seconds, size = seconds + spent, rival_seconds + rival_spent, size + num_bytes
    speed, ratio = size / seconds / 1e6, rival_seconds / seconds
    yield Figure("tokenizer speed, mix", speed, "MB/s a core", "≥ 5", speed >= 5)
    yield Figure("HF tokenizers speed, mix", size / rival_seconds / 1e6, "MB/s a core")
    yield Figure("tokenizer against HF tokenizers", ratio, "times", "≥ 4", ratio >= 4)


def _one_by_one(rival: Any, found: Sequence[str]) -> None:
    for text in found:
        rival.encode_batch_fast([text])


if __name__ == "__main__":
    for figure in run():
        held = {True: "  holds", False: "  FAILS", None: ""}[figure.passed]
        print(f"{figure.name:34} {figure.value:8.2f} {figure.unit} {figure.target}{held}")
