"""A user's tokenizer.json: any model, with the habits that would change a corpus taken from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from services.runtime import ConfigurationError
from services.tokenizer import Vocabulary

TEXTS = ["the river keeps what the river takes", "河水流向大海，河水带走一切。"]


@pytest.fixture
def byte_level(tmp_path: Path) -> Path:
    """Byte-level BPE with a template, truncation and padding, as model repositories ship them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<bos>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    tokenizer.add_tokens([AddedToken("<eod>", special=False)])
    bos = tokenizer.token_to_id("<bos>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", bos)]
    )
    tokenizer.enable_truncation(max_length=8)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_round_trip_without_template_truncation_and_padding(byte_level: Path) -> None:
    """A document cut to 512 tokens or filled with [PAD], because the file says so."""
    vocabulary = Vocabulary.load(byte_level, "<eod>")
    text = " ".join(TEXTS) * 10 + "\0👍"
    ids = vocabulary.encode_batch([text])[0]
    assert len(ids) > 64
    assert vocabulary.decode(ids) == text
    bos = Tokenizer.from_file(str(byte_level)).token_to_id("<bos>")
    assert bos not in ids


def test_names_of_special_tokens_are_ordinary_text(byte_level: Path) -> None:
    """A page that injects a document end or a beginning; <eod> here is not even marked special."""
    vocabulary = Vocabulary.load(byte_level, "<eod>")
    text = "a<eod>b<bos>c"
    ids = vocabulary.encode_batch([text])[0]
    assert vocabulary.end_of_document not in ids
    assert vocabulary.decode(ids) == text
    assert vocabulary.decode([*ids, vocabulary.end_of_document]) == text


def test_name_inside_the_model_is_cut(tmp_path: Path) -> None:
    """A Unigram model whose own vocabulary holds "</s>": its text would become the special id."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0)] + [(letter, -5.0) for letter in "abc</s> "]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    plain = Tokenizer.from_file(str(path))
    plain.encode_special_tokens = True
    assert plain.token_to_id("</s>") in plain.encode("a</s>b").ids  # or this test shows nothing
    vocabulary = Vocabulary.load(path, "</s>")
    ids = vocabulary.encode_batch(["a</s>b"])[0]
    assert vocabulary.end_of_document not in ids
    assert vocabulary.decode(ids) == "a</s>b"
    assert len(vocabulary.encode_batch(["a河b"])[0]) == 3  # the unknown token stays allowed


def test_normalisation_makes_no_special_token(tmp_path: Path) -> None:
    """A separator in the middle of a document, out of a letter that the file replaces by it."""
    definition = json.loads(Tokenizer(models.Unigram([("<unk>", 0.0), ("E", 0.0)], unk_id=0)).to_str())
    definition["normalizer"] = {"type": "Replace", "pattern": {"String": "x"}, "content": "E"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(definition))
    assert Tokenizer.from_file(str(path)).encode("x").ids == [1]
    assert Vocabulary.load(path, "E").encode_batch(["x"])[0].tolist() == [0]


def test_surrogates_are_mended(byte_level: Path) -> None:
    """A TypeError of the library for half a character."""
    vocabulary = Vocabulary.load(byte_level, "<eod>")
    assert vocabulary.decode(vocabulary.encode_batch(["a\ud800b"])[0]) == "a\ufffdb"


def test_unknown_id_says_wrong_vocabulary(byte_level: Path) -> None:
    """HF leaves out ids that it does not know: text lost in silence."""
    with pytest.raises(ValueError, match="decode with the one that encoded it"):
        Vocabulary.load(byte_level, "<eod>").decode([100_000])


def test_missing_end_of_document_names_the_candidates(byte_level: Path) -> None:
    """A user who cannot know what to put into end_of_document."""
    with pytest.raises(ConfigurationError, match="has no token <end>; its special tokens: <bos>"):
        Vocabulary.load(byte_level, "<end>")
