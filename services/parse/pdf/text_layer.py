"""The text layer of a page as runs of text and their places, upright whatever way they are turned.

PDFium is asked for the text of the page in one call and for the boxes of the first and the last character
of each word: asking for every character would cost as much as loading the page.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.characters import Characters
from services.parse.pdf.line import HAN, HYPHEN, Line
from services.parse.pdf.turned import upright, within

# PDFium marks a hyphen at a line's end and adds no line end. Leaders are one word, though they are set apart.
_WORD = re.compile("(?:[.·…] ?){6,}(?<! )|[^\\s\x00\x02\ufffe]+[\x02\ufffe]?|[\x02\ufffe]")
_HYPHENS = "\x02\ufffe"
_LEADERS = ("..", ". .", "·", "…")  # only where one of them is, there may be leaders
_BLANK = np.zeros(sys.maxunicode + 1, np.bool_)  # by the code point, whether it is of no word
_BLANK[[code for code in range(0x3001) if not code or chr(code).isspace()]] = True
# A figure before a comma or a bracket, with which its word ends, or between the signs of chemical elements.
_CLOSED_FIGURE = re.compile("\\d(?:[.,;:!?)\\]}'\"”’]+(?=[\\s\x00]|$)|(?<=[A-Za-z)]\\d)(?=[A-Z(]))")
_HAN = re.compile(f"[{HAN}]")
_IS_HAN = np.zeros(sys.maxunicode + 1, np.bool_)  # by the code point
for _first, _last in zip(HAN[::3], HAN[2::3], strict=True):
    _IS_HAN[ord(_first) : ord(_last) + 1] = True
_ALEF_LAM = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
_UNMAPPED = "\x00"
_LIKELY = frozenset("etaoinshrl")  # two thirds of the letters of English, and most of other Latin text
_ENOUGH = 20  # letters, to tell whether they read like a language
_RUN_GAP = 0.5  # of the font's height: a wider gap may be one between columns or cells
_HAN_GAP = 0.35  # PDFium writes a space where justified Han characters stand apart by less
_FARTHEST = 1e5  # points; a page has at most 14,400
_SAME_BASE = 0.1
_SAME_HEIGHT = 0.12

_line = partial(tuple.__new__, Line)  # in half the time of Line._make

_Span = tuple[int, int]  # first character of a word and the one after its last


@dataclass(frozen=True, slots=True)
class TextLayer:
    """Runs of text of a page: those of the direction in which most is written, and turned ones.

    Either are in the order of the page's content and in a frame in which they are upright. total: characters
    that are no white space. readable: of them, those that are neither private, unassigned or control
    characters nor of a font without a map to Unicode, which are left out of the runs. upright: the runs are
    not turned, and their places are those of the page's objects.
    """

    runs: list[Line]
    turned: list[list[Line]]
    readable: float
    total: int
    upright: bool = True


def text_layer(text: Any) -> TextLayer:
    """Text layer of a page's text, as text_of opened it."""
    return _Reader(text.raw).layer()


def text_of(page: Any) -> Any:
    """The text (pypdfium2.PdfTextPage) of a pypdfium2.PdfPage. Raises pypdfium2.PdfiumError where PDFium
    cannot load it.

    PDFium upsets the order of lines of a page that is displayed turned, so it is turned back meanwhile.
    """
    rotation = page.get_rotation()
    if rotation:
        page.set_rotation(0)
    try:
        return page.get_textpage()
    finally:
        if rotation:
            page.set_rotation(rotation)


