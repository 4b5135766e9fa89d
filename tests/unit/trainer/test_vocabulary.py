"""Bytes of tokens by what lies in the store, against the tokenizers themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from services.runtime import ObjectStore
from services.tokenizer import Vocabulary
from services.tokenizer.train import as_tokenizer_json, train
from trainer.data.store import Store
from trainer.vocabulary import token_bytes, vocabulary_size

TEXTS = [
    "The river flows into the sea, and the sea is never full.",
    "江河都往海里流，海却不满。",
    "x = 1\n",
] * 9


@pytest.fixture(params=[False, True], ids=["ranks", "tokenizer.json"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """A small one of each kind of file."""
    made = train(TEXTS, 300, "<|endoftext|>")
    return as_tokenizer_json(made, []) if request.param else made


def test_the_bytes_of_the_tokens_of_a_text_are_those_of_the_text(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    vocabulary.card.keep(ObjectStore(tmp_path.as_uri()), vocabulary.content)
    store = Store(str(tmp_path))
    assert vocabulary_size(store, vocabulary.digest) == vocabulary.size
    lengths = token_bytes(store, vocabulary.digest, vocabulary.size)
    assert lengths is not None
    for text, ids in zip(TEXTS, vocabulary.encode_batch(TEXTS), strict=True):
        assert int(lengths[ids.astype("int64")].sum()) == len(text.encode())
    assert lengths[vocabulary.end_of_document] == 0


@pytest.mark.parametrize("content", [None, b"", b"{", b"{}", b"no ranks\n", b"\xff\xff 1\n"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: bytes | None) -> None:
    store = Store(str(tmp_path))
    if content is not None:
        store.put("vocabularies/some.file", content)
        store.put("vocabularies/some.json", content)
    assert vocabulary_size(store, "some") == 0
    lengths = token_bytes(store, "some", 8)
    assert lengths is None or not lengths.any()
