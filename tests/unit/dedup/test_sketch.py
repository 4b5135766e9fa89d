"""Signatures: right, the same everywhere, and quick on texts that are out to hurt."""

from __future__ import annotations

import gzip
import json
import random
import time

import numpy as np
import pytest

from contracts import Document
from services.dedup import DedupConfig
from services.dedup.normal import compared
from services.dedup.sketch import BITS, similarity, sketch
from tests.benchmarks.figures import SHARED
from tests.near_duplicates import chain, prose
from tests.planted import found, jaccard

CONFIG = DedupConfig()
LABELLED = SHARED / "data" / "neardup" / "documents.jsonl.gz"

PINNED_BANDS = [
    [0, 0, 121351084639436, 68342096872035],
    [87413985567834, 151785373058176, 91157578416499, 135468801143083],
    [87413985567834, 151785373058176, 0, 0],
]
PINNED_BITS = "0863bc57d5fa7383"


def test_signatures_are_pinned() -> None:
    """An index outlives processes and releases: other numbers would make all known documents unknown."""
    text = "the river runs on. 河水长流。"
    made = sketch([text, text * 4, text * 10], 2, 3, threshold=0.5)
    assert made.bands.tolist() == PINNED_BANDS
    assert bytes(made.bits[0, :8]).hex() == PINNED_BITS


@pytest.mark.parametrize("words", [8, 40, 150, 1000])
def test_the_estimate_is_the_jaccard_similarity(words: int) -> None:
    """A bias would move every threshold; a spread above the theory's would make them noise."""
    errors = []
    for seed in range(60):
        rng = random.Random(seed)
        a = prose(seed, words)
        b = [word if rng.random() > 0.06 else "neu" for word in a]
        one, other = " ".join(a), " ".join(b)
        made = sketch([one, other], 18, 6)
        errors.append(similarity(made.bits[0], made.bits[1:])[0] - jaccard(one, other))
    assert abs(np.mean(errors)) < 0.015
    assert np.std(errors) < 1.5 / np.sqrt(BITS)


def test_neighbours_in_a_batch_do_not_matter() -> None:
    """Texts are hashed many at a time: a shingle that reaches into the next text must not count."""
    texts = [
        "",
        "a",
        "abcde",
        "五个字符吧",
        *chain(3, 4, 0.1),
        "x" * 40_000,
        " ".join(prose(1, 9000)),
        "tail",
    ]
    together = sketch(texts, 18, 6)
    for i, text in enumerate(texts):
        alone = sketch([text], 18, 6)
        assert (alone.bits[0] == together.bits[i]).all()
        assert (alone.bands[0] == together.bands[i]).all()


def test_a_short_text_is_one_shingle() -> None:
    """Texts under five characters must be told apart, not all be alike or all fail."""
    made = sketch(["ab", "ab", "abc", "", "\ud800"], 18, 6)
    assert similarity(made.bits[0], made.bits)[:2].tolist() == [1.0, 1.0]
    assert (similarity(made.bits[0], made.bits[2:]) < 0.3).all()


def test_no_texts() -> None:
    assert sketch([], 18, 6).bits.shape == (0, BITS // 8)


@pytest.mark.parametrize(
    "text", ["啊" * 1_000_000, "ab" * 500_000, "".join(map(chr, range(0x4E00, 0x9FA5))) * 10]
)
def test_repetition_costs_no_more_than_length(text: str) -> None:
    """A megabyte of one character once cost seconds in filling the empty bins."""
    before = time.process_time()
    sketch([text], 18, 6)
    assert time.process_time() - before < 2.0


@pytest.mark.skipif(not LABELLED.exists(), reason="the labelled pairs are not beside the checkout")
def test_labelled_pairs_are_told_apart() -> None:
    """Real revisions: near-duplicates are found, also in the other Chinese script, and others are kept."""
    with gzip.open(LABELLED, "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    formats = ["code" if pair["lang"] == "code" else "prose" for pair in pairs]
    texts = [
        [
            compared(Document(text=pair[side], format=format_)).text
            for pair, format_ in zip(pairs, formats, strict=True)
        ]
        for side in "ab"
    ]
    a, b = (sketch(side, CONFIG.bands, CONFIG.rows) for side in texts)
    hit = found(a, b, CONFIG.threshold)
    true = np.array([jaccard(*pair) for pair in zip(*texts, strict=True)])
    label = np.array([pair["label"] for pair in pairs])
    assert (true >= 0.82).sum() > 100
    assert hit[true >= 0.82].mean() >= 0.97
    assert not hit[true < 0.76].any()
    assert hit[label == "near_duplicate_after_script_folding"].mean() >= 0.9
    assert hit[label == "near_duplicate"].mean() >= 0.93
    assert not hit[label == "different"].any()
