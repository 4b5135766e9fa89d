"""Control marks of a tokenizer.json in plain text are letters, however its model works and it flags them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from services.tokenizer import Vocabulary
from services.tokenizer.huggingface import control_marks

END = "<|end|>"
MARKS = [
    "<|fim_prefix|>", "<tool_call>", "</think>", "<s>", "</s>", "<<SYS>>", "<｜User｜>", "<unused7>",
    "[INST]", "[/INST]", "[gMASK]", "<|reserved_special_token_5|>", "▁<PRE>", "|||IP_ADDRESS|||",
    "<| end of text |>", "madeupword0001",
]  # fmt: skip
WORDS = ["    ", "\n\n", "机器学习", "corpusworks", "=>", "<=>", "->", "[]", "__init__", "👍", "|", "{}"]
TEXT = (
    "The mark and the tag are words that a tokenizer keeps for itself, x < y > z [1] {2} |3|. "
    "河水流向大海，河水带走一切。 def f(a):\n    return a[0] <=> 1\n"
)


def with_added(tokenizer: Tokenizer, path: Path, words: Sequence[str] = ()) -> Path:
    """The marks and words added as repositories do, most of the marks not special."""
    tokenizer.add_special_tokens([END])
    tokenizer.add_tokens(
        [AddedToken(mark, special=False, normalized=n % 2 > 0) for n, mark in enumerate(MARKS)]
    )
    tokenizer.add_tokens([AddedToken(word, special=False) for word in words])
    tokenizer.save(str(path))
    return path


def byte_level(path: Path, inside: bool) -> Path:
    """As GPT-2 and most after it. inside: the marks are in the model's own vocabulary, and found whole."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = [mark for mark in MARKS for _ in range(50)] if inside else [TEXT]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    )
    return with_added(tokenizer, path, WORDS)


def sentencepiece(path: Path) -> Path:
    """As Llama: spaces become ▁, one is put before, and what has no piece is written in bytes."""
    vocabulary = {"<unk>": 0} | {f"<0x{byte:02X}>": 1 + byte for byte in range(256)}
    for piece in sorted({*"▁abcdefghijklmnopqrstuvwxyzTIR<>|/[]", "▁t", "</", "</s", "</s>", "▁th", "▁the"}):
        vocabulary.setdefault(piece, len(vocabulary))
    merges = [("▁", "t"), ("<", "/"), ("</", "s"), ("</s", ">"), ("▁t", "h"), ("▁th", "e")]
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return with_added(tokenizer, path)


def unigram(path: Path) -> Path:
    """As T5 or llm-jp: the marks and the names of bytes are pieces, and better ones than their letters."""
    pieces = [("<unk>", 0.0), *((f"<0x{byte:02X}>", 0.0) for byte in range(256))]
    pieces += [(mark, 0.0) for mark in MARKS if " " not in mark and "▁" not in mark]
    pieces += [(letter, -5.0) for letter in sorted({*TEXT.replace(" ", "▁"), "▁"})]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return with_added(tokenizer, path)


KINDS = {
    "byte_level": lambda path: byte_level(path, inside=False),
    "inside": lambda path: byte_level(path, inside=True),
    "sentencepiece": sentencepiece,
    "unigram": unigram,
}


@dataclass
class Kind:
    """name: of KINDS. plain: the file as it is; vocabulary: as we read it."""

    name: str
    plain: Tokenizer
    vocabulary: Vocabulary

    def marks_in(self, ids: Any) -> set[str]:
        """Names of the control marks among ids, by the file's own numbering."""
        numbers = {self.plain.token_to_id(mark): mark for mark in [*MARKS, END]}
        return {numbers[index] for index in map(int, ids) if index in numbers}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    path = KINDS[request.param](tmp_path_factory.mktemp("kind") / "tokenizer.json")
    return Kind(request.param, Tokenizer.from_file(str(path)), Vocabulary.load(path, END))


def test_the_file_as_it_is_makes_marks_out_of_text(kind: Kind) -> None:
    """Else the tests below would hold for a tokenizer that does nothing."""
    kind.plain.encode_special_tokens = True
    assert len(kind.marks_in(kind.plain.encode("a".join(MARKS)).ids)) > 5


