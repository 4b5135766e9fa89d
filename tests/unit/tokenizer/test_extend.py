"""Extension: old ids stay what they were, new ones shorten the domain, and nothing of a text is lost."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from services.tokenizer import END_OF_DOCUMENT, Vocabulary
from services.tokenizer.extend import Extension, extend, extends
from services.tokenizer.ranks import format_ranks
from services.tokenizer.train import train

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
ENGLISH = [path.read_text() for path in sorted(DOCUMENTS.glob("en/*.txt"))]
CHINESE = [path.read_text() for path in sorted(DOCUMENTS.glob("zh/*.txt"))]
CODE = [path.read_text() for path in sorted(DOCUMENTS.glob("code/*"))]
MARKS = ["<|im_start|>", "<think>"]
WORDS = ["河水", "    "]


def byte_level(**changes: Any) -> Vocabulary:
    """A tokenizer.json as of Qwen: trained on English, its added tokens only beside the model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(ENGLISH, trainer)
    tokenizer.add_special_tokens([END_OF_DOCUMENT, MARKS[0]])
    tokenizer.add_tokens([AddedToken(word, special=False) for word in (MARKS[1], *WORDS)])
    definition = json.loads(tokenizer.to_str())
    definition["model"] |= changes
    return Vocabulary(json.dumps(definition).encode())


SOURCES = {
    "ranks": lambda: train(ENGLISH, 700),
    "ranks, end of document not named": lambda: Vocabulary(format_ranks({bytes([b]): b for b in range(256)})),
    "tokenizer.json": byte_level,
    "tokenizer.json, whole words first": lambda: byte_level(ignore_merges=True),
}


@pytest.fixture(scope="module", params=SOURCES)
def extension(request: pytest.FixtureRequest) -> Extension:
    return extend(SOURCES[request.param](), CHINESE, 150)


def count(vocabulary: Vocabulary, texts: list[str]) -> int:
    return sum(map(len, vocabulary.encode_batch(texts)))


def test_old_ids_stay_and_new_ones_follow(extension: Extension) -> None:
    """A model whose embeddings mean other tokens after the extension; a separator that moved."""
    old, new = extension.of, extension.vocabulary
    assert new.end_of_document == old.end_of_document
    assert new.size == old.size + 150
    assert old.tokens().items() <= new.tokens().items()
    added = sorted({*new.tokens().values()} - {*old.tokens().values()})
    assert added == list(range(old.size, new.size)) == sorted(extension.pieces)


def test_domain_gets_shorter_and_the_rest_hardly_changes(extension: Extension) -> None:
    """Tokens that no text is cut into, or old text cut in another way."""
    old, new = extension.of, extension.vocabulary
    assert count(new, CHINESE) < 0.7 * count(old, CHINESE)
    for texts in (ENGLISH, CODE):
        assert 0.9 * count(old, texts) <= count(new, texts) <= count(old, texts)


def test_pieces_are_the_bytes_of_the_token(extension: Extension) -> None:
    """Embeddings that begin as those of other words."""
    assert all(len(pieces) > 1 for pieces in extension.pieces.values())
    for new, pieces in extension.pieces.items():
        assert max(pieces) < extension.of.size
        token = next(name for name, index in extension.vocabulary.tokens().items() if index == new)
        names = {index: name for name, index in extension.of.tokens().items()}
        assert "".join(names[piece] for piece in pieces) == token
    read = json.loads(extension.pieces_file())
    assert {int(new): tuple(old) for new, old in read["pieces"].items()} == extension.pieces
    assert read["digest"] == extension.vocabulary.digest
    assert read["of_digest"] == extension.of.digest


def test_any_text_comes_back_byte_for_byte(extension: Extension) -> None:
    """A byte that is lost between an old token and a new one."""
    chance = random.Random(3)
    letters = "".join(CHINESE)
    texts = [*CHINESE, *ENGLISH, *CODE, "", "\0", *MARKS, *WORDS, END_OF_DOCUMENT]
    for _ in range(1000):
        points = (chance.randrange(sys.maxunicode + 1) for _ in range(chance.randint(1, 30)))
        texts.append("".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))
        texts.append("".join(chance.choices(letters, k=chance.randint(1, 30))))
    for text, ids in zip(texts, extension.vocabulary.encode_batch(texts), strict=True):
        assert extension.vocabulary.decode_bytes(ids) == text.encode()


def test_most_new_tokens_are_used_where_they_were_learned(extension: Extension) -> None:
    """Tokens that no engine can reach, since another merge comes first; rest stops of longer ones apart."""
    used = {index for ids in extension.vocabulary.encode_batch(CHINESE) for index in ids.tolist()}
    assert len(used & extension.pieces.keys()) > 100


