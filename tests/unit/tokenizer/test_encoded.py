"""Ids of many documents in a file: the same that the tokenizer gives, in any order, and none by mistake."""

from __future__ import annotations

import io

import numpy as np
import pytest

from contracts import Document
from services.runtime import CorpusworksError
from services.tokenizer import Vocabulary, judge
from services.tokenizer.encoded import Encoded

TEXTS = {
    7: "The tide came in.",
    3: "潮水漲了又落。",
    1 << 63: "x = [1, 2, 3]\n" * 50,
    5: "a\u0000 <|endoftext|> 🚀",
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


def made(vocabulary: Vocabulary, *more: int) -> Encoded:
    wanted = np.array(sorted([*TEXTS, *more]), np.uint64)
    return Encoded(wanted, vocabulary, io.BytesIO())


def test_the_ids_are_those_of_the_tokenizer(vocabulary: Vocabulary) -> None:
    """Prevents: the ids of one document under another, and a document without its end token."""
    found = made(vocabulary)
    for uid, text in TEXTS.items():
        found.add(uid, text)
    total = 0
    for uid in reversed(TEXTS):
        judged = Document(
            uid=uid, text=TEXTS[uid].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
        judge([judged], vocabulary=vocabulary)
        mine = Document(uid=uid, token_ids=b"old!", num_tokens=1, tokenizer="old", use=1, bucket="zh")
        assert found.put(mine)
        total += mine.num_tokens
        for name in ("token_ids", "num_tokens", "tokenizer"):
            assert getattr(mine, name) == getattr(judged, name), name
        assert (mine.use, mine.bucket, mine.text) == (1, "zh", "")
        assert mine.features["bytes_per_token"] == pytest.approx(judged.features["bytes_per_token"])
    assert found.num_tokens == total
    assert len(found.missing) == 0


def test_an_empty_text_has_no_ids_and_is_not_missing(vocabulary: Vocabulary) -> None:
    """Prevents: a document that stops everything though its text is known."""
    found = made(vocabulary, 9)
    found.add(9, "")
    assert 9 not in found.missing.tolist()
    assert not found.put(Document(uid=9))
    assert found.num_tokens == 0


def test_of_a_text_given_again_the_last_counts(vocabulary: Vocabulary) -> None:
    """Prevents: the ids of a former parse after a dead letter was put back."""
    found = made(vocabulary)
    found.add(7, "one")
    found.add(3, "two")
    found.add(7, "three and more")
    document = Document(uid=7)
    found.put(document)
    assert vocabulary.decode(np.frombuffer(document.token_ids, "<u4")) == "three and more"


@pytest.mark.parametrize("uid", [4, 1 << 60, 7])
def test_who_was_not_looked_for_or_not_found_has_none(vocabulary: Vocabulary, uid: int) -> None:
    """Prevents: a document that gets the ids of its neighbour by uid."""
    found = made(vocabulary)
    assert found.missing.tolist() == sorted(TEXTS)
    with pytest.raises(CorpusworksError, match=f"{uid:016x} came after the pools were looked at"):
        found.put(Document(uid=uid))
