from __future__ import annotations

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from services.inference.windows import piece_windows
from services.inference.windows import pieces as served_pieces
from trainer.bert.errors import JudgeError
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.windows import text_windows

TEXTS = [
    "the gull cries over the harbour, the harbour sleeps",
    "潮水退去，海鸥在海港上空盘旋",
    "x = tide[0]",
] * 8


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(TEXTS, 300)


def test_windows_are_those_that_are_served(vocabulary: Vocabulary) -> None:
    """Prevents a model from being trained and measured on other parts of a text than it is asked about."""
    draw = random.Random(0)
    words = ["gull", "harbour", "潮水", "海鸥盘旋", "tide[0]", "\n\n", "sleepssleepssleeps"]
    texts = [" ".join(draw.choices(words, k=draw.randint(0, 400))) for _ in range(200)] + ["", "a" * 5000]
    lengths = set()
    for size in (6, 30):
        served = [piece_windows(vocabulary.encode(served_pieces(text, size)), size) for text in texts]
        assert text_windows(vocabulary, texts, size) == served
        lengths |= {
            (len(windows), len(served_pieces(t, size))) for t, windows in zip(texts, served, strict=True)
        }
    assert lengths == {(1, 1), (2, 1), (2, 2)}


def test_a_vocabulary_knows_both_scripts_and_its_own_marks(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Prevents Han words from ending as one [UNK], and "[SEP]" in a text from ending the text."""
    unknown = vocabulary.tokenizer.token_to_id("[UNK]")
    (han, latin, mark) = vocabulary.encode(["海鸥在海港", "The GULL", "gull [SEP] gull"])
    assert len(han) == 5
    assert unknown not in han + latin
    assert vocabulary.sep not in mark
    path = tmp_path / "tokenizer.json"
    path.write_text(vocabulary.to_json())
    again = Vocabulary.load(tmp_path)
    assert again.encode(TEXTS) == vocabulary.encode(TEXTS)
    assert again.to_json() == vocabulary.to_json()
    assert (again.pad, again.cls, again.sep, again.mask) == (0, 2, 3, 4)


def test_what_is_no_tokenizer_of_the_family_is_refused(tmp_path: Path) -> None:
    """Prevents a wrong tokenizer from being found out by the first batch, or never."""
    with pytest.raises(JudgeError, match=r"tokenizer.json is missing"):
        Vocabulary.load(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(JudgeError, match="is no tokenizer"):
        Vocabulary.load(path)
    path.write_text(Tokenizer(models.BPE()).to_str())
    with pytest.raises(JudgeError, match=r"no token \[PAD\] or <pad>, \[CLS\] or <s>"):
        Vocabulary.load(path)