def test_same_texts_same_vocabulary(extension: Extension) -> None:
    """Two extensions of one name."""
    again = extend(extension.of, reversed(CHINESE), 150)
    assert again.vocabulary.digest == extension.vocabulary.digest
    assert again.pieces_file() == extension.pieces_file()


def test_fewer_are_the_first_of_more(extension: Extension) -> None:
    """A size that changes which tokens are the most frequent."""
    fewer = extend(extension.of, CHINESE, 40)
    assert fewer.vocabulary.tokens().items() <= extension.vocabulary.tokens().items()


def test_an_extension_can_be_extended(extension: Extension) -> None:
    more = extend(extension.vocabulary, CODE, 20)
    assert more.vocabulary.size == extension.vocabulary.size + 20
    assert extends(more.vocabulary, extension.of)
    assert not extends(extension.of, more.vocabulary)


def test_added_tokens_keep_their_ids_and_behaviour_where_the_file_is_used_by_others() -> None:
    """`tokenizers` numbers added tokens anew when the model has grown: a chat model's marks become words."""
    old = byte_level()
    new = extend(old, [*CHINESE, "".join(MARKS) * 20], 100).vocabulary
    one, other = (Tokenizer.from_str(vocabulary.content.decode()) for vocabulary in (old, new))
    for name in [END_OF_DOCUMENT, *MARKS, *WORDS]:
        assert other.token_to_id(name) == one.token_to_id(name)
        assert other.encode(name).ids == one.encode(name).ids == [one.token_to_id(name)]
    assert other.decode(other.encode(f"a{MARKS[0]}b").ids) == one.decode(one.encode(f"a{MARKS[0]}b").ids)
    before, after = (json.loads(vocabulary.content) for vocabulary in (old, new))
    assert before["added_tokens"] == after["added_tokens"]
    assert before["pre_tokenizer"] == after["pre_tokenizer"]


def test_control_marks_in_the_texts_do_not_become_tokens() -> None:
    """A learned token with the name of a mark, or one that holds it."""
    old = byte_level()
    made = extend(old, [f"a{MARKS[1]}b " * 50, *CHINESE], 50)
    assert made.vocabulary.tokens()[MARKS[1]] == old.tokens()[MARKS[1]]
    ids = made.vocabulary.encode_batch([MARKS[1]])[0].tolist()
    assert old.tokens()[MARKS[1]] not in ids


def test_long_repeats_are_no_tokens() -> None:
    """A licence text that becomes a token of its own, with all its beginnings."""
    line = "这一条款在每一份合同里都一字不差地重复出现而从来没有人把它改动过"
    made = extend(train(ENGLISH, 400), [line] * 50 + CHINESE, 60)
    names = {index: name for name, index in made.vocabulary.tokens().items()}
    lengths = [len(names[index]) for index in made.pieces]
    assert max(lengths) <= 48 < len(line.encode())


def test_more_tokens_than_the_texts_hold() -> None:
    """Tokens made up to fill a number, or a search that does not end."""
    with pytest.raises(
        ValueError, match=r"hold [1-9]\d* new tokens that occur 2 times or more, not 1,000,000"
    ):
        extend(train(ENGLISH, 400), ["河水流向大海，河水带走一切。"] * 3, 1_000_000)
    with pytest.raises(ValueError, match="hold 0 new tokens"):
        extend(train(ENGLISH, 400), [], 1)


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, END_OF_DOCUMENT: 1, "a": 2}, unk_token="[UNK]"))
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return tokenizer


def characters() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2, END_OF_DOCUMENT: 3}, [("a", "b")]))
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return tokenizer


def sentencepiece_bytes() -> Tokenizer:
    vocab = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocab |= {f"<0x{byte:02X}>": 256 + byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab | {"<unk>": 512}, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return tokenizer


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (wordpiece, "its model is WordPiece"),
        (characters, r"241 of the 256 bytes are no tokens of it \(first: 0x00\)"),
        (sentencepiece_bytes, "does not write texts as bytes"),
    ],
)
def test_a_vocabulary_without_its_bytes(make: Any, says: str) -> None:
    """An extension that loses what is not in it, or that cuts texts into letters it does not have."""
    with pytest.raises(ValueError, match=says):
        extend(Vocabulary(make().to_str().encode()), CHINESE, 10)


def test_bytes_that_no_text_has_may_be_missing() -> None:
    """A refusal of vocabularies that were trained without 0xC0 and 0xFF."""
    definition = json.loads(byte_level().content)
    for letter in "\u00c0\u00ff":  # a hole in the ids would be another matter
        definition["model"]["vocab"][f"no {letter}"] = definition["model"]["vocab"].pop(letter)
    assert extend(Vocabulary(json.dumps(definition).encode()), CHINESE, 10).pieces
