"""The report: sums by group, what comes back, and what is never used."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from services.tokenizer import END_OF_DOCUMENT, Vocabulary
from services.tokenizer.extend import extend
from services.tokenizer.ranks import format_ranks
from services.tokenizer.report import Report, Use

BYTES = Vocabulary(format_ranks({bytes([byte]): byte for byte in range(256)}))
RIVER = "河水"


def lower() -> Vocabulary:
    """Byte-level, and it loses what is in capitals."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return Vocabulary(tokenizer.to_str().encode())


def test_sums_by_language_and_domain() -> None:
    """Averages of averages: a long text must count for more than a short one."""
    report = Report([BYTES])
    report.add(RIVER, "zh", "a")
    report.add("river", "en", "a")
    report.add("", "en", "b")
    rows = {(row.kind, row.name): row.as_dict() for row in report.rows()}
    assert list(rows) == [("language", "en"), ("language", "zh"), ("domain", "a"), ("all", "")]
    assert rows["domain", "a"] == {
        "by": "domain",
        "name": "a",
        "documents": 2,
        "characters": 7,
        "bytes": 11,
        "tokens": [11],
        "tokens_per_character": [11 / 7],
        "bytes_per_token": [1.0],
    }
    assert report.broken == [0]
    assert report.new_use() is None


def test_before_and_after() -> None:
    """A share of the wrong vocabulary, or of tokens that were there before."""
    new = extend(BYTES, [RIVER] * 5, 5).vocabulary
    report = Report([BYTES, new])
    report.add(RIVER, "zh", "a")
    row = next(report.rows())
    assert row.tokens == [6, 1]
    assert row.change == pytest.approx(1 / 6 - 1)
    assert report.new_use() == Use(of=5, unused=4)
    assert report.new_use().unused_share == 0.8
    assert report.use(0).unused == 257 - len(set(RIVER.encode()))


def test_two_that_are_no_extension_have_no_new_tokens() -> None:
    report = Report([BYTES, lower()])
    report.add("a", "en", "a")
    assert report.new_use() is None


def test_a_text_that_does_not_come_back_is_counted() -> None:
    """A vocabulary that takes part of the corpus away, with fine figures."""
    report = Report([BYTES, lower()])
    for text in ("River", "river", RIVER, "a\ud800b"):
        report.add(text, "en", "a")
    assert report.broken == [0, 1]


def test_nothing_at_all() -> None:
    report = Report([BYTES])
    assert list(report.rows()) == []
    assert report.use(0).unused_share == 1
