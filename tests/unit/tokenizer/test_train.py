"""Training: the vocabulary of given texts, the same every time."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from services.tokenizer import END_OF_DOCUMENT, Vocabulary
from services.tokenizer.train import as_tokenizer_json, train

TEXTS = [
    "河水流过村庄，河水流过城市，河水流入大海。",
    "the river runs through the village and the river runs into the sea",
    "for item in items:\n        total += item\n        count += 1\n",
] * 20


def test_trained_vocabulary_knows_its_texts() -> None:
    """Merges that are lost between the trainer and the rank file."""
    vocabulary = train(TEXTS, 400)
    untrained = train([], 257)
    assert untrained.size == 257
    assert 300 < vocabulary.size <= 400
    assert vocabulary.end_of_document == 0
    for text in [*TEXTS[:3], "never seen 👍 没见过\0"]:
        ids = vocabulary.encode_batch([text])[0]
        assert vocabulary.decode(ids) == text
        assert len(untrained.encode_batch([text])[0]) == len(text.encode())
    assert len(vocabulary.encode_batch([TEXTS[1]])[0]) * 3 < len(TEXTS[1])


def test_same_texts_same_vocabulary() -> None:
    """Two vocabularies of one name: ids that depend on threads or hashing."""
    assert train(TEXTS, 350).digest == train(iter(TEXTS), 350).digest


def test_newline_with_its_indentation_is_one_token() -> None:
    """A pattern under which code takes a token for each level of indentation."""
    vocabulary = train(TEXTS, 450)
    ids = vocabulary.encode_batch([":\n        total"])[0]
    assert vocabulary.decode_bytes(ids[:1]) == b":\n        "


def test_digits_go_by_three_and_han_ends_at_latin() -> None:
    """Numbers memorised whole; words glued across scripts."""
    vocabulary = train(["20262026 河水river"] * 500, 600)
    ids = vocabulary.encode_batch(["20262026 河水river"])[0]
    assert [vocabulary.decode(ids[i : i + 1]) for i in range(len(ids))] == [
        "202",
        "620",
        "26",
        " 河水",
        "river",
    ]


def test_size_too_small() -> None:
    """A vocabulary that cannot hold every byte."""
    with pytest.raises(ValueError, match="at least 257"):
        train(TEXTS, 256)


def test_pairs_that_occur_once_make_no_token() -> None:
    """A vocabulary filled up with the words of one document."""
    assert train(["unrepeatable"], 400).size == 257
    assert train(["repeated repeated"], 400).size > 257


def test_end_of_document_of_another_name() -> None:
    """A vocabulary that only the default name can load."""
    vocabulary = train(TEXTS, 400, "<end>")
    assert vocabulary.end_of_document == 0
    assert vocabulary.card.end_token == "<end>"
    assert Vocabulary(vocabulary.content, "<end>").digest == vocabulary.digest


def test_as_tokenizer_json_gives_the_same_ids_and_special_tokens_after_them() -> None:
    """A model's own file that reads its corpus otherwise; a chat mark that is cut to letters by the model."""
    vocabulary = train(TEXTS, 400)
    other = as_tokenizer_json(vocabulary, ["<|im_start|>", "<|im_end|>"])
    assert other.size == vocabulary.size + 2
    assert other.end_of_document == vocabulary.end_of_document
    assert other.tokens()["<|im_end|>"] == other.size - 1
    for text in [*TEXTS[:3], "<|im_start|> is text here"]:
        assert other.encode_batch([text])[0].tolist() == vocabulary.encode_batch([text])[0].tolist()
    plain = Tokenizer.from_str(other.content.decode())
    assert plain.encode("<|im_start|>").ids == [vocabulary.size]


@pytest.mark.parametrize("special", [["the"], [""], [END_OF_DOCUMENT], ["<a>", "<a>"]])
def test_special_token_that_is_there_already(special: list[str]) -> None:
    """A word of ordinary text that ends a turn."""
    with pytest.raises(ValueError, match="special token"):
        as_tokenizer_json(train(["the the"] * 9, 300), special)
