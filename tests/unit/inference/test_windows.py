"""Windows of long texts: which tokens are judged."""

from __future__ import annotations

import pytest

from services.inference.windows import BYTES_PER_TOKEN, piece_windows, pieces, windows


@pytest.mark.parametrize("length", [0, 1, 9, 10])
def test_a_short_text_is_one_window(length: int) -> None:
    """An empty text has one too, or its row would be missing."""
    assert windows(range(length), 10) == [list(range(length))]


def test_head_middle_and_tail() -> None:
    """A long text is judged at its ends, and between them where three are wanted."""
    assert windows(range(100), 10) == [list(range(10)), list(range(90, 100))]
    head, middle, tail = windows(range(100), 10, 3)
    assert head == list(range(10))
    assert middle == list(range(45, 55))
    assert tail == list(range(90, 100))


@pytest.mark.parametrize("length", range(11, 31))
def test_no_token_is_left_out_while_there_is_room(length: int) -> None:
    """No more windows than it takes, all of them full."""
    found = windows(range(length), 10, 3)
    assert {token for window in found for token in window} == set(range(length))
    assert len(found) == (2 if length <= 20 else 3)
    assert all(len(window) == 10 for window in found)


@pytest.mark.parametrize(("most", "starts"), [(1, [0]), (2, [0, 90]), (4, [0, 30, 60, 90])])
def test_as_many_windows_as_are_allowed(most: int, starts: list[int]) -> None:
    """One is the head."""
    assert [window[0] for window in windows(range(100), 10, most)] == starts


def test_a_text_is_cut_only_where_it_is_far_too_long() -> None:
    """Tokens at the cuts are torn, so no text is cut whose tokens may all be needed."""
    length = 10 * BYTES_PER_TOKEN
    whole = "".join(chr(0x4E00 + number) for number in range(length))  # of three bytes each
    assert pieces(whole, 10, 3) == [whole]
    head, middle, tail = pieces(whole + "end", 10, 3)
    assert whole.startswith(head)
    assert tail.endswith("end")
    assert middle in whole
    assert all(length - 4 <= len(each.encode()) <= length for each in (head, middle, tail))
    assert pieces("", 10) == [""]
    assert pieces(whole + "end", 10, 1) == [head]


def test_chinese_is_cut_where_english_with_as_many_tokens_is() -> None:
    """Prevents the half of a Chinese text that no window shows from being tokenised: it has a third of the
    characters of an English one, and as many tokens.
    """
    chinese, english = "海" * 3000, "sea " * 3000
    assert [len(piece) for piece in pieces(chinese, 100)] == [200, 200]
    assert [len(piece) for piece in pieces(english, 100)] == [600, 600]


def test_windows_of_pieces_lie_where_those_of_the_whole_would() -> None:
    """Of the head's piece its beginning, of the middle's its middle, of the tail's its end."""
    parts = [range(100), range(200, 300), range(400, 500)]
    head, middle, tail = piece_windows(parts, 10, 3)
    assert (head[0], middle[0], tail[0]) == (0, 245, 490)
    assert piece_windows([range(100)], 10) == windows(range(100), 10)
    assert piece_windows([[], [1], list(range(30))], 10, 3) == [[], [1], list(range(20, 30))]
