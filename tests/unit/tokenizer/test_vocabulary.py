"""Vocabulary: nothing of a text is lost, whatever it holds; bad files end in a clear error."""

from __future__ import annotations

import random
import sys
import time
import unicodedata

import numpy as np
import pytest

from services.runtime import ConfigurationError
from services.tokenizer import END_OF_DOCUMENT, Vocabulary, swift
from services.tokenizer.huggingface import to_huggingface
from services.tokenizer.ranks import format_ranks, parse_ranks
from services.tokenizer.vocabulary import DEFAULT

BYTES = {bytes([byte]): byte + 1 for byte in range(256)}
SAMPLES = {
    "zh": "清晨的河面上飘着薄雾，渔船慢慢靠岸，人们开始一天的工作。繁體字也要能夠處理：數據、學習與訓練。",
    "en": "The river carries every document to the sea; it doesn't lose one, and it keeps no secrets.",
    "code": "def flow(items: list[str]):\n    if not items:\n        return 0\n\n    return sum(items)\n",
    "mixed": "模型model_v2在GPU上跑了1234567步，loss=0.25。\r\n\t下一步：resume(step=100)\n",
    "other": "नमस्ते दुनिया, привет мир, 안녕하세요, こんにちは世界, مرحبا, ไทย, e\u0301tude",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 ok 👍🏽",
    "control": "a\0b\x01\x0b\x0c\x1c\x85\u2028\u2029\ufeff\u200b\u3000 \t\t \r\n\n\n  x",
    "empty": "",
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """That stays with its plain encoder, however much is encoded here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.tokenizer.ranks._MANY", sys.maxsize)
        return Vocabulary.load()


@pytest.fixture(scope="module")
def ranks() -> dict[bytes, int]:
    """Of all tokens but the one that no text has."""
    found = parse_ranks(DEFAULT.read_bytes())
    del found[END_OF_DOCUMENT.encode()]
    return found


@pytest.fixture(scope="module")
def swiftly(vocabulary: Vocabulary, ranks: dict[bytes, int]) -> swift.Encode:
    made = swift.load(ranks, vocabulary.end_of_document, lambda text: vocabulary.encode_batch([text])[0])
    assert made is not None
    return made


def decoded(vocabulary: Vocabulary, text: str) -> bytes:
    return vocabulary.decode_bytes(vocabulary.encode_batch([text])[0])


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_comes_back_byte_for_byte(vocabulary: Vocabulary, name: str) -> None:
    """A part whose tokens do not decode to its documents."""
    ids = vocabulary.encode_batch([SAMPLES[name]])[0]
    assert ids.dtype == np.uint32
    assert vocabulary.decode(ids) == SAMPLES[name]


def test_random_unicode_comes_back_byte_for_byte(vocabulary: Vocabulary) -> None:
    """A character that no branch of the pattern takes is dropped by the engine without a word."""
    chance = random.Random(11)
    alphabets = ["ab \n\t", "中文，。 ", "a1_.é\u0301", "\r\n \t", "0１Ⅷ〇々"]
    for _ in range(2000):
        if chance.random() < 0.5:
            text = "".join(chance.choices(chance.choice(alphabets), k=chance.randint(1, 40)))
        else:
            points = (chance.randrange(sys.maxunicode + 1) for _ in range(chance.randint(1, 40)))
            text = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        assert decoded(vocabulary, text) == text.encode()


def test_every_character_comes_back(vocabulary: Vocabulary) -> None:
    """As above, for each code point that is assigned: in a row, and between letters."""
    points = [chr(p) for p in range(sys.maxunicode + 1) if unicodedata.category(chr(p)) not in ("Cs", "Cn")]
    assert len(points) > 200_000
    for text in ("".join(points), "a".join(points), "中".join(points[:50_000])):
        assert decoded(vocabulary, text) == text.encode()


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "中", "我们的", "ab", "=", "1", "\0", "あ", "e\u0301", " \n\t", "👍", "the"]
)
def test_long_run_is_not_quadratic(vocabulary: Vocabulary, unit: str) -> None:
    """One document of a single endless piece that holds its partition for minutes."""
    small, large = unit * (125_000 // len(unit.encode())), unit * (1_000_000 // len(unit.encode()))
    assert decoded(vocabulary, large) == large.encode()
    spent = {}
    for text in (small, large):
        before = time.process_time()
        vocabulary.encode_batch([text])
        spent[text] = time.process_time() - before
    # Eight times the text: O(n log n) takes some 10 times as long, O(n²) 64 times.
    assert spent[large] < max(30 * spent[small], 0.15)
    assert spent[large] < 3


def test_surrogates_are_mended(vocabulary: Vocabulary) -> None:
    """A UnicodeEncodeError for a str that came out of JSON with half a character in it."""
    assert decoded(vocabulary, "a\ud800b").decode() == "a\ufffdb"
    assert decoded(vocabulary, "\ud83d\udc4d").decode() == "👍"


def test_name_of_a_special_token_is_ordinary_text(vocabulary: Vocabulary) -> None:
    """A web page about tokenizers that ends its document in the middle."""
    text = f"write {END_OF_DOCUMENT} here{END_OF_DOCUMENT}"
    ids = vocabulary.encode_batch([text])[0]
    assert vocabulary.end_of_document not in ids
    assert vocabulary.decode(ids) == text


def test_end_of_document_decodes_to_nothing(vocabulary: Vocabulary) -> None:
    """A decoded document that carries the separator or the padding."""
    ids = [*vocabulary.encode_batch(["河 river"])[0].tolist(), vocabulary.end_of_document]
    assert vocabulary.decode(ids) == "河 river"


def test_half_a_character_decodes_to_a_replacement(vocabulary: Vocabulary) -> None:
    """A crash on a document that was split between two parts."""
    ranks = parse_ranks(DEFAULT.read_bytes())
    half = [ranks[b"\xe4"], ranks[b"\xb8"]]
    assert vocabulary.decode_bytes(half) == b"\xe4\xb8"
    assert vocabulary.decode(half) == "\ufffd"


@pytest.mark.parametrize("index", [60_000, 2**32 - 1])
def test_unknown_id_says_wrong_vocabulary(vocabulary: Vocabulary, index: int) -> None:
    """Garbage or a bare KeyError when a part is decoded with another vocabulary."""
    with pytest.raises(ValueError, match="decode with the one that encoded it"):
        vocabulary.decode([index])


def test_default_fits_a_uint16_and_pads_with_its_end_of_document(vocabulary: Vocabulary) -> None:
    """Parts of four bytes a token; a sink whose padding id 0 means a word."""
    assert vocabulary.end_of_document == 0
    assert 30_000 < vocabulary.size < 65_536
    assert DEFAULT.stat().st_size < 1_000_000


def test_default_compresses_each_language(vocabulary: Vocabulary) -> None:
    """A default trained without one of the three: bytes a token would fall to 1 or 2 there."""
    for name in ("zh", "en", "code"):
        size = len(SAMPLES[name].encode()) / len(vocabulary.encode_batch([SAMPLES[name]])[0])
        assert size > 3, name


def test_same_ids_as_huggingface_with_the_same_ranks(vocabulary: Vocabulary) -> None:
    """An engine that merges in another order than the vocabulary says; an independent second opinion."""
    other = to_huggingface(parse_ranks(DEFAULT.read_bytes()), END_OF_DOCUMENT)
    for text in SAMPLES.values():
        ids = vocabulary.encode_batch([text])[0].tolist()
        assert ids == other.encode(text, add_special_tokens=False).ids
        assert other.decode(ids) == text


def test_digest_names_the_vocabulary_and_its_end_of_document(tmp_path) -> None:
    """Parts of two vocabularies taken for one."""
    small, extended = tmp_path / "small", tmp_path / "extended"
    small.write_bytes(format_ranks(BYTES))
    extended.write_bytes(format_ranks(BYTES | {b"ab": 300}))
    digests = {Vocabulary.load(path).digest for path in (small, extended)}
    digests.add(Vocabulary.load(small, "<end>").digest)
    assert len(digests) == 3
    assert Vocabulary.load(small).digest in digests
    assert Vocabulary.load().digest == Vocabulary.load(DEFAULT).digest


def test_end_of_document_takes_its_own_or_the_lowest_free_id(tmp_path) -> None:
    """A word that decodes as the separator because both have one id."""
    path = tmp_path / "ranks"
    path.write_bytes(format_ranks({token: rank - 1 for token, rank in BYTES.items()}))
    assert Vocabulary.load(path).end_of_document == 256
    path.write_bytes(format_ranks(BYTES | {b"<end>": 999}))
    assert Vocabulary.load(path, "<end>").end_of_document == 999
    assert Vocabulary.load(path, "<end>").size == 1000


def test_saved_vocabulary_is_the_same(tmp_path, vocabulary: Vocabulary) -> None:
    """A trained vocabulary that differs from the one in the file."""
    vocabulary.save(tmp_path / "copy.tiktoken")
    assert Vocabulary.load(tmp_path / "copy.tiktoken").digest == vocabulary.digest


LAST = format_ranks(BYTES).splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "256 of the 256 single bytes"),
        (b"not a vocabulary\n", "line 1"),
        (b"\x00\xff\xfe binary", "line 1"),
        (format_ranks(BYTES) + b"!!!! 300\n", "line 257"),
        (format_ranks(BYTES) + b"YWI= many\n", "line 257"),
        (format_ranks(BYTES) + b"YWI= -1\n", "line 257"),
        (format_ranks(BYTES) + b"YWI= 4294967296\n", "line 257"),
        (format_ranks(BYTES) + LAST, "line 257"),
        (format_ranks(BYTES) + b"YWI= 256\n", "same rank"),
        (format_ranks(BYTES)[: -len(LAST)], "0xff"),
        (b'{"model": ', "tokenizer.json"),
        (b'{"version": "1.0"}', "tokenizer.json"),
        (b'{"added_tokens": 3}', "tokenizer.json"),
    ],
)
def test_bad_file_says_what_is_wrong_and_what_to_do(tmp_path, content: bytes, says: str) -> None:
    """A panic of the engine, or token ids out of a file that was cut off."""
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)
    assert "leave both out for the default" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.tiktoken", "."])
def test_absent_file_says_what_to_do(tmp_path, name: str) -> None:
    """A bare FileNotFoundError out of a service."""
    with pytest.raises(ConfigurationError, match="leave both out for the default"):
        Vocabulary.load(tmp_path / name)


def test_the_swift_encoder_gives_the_same_ids(vocabulary: Vocabulary, swiftly: swift.Encode) -> None:
    """Parts whose ids depend on how much a process had encoded before."""
    ranks = parse_ranks(DEFAULT.read_bytes())
    chance = random.Random(3)
    words = [token for token in ranks if token.isalpha() or token[0] >= 0xC3]
    texts = [*SAMPLES.values(), *(sample * 300 for sample in SAMPLES.values()), f"a{END_OF_DOCUMENT}b"]
    texts += [b"".join(chance.choices(words, k=30)).decode(errors="ignore") for _ in range(1000)]
    texts += ["".join(map(chr, chance.choices(range(0x20, 0xD800), k=300))) for _ in range(300)]
    for text, ids in zip(texts, vocabulary.encode_batch(texts), strict=True):
        assert swiftly(text).tolist() == ids.tolist(), text[:100]
        assert ids.dtype == swiftly(text).dtype


@pytest.mark.parametrize("unit", ["a", "中", "=", " \n\t"])
def test_long_run_is_not_quadratic_in_the_swift_encoder(swiftly: swift.Encode, unit: str) -> None:
    """As above."""
    spent = []
    for num_bytes in (125_000, 1_000_000):
        before = time.process_time()
        swiftly(unit * (num_bytes // len(unit.encode())))
        spent.append(time.process_time() - before)
    assert spent[1] < max(30 * spent[0], 0.15)


def test_after_much_text_the_swift_encoder_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A river that goes on with the slow one; half a character, which that one mended by itself."""
    monkeypatch.setattr("services.tokenizer.ranks._MANY", 1000)
    calls = []
    load = swift.load
    monkeypatch.setattr(swift, "load", lambda *given: calls.append(1) or load(*given))
    busy = Vocabulary.load()
    texts = ["a\ud800b", SAMPLES["zh"]]
    before = busy.encode_batch(texts)
    assert not calls
    busy.encode_batch([SAMPLES["en"] * 20])
    assert calls == [1]
    for old, new in zip(before, busy.encode_batch(texts), strict=True):
        assert old.tolist() == new.tolist()


@pytest.mark.parametrize(
    "ranks",
    [
        BYTES | {b"ab": 300},  # ids left out
        BYTES | {b"abc": 257},  # a token that no two others make
    ],
)
def test_ranks_that_the_swift_encoder_cannot_take(
    ranks: dict[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies of a vocabulary once it has encoded some megabytes by it."""
    monkeypatch.setattr("services.tokenizer.ranks._MANY", 1)
    vocabulary = Vocabulary(format_ranks(ranks))
    assert decoded(vocabulary, "abcab中") == "abcab中".encode()
    assert swift.load(ranks, 0, lambda text: vocabulary.encode_batch([text])[0]) is None


def test_an_encoder_that_gives_other_ids_is_not_taken(
    vocabulary: Vocabulary, ranks: dict[bytes, int]
) -> None:
    """Ids that change in the middle of a run: one that does not agree is left alone."""
    assert swift.load(ranks, vocabulary.end_of_document, lambda text: np.array([1], dtype=np.uint32)) is None
