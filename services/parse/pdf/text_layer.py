"""The text layer of a page as runs of text and their places, upright whatever way they are turned.

PDFium is asked for the text of the page in one call and for the boxes of the first and the last character
of each word: asking for every character would cost as much as loading the page. Some pages are read at once:
of a single one, numpy takes longer to begin than to end.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress, pairwise, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.characters import Characters, Ints
from services.parse.pdf.line import HAN, HYPHEN, Line
from services.parse.pdf.overprint import drawn_again, is_doubled
from services.parse.pdf.tables import Table
from services.parse.pdf.turned import leaning, straightened, upright, within
from services.parse.pdf.words import BLANK, HYPHENS, begin_a_line, codes_of, words_of

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
    not turned, and their places are those of the page's objects. tables: by the runs that stand for them.
    """

    runs: list[Line]
    turned: list[list[Line]]
    readable: float
    total: int
    upright: bool = True
    tables: Mapping[Line, Table] = field(default_factory=dict)


def text_layers(texts: Sequence[Any]) -> list[TextLayer]:
    """Text layers of pages' texts, as text_of opened them."""
    return _Reader([text.raw for text in texts]).layers() if texts else []


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
    """Reads text pages of PDFium, whose texts stand one after the other with a line's end behind each."""

    def __init__(self, pages: Sequence[Any], texts: Sequence[str] | None = None) -> None:
        """texts: of the pages; else PDFium's."""
        self._pages = pages
        self._characters = Characters(pages)
        self._starts = self._characters.starts
        self._texts = [self._read(page) for page in range(len(pages))] if texts is None else texts
        self._text = "\n".join([*self._texts, ""])
        self._codes = codes_of(self._text)

    def layers(self) -> list[TextLayer]:
        """Of each page; PDFium is asked of each character whether it is mapped only where one is not."""
        found, unmapped = self._runs()
        layers = []
        for page, written in enumerate(self._texts):
            text, runs = written, found[page]
            if unmapped[page] and (text := self._without_unmapped(page)) != written:
                [runs], _ = _Reader([self._pages[page]], [text])._runs()
            layers.append(_layer(runs, _unspaced(written), _unspaced(text)))
        return layers

    def _read(self, page: int) -> str:
        """One character for each of PDFium's, so that positions are the same."""
        import pypdfium2.raw as api

        count = int(self._starts[page + 1] - self._starts[page]) - 1
        buffer = np.empty(count + 1, np.uint16)
        place = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_ushort))
        length = api.FPDFText_GetText(self._pages[page], 0, count, place) if count else 0
        text = buffer[: max(0, length - 1)].tobytes().decode("utf-16-le", "replace")
        if len(text) != count or "\x00" in text:
            codes = self._characters.codes(self._starts[page] + np.arange(count))
            text = "".join(chr(code) if 0 < code < 0x110000 else "\ufffd" for code in codes)
        if is_doubled(buffer):
            text = self._without_overprint(page, text)
        return text if text.isascii() else self._with_ligatures(page, text)

    def _without_overprint(self, page: int, text: str) -> str:
        """The text with NUL for what is drawn again over itself."""
        again = drawn_again(codes_of(text), self._boxes(self._starts[page] + np.arange(len(text))))
        return "".join(_UNMAPPED if gone else each for gone, each in zip(again.tolist(), text, strict=True))

    def _with_ligatures(self, page: int, text: str) -> str:
        """Lam and alef in their order. Fonts have one glyph for both, whose two letters PDFium turns round
        with the rest of a word; there is none for alef and lam, so two letters at one place are that.
        """
        found = [pair.start() for pair in _ALEF_LAM.finditer(text)]
        if not found:
            return text
        pairs = self._starts[page] + np.array(found)[:, None] + (0, 1)
        boxes = self._boxes(pairs.ravel()).reshape(-1, 2, 4)
        characters = list(text)
        for start in compress(found, (boxes[:, 0] == boxes[:, 1]).all(1)):
            characters[start : start + 2] = characters[start + 1], characters[start]
        return "".join(characters)

    def _without_unmapped(self, page: int) -> str:
        """The text of a page with NUL for characters of fonts without a map to Unicode: PDFium gives codes.

        Codes of a font that has no other encoding than ASCII are letters all the same; they read like a
        language, and are kept.
        """
        text = self._texts[page]
        written = np.flatnonzero(~BLANK[codes_of(text)])
        unmapped = written[self._characters.unmapped(self._starts[page] + written)].tolist()
        letters = [text[index] for index in unmapped if text[index].isalpha()]
        if len(letters) >= _ENOUGH and sum(each in _LIKELY for each in letters) > 0.5 * len(letters):
            return text
        characters = list(text)
        for index in unmapped:
            characters[index] = _UNMAPPED
        return "".join(characters)

    def _runs(self) -> tuple[list[dict[int, list[Line]]], list[bool]]:
        """Of each page runs by the quarters that they are turned, and whether one starts with an unmapped
        character.

        A run is words of one line of PDFium's that follow each other on one base, in one size, without a gap.
        """
        words = words_of(self._texts, self._starts.tolist(), self._codes)
        if not len(words):
            return [{} for _ in self._pages], [False for _ in self._pages]
        places, boxes = self._parted(words)
        begins = begin_a_line(places, self._codes)
        angles = np.array(self._characters.angles(places[begins, 0]))
        line = np.cumsum(begins) - 1
        turns = (np.round(angles / (math.pi / 2)).astype(np.int64) % 4)[line]
        leans = leaning(angles, np.searchsorted(self._starts, places[begins, 0], "right"))[line]
        boxes = straightened(upright(boxes, turns[:, None]), leans[:, None])
        left, right = boxes[:, 0, 0], boxes[:, 1, 2]
        height = boxes[:, 0, 3] - boxes[:, 0, 1]
        base = self._bases(places[:, 0], boxes[:, 0], turns, leans, begins)
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
        begun = places[firsts, 0]
        ends = np.searchsorted(begun, self._starts)  # of each page's runs
        lines = zip(
            self._written(places, firsts, lasts, gap < _HAN_GAP * height),
            x0.tolist(),
            x1.tolist(),
            base[firsts].tolist(),
            height[firsts].tolist(),
            (firsts - np.repeat(np.searchsorted(places[:, 0], self._starts[:-1]), np.diff(ends))).tolist(),
            strict=True,
        )
        found = list(map(_line, lines))
        unmapped, quarters = self._characters.unmapped(begun), turns[firsts]
        pages = list(starmap(slice, pairwise(ends.tolist())))
        return (
            [_by_turn(found[page], quarters[page]) for page in pages],
            [bool(unmapped[page].any()) for page in pages],
        )

    def _written(
        self,
        places: Ints,
        firsts: Ints,
        lasts: Ints,
        near: NDArray[np.bool_],
    ) -> list[str]:
        """Texts of runs from their first to their last word. near: of each word, to the one before it."""
        page = self._text
        starts, ends = places[firsts, 0], places[lasts, 1]
        texts = [page[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        codes = self._codes
        odd = BLANK[codes]
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
        if any(hyphen in page for hyphen in HYPHENS):
            texts = [text[:-1] + HYPHEN if text[-1] in HYPHENS else text for text in texts]
        return texts

    def _closed_up(self, spans: Sequence[_Span], close: Sequence[bool]) -> str:
        """The text of a run without the spaces between Han characters that only stand apart."""
        text = ""
        for (_, before), (start, end), closed in zip([(0, 0), *spans], spans, close, strict=False):
            text += ("" if closed or before in (0, start) else " ") + self._text[start:end]
        return text

    def _word_boxes(self, places: Ints) -> NDArray[np.float64]:
        """Boxes of the first and last character of words: [word, 2, (left, bottom, right, top)], points."""
        return self._boxes((places - (0, 1)).ravel()).reshape(-1, 2, 4)

    def _boxes(self, numbers: Ints) -> NDArray[np.float64]:
        """Boxes of characters: [character, (left, bottom, right, top)], points."""
        return _bounded(self._characters.boxes(numbers))

    def _bases(
        self,
        starts: Ints,
        boxes: NDArray[np.float64],
        turns: Ints,
        leans: NDArray[np.float64],
        begins: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Of each word; PDFium is asked where it may differ from that of the word before."""
        asked = begins.copy()
        asked[1:] |= (boxes[1:, 1] != boxes[:-1, 1]) | (boxes[1:, 3] != boxes[:-1, 3])
        origins = self._characters.origins(starts[asked])
        places = straightened(upright(_bounded(origins[:, [0, 1, 0, 1]]), turns[asked]), leans[asked])
        bases: NDArray[np.float64] = places[np.cumsum(asked) - 1, 1]
        return bases

    def _parted(self, places: Ints) -> tuple[Ints, NDArray[np.float64]]:
        """Words and their boxes; what begins and ends in different sizes (10 with a raised 6) in parts."""
        boxes = self._word_boxes(places)
        sizes = boxes[:, :, 3] - boxes[:, :, 1]
        odd = _differ(sizes[:, 0], sizes[:, 1])
        closed = [figure.start() for figure in _CLOSED_FIGURE.finditer(self._text)]
        if closed:
            words = np.searchsorted(places[:, 0], closed, "right") - 1
            figures = self._boxes(np.array(closed))
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
        boxes = self._boxes(np.array([at for span in words.values() for at in range(*span)]))
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


def _layer(runs: dict[int, list[Line]], all_: str, mapped: str) -> TextLayer:
    """all_: what is written on the page, mapped: the same where characters without a map to Unicode are NUL,
    both without white space.
    """
    total, readable = len(all_), _readable(mapped)
    if not runs:
        return TextLayer([], [], readable, total)
    main = max(runs, key=lambda turn: sum(len(run.text) for run in runs[turn]) if len(runs) > 1 else 0)
    others = [within(runs[turn], turn, runs[main], main) for turn in sorted(runs) if turn != main]
    return TextLayer(runs[main], [lines for lines in others if lines], readable, total, main == 0)


def _by_turn(runs: list[Line], quarters: Ints) -> dict[int, list[Line]]:
    return {turn: list(compress(runs, quarters == turn)) for turn in set(quarters.tolist())}


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
    for hyphen in HYPHENS:
        plain = plain.replace(hyphen, "")
    if plain.isprintable() and "\ufffd" not in plain:
        return len(characters)
    odd = [character for character in set(characters) if not _is_readable(character)]
    return len(characters) - sum(map(characters.count, odd))


def _is_readable(character: str) -> bool:
    """Not a private, unassigned, surrogate, control or replacement character; PDFium's hyphen is one."""
    if character in HYPHENS:
        return True
    if character.isascii() or character.isalnum():
        return character.isprintable()
    return character != "\ufffd" and unicodedata.category(character) not in {"Co", "Cn", "Cs", "Cc"}
