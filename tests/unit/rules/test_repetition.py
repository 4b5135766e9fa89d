"""The vectorised n-gram measures against their definition, written out plainly."""

import random
import re
from collections import Counter

import pytest

from services.rules.page import Page
from services.rules.repetition import DUPLICATE_NGRAMS, HAN_PER_WORD, TOP_NGRAMS, ngram_shares

_TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+(?:['’][^\W_\u4e00-\u9fff]+)*")


def _tokens(text: str) -> list[re.Match[str]]:
    return list(_TOKEN.finditer(text))


def _naive(text: str) -> dict[str, float]:
    tokens = _tokens(text)
    words = [token.group() for token in tokens]
    han = sum("\u4e00" <= word <= "\u9fff" for word in words)
    scale = HAN_PER_WORD if 2 * han > len(words) else 1
    shares = {}
    for size in TOP_NGRAMS:
        n = round(size * scale)
        ngrams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        common, count = Counter(ngrams).most_common(1)[0] if ngrams else ((), 0)
        first = ngrams.index(common) if count > 1 else 0
        width = tokens[first + n - 1].end() - tokens[first].start() if count > 1 else 0
        shares[f"top_{size}_gram"] = min(1.0, count * width / len(text))
    for size in DUPLICATE_NGRAMS:
        n = round(size * scale)
        seen: set[tuple[str, ...]] = set()
        covered: set[int] = set()
        for i in range(len(words) - n + 1):
            ngram = tuple(words[i : i + n])
            if ngram in seen:
                covered.update(range(i, i + n))
            seen.add(ngram)
        shares[f"dup_{size}_gram"] = sum(len(words[i]) for i in covered) / len(text)
    return shares


def _text(vocabulary: list[str], length: int, seed: int) -> str:
    rng = random.Random(seed)
    words = rng.choices(vocabulary, k=length)
    for _ in range(3):  # copy some stretches, so that long n-grams repeat too
        at, size = rng.randrange(length), rng.randrange(4, 30)
        words[at:at] = words[max(0, at - 60) : max(0, at - 60) + size]
    return "".join(word + rng.choice(["", " ", ", ", "。\n", "\n\n"]) for word in words) or "x"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "vocabulary",
    [
        [f" w{i}" for i in range(6)],
        [f" word{i}" for i in range(300)],
        list("的一是在不了有和人这"),
        [*"天地玄黄宇宙洪荒日月盈昃", " Kafka ", " 3.14 ", " don't "],
    ],
)
def test_equals_the_definition(vocabulary: list[str], seed: int) -> None:
    """Hashing, candidate pruning and offsets must not change the measure."""
    text = _text(vocabulary, 40 + 30 * seed, seed)
    measured, expected = ngram_shares([Page(text)])[0], _naive(text)
    assert set(measured) == set(expected)
    for name, share in expected.items():
        assert measured[name] == pytest.approx(share, abs=1e-12), name


def test_equals_the_definition_where_not_all_lengths_fit_one_table() -> None:
    """A long text goes length by length, each starting from what the one before found repeated."""
    text = _text([f" w{i}" for i in range(40)], 6000, 1)
    assert ngram_shares([Page(text)])[0] == pytest.approx(_naive(text), abs=1e-12)


def test_the_tokens_are_those_of_the_definition() -> None:
    text = "Don’t stop: it's 3.14 km_h, naïve Ünïcode—中文字 mixed中文 'quoted' a''b"
    starts, ends = Page(text).tokens
    assert [text[a:b] for a, b in zip(starts, ends, strict=True)] == [m.group() for m in _tokens(text)]


def test_equal_hashes_mean_equal_words() -> None:
    """A weak hash would take different words for the same and drop good texts as repetitive."""
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefghijkl" for c in range(100)]
    words += ["".join(reversed(word)) for word in words[:500]] + ["a" * n for n in range(1, 600)]
    words = sorted(set(words))
    assert len(set(Page(" ".join(words)).token_hashes.tolist())) == len(words)


@pytest.mark.parametrize("text", ["", "word", "two words", "。。。", "\n"])
def test_texts_with_next_to_nothing_repeat_nothing(text: str) -> None:
    assert set(ngram_shares([Page(text)])[0].values()) == {0.0}


def test_one_character_over_and_over_is_all_repetition() -> None:
    assert ngram_shares([Page("哈" * 500)])[0]["dup_10_gram"] > 0.9