class _Reader:
    """Reads one text page of PDFium."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._characters = Characters(raw)
        self._text = self._read()

    def layer(self) -> TextLayer:
        """All runs; PDFium is asked of each character whether it is mapped only where one is not."""
        written = _unspaced(self._text)
        total = len(written)
        runs, unmapped = self._runs()
        if unmapped and (text := self._without_unmapped()) != self._text:
            self._text = text
            written = _unspaced(text)
            runs, _ = self._runs()
        readable = _readable(written)
        if not runs:
            return TextLayer([], [], readable, total)
        main = max(runs, key=lambda turn: sum(len(run.text) for run in runs[turn]) if len(runs) > 1 else 0)
        others = [within(runs[turn], turn, runs[main], main) for turn in sorted(runs) if turn != main]
        return TextLayer(runs[main], [lines for lines in others if lines], readable, total, main == 0)

    def _read(self) -> str:
        """One character for each of PDFium's, so that positions are the same."""
        import pypdfium2.raw as api

        count = max(0, api.FPDFText_CountChars(self._raw))
        buffer = np.empty(count + 1, np.uint16)
        place = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_ushort))
        length = api.FPDFText_GetText(self._raw, 0, count, place) if count else 0
        text = buffer[: max(0, length - 1)].tobytes().decode("utf-16-le", "replace")
        if len(text) != count or "\x00" in text:
            codes = self._characters.codes(range(count))
            text = "".join(chr(code) if 0 < code < 0x110000 else "\ufffd" for code in codes)
        return text if text.isascii() else self._with_ligatures(text)

    def _with_ligatures(self, text: str) -> str:
        """Lam and alef in their order. Fonts have one glyph for both, whose two letters PDFium turns round
        with the rest of a word; there is none for alef and lam, so two letters at one place are that.
        """
        found = [pair.start() for pair in _ALEF_LAM.finditer(text)]
        if not found:
            return text
        boxes = self._boxes([at for start in found for at in (start, start + 1)]).reshape(-1, 2, 4)
        characters = list(text)
        for start in compress(found, (boxes[:, 0] == boxes[:, 1]).all(1)):
            characters[start : start + 2] = characters[start + 1], characters[start]
        return "".join(characters)

    def _without_unmapped(self) -> str:
        """The text with NUL for characters of fonts without a map to Unicode, of which PDFium gives codes.

        Codes of a font that has no other encoding than ASCII are letters all the same; they read like a
        language, and are kept.
        """
        written = np.flatnonzero(~_BLANK[_codes(self._text)]).tolist()
        unmapped = list(compress(written, self._characters.unmapped(written)))
        letters = [self._text[index] for index in unmapped if self._text[index].isalpha()]
        if len(letters) >= _ENOUGH and sum(each in _LIKELY for each in letters) > 0.5 * len(letters):
            return self._text
        characters = list(self._text)
        for index in unmapped:
            characters[index] = _UNMAPPED
        return "".join(characters)

    def _runs(self) -> tuple[dict[int, list[Line]], bool]:
        """Runs by the quarters that they are turned, and whether one starts with an unmapped character.

        A run is words of one line of PDFium's that follow each other on one base, in one size, without a gap.
        """
        words = _words(self._text)
        if not len(words):
            return {}, False
        places, boxes = self._parted(words)
        begins = self._begins(places)
        angles = self._characters.angles(places[begins, 0].tolist())
        turns = np.array([round(angle / (math.pi / 2)) % 4 for angle in angles])[np.cumsum(begins) - 1]
        boxes = upright(boxes, turns[:, None])
        left, right = boxes[:, 0, 0], boxes[:, 1, 2]
        height = boxes[:, 0, 3] - boxes[:, 0, 1]
        base = self._bases(places[:, 0], boxes[:, 0], turns, begins)
        gap = left - _before(right)
        gap[0] = 0.0
        apart = (
            begins
            | (np.abs(base - _before(base)) > _SAME_BASE * height)
            | (np.abs(height - _before(height)) > _SAME_HEIGHT * height)
            | (np.abs(gap) > _RUN_GAP * height)
        )
        firsts = np.flatnonzero(apart)
        lasts = np.append(firsts[1:], len(places)) - 1
        # From right to left the first character is the right one.
        x0 = np.minimum(left[firsts], boxes[lasts, 1, 0])
        x1 = np.maximum(boxes[firsts, 0, 2], right[lasts])
        lines = zip(
            self._texts(places, firsts, lasts, gap < _HAN_GAP * height),
            x0.tolist(),
            x1.tolist(),
            base[firsts].tolist(),
            height[firsts].tolist(),
            firsts.tolist(),
            strict=True,
        )
        found = list(map(_line, lines))
        of_turns = turns[firsts]
        by_turn = {turn: list(compress(found, of_turns == turn)) for turn in set(of_turns.tolist())}
        return by_turn, any(self._characters.unmapped(places[firsts, 0].tolist()))

    def _texts(
        self,
        places: NDArray[np.int64],
        firsts: NDArray[np.int64],
        lasts: NDArray[np.int64],
        near: NDArray[np.bool_],
    ) -> list[str]:
        """Texts of runs from their first to their last word. near: of each word, to the one before it."""
        page = self._text
        starts, ends = places[firsts, 0], places[lasts, 1]
        texts = [page[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        codes = _codes(page)
        odd = _BLANK[codes]
        odd[1:] &= (codes[1:] != ord(" ")) | odd[:-1]
        seen = np.cumsum(odd)
        for index in np.flatnonzero(seen[starts] != seen[ends - 1]).tolist():
            texts[index] = " ".join(texts[index].split()).replace(_UNMAPPED, "")
        if not page.isascii() and _HAN.search(page):
            close = near.copy()
            close[firsts] = False
            close[1:] &= _IS_HAN[codes[places[1:, 0]]] & _IS_HAN[codes[places[:-1, 1] - 1]]
            for index in np.unique(np.searchsorted(firsts, np.flatnonzero(close), "right") - 1).tolist():
                run = slice(firsts[index], lasts[index] + 1)
                texts[index] = self._closed_up(places[run].tolist(), close[run].tolist())
        if any(hyphen in page for hyphen in _HYPHENS):
            texts = [text[:-1] + HYPHEN if text[-1] in _HYPHENS else text for text in texts]
        return texts

    def _closed_up(self, spans: Sequence[_Span], close: Sequence[bool]) -> str:
        """The text of a run without the spaces between Han characters that only stand apart."""
        text = ""
        for (_, before), (start, end), closed in zip([(0, 0), *spans], spans, close, strict=False):
            text += ("" if closed or before in (0, start) else " ") + self._text[start:end]
        return text

    def _begins(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each word, whether it begins a line: PDFium writes a line's end, or a hyphen, before it."""
        text = _codes(self._text)
        ends, starts = places[:-1, 1], places[1:, 0]
        found = np.ones(len(places), np.bool_)
        seen = np.cumsum((text == ord("\r")) | (text == ord("\n")))
        last = text[ends - 1]
        found[1:] = (seen[starts] > seen[ends - 1]) | (last == ord("\x02")) | (last == ord("\ufffe"))
        found[1:] &= (starts - ends != 1) | (text[ends] != ord(" "))
        return found

    def _word_boxes(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Boxes of the first and last character of words: [word, 2, (left, bottom, right, top)], points."""
        return self._boxes((places - (0, 1)).ravel().tolist()).reshape(-1, 2, 4)

    def _boxes(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Boxes of characters: [character, (left, bottom, right, top)], points."""
        return _bounded(self._characters.boxes(numbers))

    def _bases(
        self,
        starts: NDArray[np.int64],
        boxes: NDArray[np.float64],
        turns: NDArray[np.int64],
        begins: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Of each word; PDFium is asked where it may differ from that of the word before."""
        asked = begins.copy()
        asked[1:] |= (boxes[1:, 1] != boxes[:-1, 1]) | (boxes[1:, 3] != boxes[:-1, 3])
        origins = self._characters.origins(starts[asked].tolist())
        bases: NDArray[np.float64] = upright(_bounded(origins[:, [0, 1, 0, 1]]), turns[asked])[
            np.cumsum(asked) - 1, 1
        ]
        return bases

    def _parted(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Words and their boxes; what begins and ends in different sizes (10 with a raised 6) in parts."""
        boxes = self._word_boxes(places)
        sizes = boxes[:, :, 3] - boxes[:, :, 1]
        odd = _differ(sizes[:, 0], sizes[:, 1])
        closed = [figure.start() for figure in _CLOSED_FIGURE.finditer(self._text)]
        if closed:
            words = np.searchsorted(places[:, 0], closed, "right") - 1
            figures = self._boxes(closed)
            odd[words] |= _differ(sizes[words, 0], figures[:, 3] - figures[:, 1])
        indices = np.flatnonzero(odd).tolist()
        parts = self._parts(dict(zip(indices, places[odd].tolist(), strict=True)))
        if not parts:
            return places, boxes
        counts = np.ones(len(places), np.int64)
        counts[list(parts)] = list(map(len, parts.values()))
        of_parts = np.repeat(np.arange(len(places)), counts)
        new = counts[of_parts] > 1
        places, boxes = places[of_parts], boxes[of_parts]
        places[new] = list(chain.from_iterable(parts.values()))
        boxes[new] = self._word_boxes(places[new])
        return places, boxes

    def _parts(self, words: Mapping[int, _Span]) -> dict[int, list[_Span]]:
        """Words cut where the size of their characters changes; those that have no such place left out."""
        if not words:
            return {}
        boxes = self._boxes([at for span in words.values() for at in range(*span)])
        sizes = boxes[:, 3] - boxes[:, 1]
        changes = _differ(sizes[:-1], sizes[1:]).tolist()
        parts: dict[int, list[_Span]] = {}
        seen = 0
        for index, (start, end) in words.items():
            cuts = [at for at in range(start + 1, end) if changes[seen + at - start - 1]]
            seen += end - start
            if cuts:
                parts[index] = list(pairwise([start, *cuts, end]))
        return parts


def _words(text: str) -> NDArray[np.int64]:
    """Where words begin and end: [word, (first character, the one after its last)]."""
    if any(leader in text for leader in _LEADERS):
        spans = list(map(re.Match.span, _WORD.finditer(text)))
        return np.array(spans, np.int64).reshape(-1, 2)
    codes = _codes(text)
    written = np.zeros(len(codes) + 2, np.bool_)
    written[1:-1] = ~_BLANK[codes]
    cut = np.zeros(len(codes) + 1, np.bool_)
    for hyphen in _HYPHENS:
        if hyphen in text:
            cut[1:] |= codes == ord(hyphen)
    begins = written[1:] & (cut | ~written[:-1])
    ends = written[:-1] & (cut | ~written[1:])
    return np.stack([np.flatnonzero(begins), np.flatnonzero(ends)], axis=-1)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _unspaced(text: str) -> str:
    return "".join(text.split())


def _bounded(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places on any page; a damaged file has some that are none."""
    if (np.abs(places) <= _FARTHEST).all():
        return places
    return np.clip(np.nan_to_num(places), -_FARTHEST, _FARTHEST)


def _before(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each the one before it; of the first, itself."""
    return np.concatenate((values[:1], values[:-1]))


def _differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(a - b) > _SAME_HEIGHT * np.maximum(a, b)


def _readable(characters: str) -> int:
    plain = characters
    for hyphen in _HYPHENS:
        plain = plain.replace(hyphen, "")
    if plain.isprintable() and "\ufffd" not in plain:
        return len(characters)
    odd = [character for character in set(characters) if not _is_readable(character)]
    return len(characters) - sum(map(characters.count, odd))


def _is_readable(character: str) -> bool:
    """Not a private, unassigned, surrogate, control or replacement character; PDFium's hyphen is one."""
    if character in _HYPHENS:
        return True
    if character.isascii() or character.isalnum():
        return character.isprintable()
    return character != "\ufffd" and unicodedata.category(character) not in {"Co", "Cn", "Cs", "Cc"}
