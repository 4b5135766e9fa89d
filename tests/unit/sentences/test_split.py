"""A text in sentences: zh, en and both in one, what is no end, what is no sentence, and hostile ones."""

from __future__ import annotations

import time

import pytest

from services.sentences.split import pieces

HOSTILE = (
    ".",
    "。",
    "a. ",
    '("',
    '." ',
    " ",
    "\n",
    "a.b.",
    "```\n",
    "x",
    "1. ",
    "#",
    "> ",
    "！\n",
    "\ud800.",
)


def split(text: str, *, markdown: bool = False) -> list[str]:
    return [text[piece.start : piece.end] for piece in pieces(text, markdown=markdown)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("潮水一天涨落两次。“真的吗？”他问。是！", ["潮水一天涨落两次。", "“真的吗？”", "他问。", "是！"]),
        ("见3.14版!好的?走。", ["见3.14版!", "好的?", "走。"]),
        ('The tide turns. So! "Why?" she asked.', ["The tide turns. ", "So! ", '"Why?" she asked.']),
        ("Dr. Ray met J. R. Low at 9 a.m. in the U.S. Senate. He left.", None),
        ("See fig. 3, vol. 2, e.g. pp. 4 ff. and no. 7, at example.org/a.b for 3.14 more. Done.", None),
        ("The tide rises.潮水涨。 It falls. 又落。", ["The tide rises.潮水涨。 ", "It falls. ", "又落。"]),
        ("1. First point. Second point.", ["1. First point. ", "Second point."]),
        ("Well... It was late.", ["Well... ", "It was late."]),
        ("Home\n\n  \nAbout us\r\n", ["Home\n", "About us\r\n"]),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str] | None) -> None:
    found = split(text)
    assert len(found) == 2 if sentences is None else found == sentences
    assert "".join(found) == "".join(text.replace("\n\n  \n", "\n"))


def test_pieces_say_whether_they_are_lines() -> None:
    assert [piece.whole for piece in pieces("One. Two.\nThree\n")] == [False, False, True]


def test_code_and_tables_have_no_pieces() -> None:
    text = "Before.\n```c\nint a; // The end. Really.\n~~~\n```\n| a row. | of it. |\n    x = 1\nBehind.\n"
    assert split(text, markdown=True) == ["Before.\n", "Behind.\n"]
    assert "    x = 1\n" in split(text)  # in prose a paragraph begins so
    assert split("Before.\n```\nnever closed. At all.\n") == ["Before.\n"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear(unit: str) -> None:
    """Prevents: a page of full stops that keeps a process for minutes. Four times the text: some four."""
    took = []
    for size in (40_000, 160_000):
        text = unit * (size // len(unit))
        begun = time.process_time()
        assert sum(piece.end - piece.start for piece in pieces(text)) <= len(text)
        took.append(time.process_time() - begun)
    assert took[1] < 12 * max(took[0], 0.01)