def test_a_mark_in_a_text_is_letters(kind: Kind) -> None:
    """A page that names <|fim_prefix|> would teach the model that the mark stands in prose."""
    for mark in [*MARKS, END]:
        for text in (f"The tag {mark} is named.", mark, f"a{mark}b", f"{mark}{mark}"):
            ids = kind.vocabulary.encode_batch([text])[0]
            assert kind.marks_in(ids) == set()
            if "▁" not in text:  # which some kinds cannot tell from a space
                assert kind.vocabulary.decode(ids) == text


def test_any_text_comes_back_without_a_mark(kind: Kind) -> None:
    """Marks beside each other, cut short, one in another, beside spaces, Han and emoji."""
    rng = random.Random(7)
    pieces = [*MARKS, END, *WORDS, *TEXT.split(), " ", "<", ">", "|", "<0x41>", "<0x0A>", "𠀀", "\t"]
    pieces = [piece for piece in pieces if "▁" not in piece]
    for _ in range(500):
        chosen = [rng.choice(pieces) for _ in range(rng.randint(1, 12))]
        chosen = [piece[: rng.randint(1, len(piece))] if rng.random() < 0.2 else piece for piece in chosen]
        text = "x" + "".join(chosen)
        ids = kind.vocabulary.encode_batch([text])[0]
        assert kind.marks_in(ids) == set(), text
        assert kind.vocabulary.decode(ids) == text


def test_added_words_are_tokens_as_before(tmp_path: Path) -> None:
    """A vocabulary that was extended by the words of a domain would lose them."""
    path = byte_level(tmp_path / "tokenizer.json", inside=False)
    vocabulary, plain = Vocabulary.load(path, END), Tokenizer.from_file(str(path))
    for word in WORDS:
        assert plain.token_to_id(word) in vocabulary.encode_batch([f"a{word}b"])[0], word


def test_texts_without_marks_have_the_ids_of_the_file(kind: Kind) -> None:
    """What hides the marks must not touch the rest: other merges, another number."""
    ids = kind.vocabulary.encode_batch([TEXT * 3])[0].tolist()
    assert ids == kind.plain.encode(TEXT * 3, add_special_tokens=False).ids
    assert kind.vocabulary.size == kind.plain.get_vocab_size()
    assert kind.vocabulary.end_of_document == kind.plain.token_to_id(END)


def test_marks_of_another_writer_are_named(kind: Kind) -> None:
    """Ids from elsewhere, decoded to the name that a mark has in us only."""
    number = kind.plain.token_to_id("<tool_call>")
    assert kind.vocabulary.decode([number]).strip() == "<tool_call>"


def test_a_text_made_for_the_hidden_name_is_an_error(tmp_path: Path) -> None:
    """The one way left to a control id must not end in a part."""
    path = unigram(tmp_path / "tokenizer.json")
    vocabulary = Vocabulary.load(path, END)
    name = vocabulary._engine._tokenizer.id_to_token(vocabulary.end_of_document)  # type: ignore[attr-defined]
    assert name.startswith("\ufdd0")
    hidden = vocabulary._engine._tokenizer.id_to_token(  # type: ignore[attr-defined]
        Tokenizer.from_file(str(path)).token_to_id("<tool_call>")
    )
    with pytest.raises(ValueError, match="special token out of ordinary text"):
        vocabulary.encode_batch([hidden])


@pytest.mark.parametrize(
    ("name", "special", "is_mark"),
    [(mark, False, True) for mark in MARKS]
    + [(word, False, False) for word in WORDS]
    + [("EOD", True, True), ("EOD", False, False), ("<0x0A>", False, False), ("<unk>", True, False)],
)
def test_what_is_taken_for_a_mark(name: str, special: bool, is_mark: bool) -> None:
    """A byte's name must be found by the model, and the unknown token stands for text."""
    definition = {
        "model": {"type": "BPE", "vocab": {}, "merges": [], "unk_token": "<unk>"},
        "added_tokens": [{"content": name, "special": special}],
    }
    assert control_marks(json.loads(json.dumps(definition))) == ({name} if is_mark else set())
