"""What PDFium says of single characters of a page, asked of many at once.

A call with declared arguments takes 0.6 us, of which ctypes spends nearly all on checking and converting them
and on letting go of the interpreter's lock. The same functions without a declaration, given arguments that
need no converting, take 0.13 us.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_BLOCK = 2048  # characters: what PDFium writes into memory is asked of so many at a time


class Characters:
    """Characters of text pages of PDFium, by their numbers, given in rising order. For one thread at a time,
    as PDFium itself.

    They are numbered through, with one number left out behind each page; starts: each page's first, and the
    end.
    """

    def __init__(self, pages: Sequence[Any]) -> None:
        """pages: each an FPDF_TEXTPAGE, which is to stay open."""
        import pypdfium2.raw as api

        self._pages = [ctypes.byref(page.contents) for page in pages]
        sizes = [max(0, api.FPDFText_CountChars(page)) + 1 for page in pages]
        self.starts: Ints = np.cumsum([0, *sizes])

    def codes(self, numbers: Ints) -> list[int]:
        """Code points; 0 where PDFium has none."""
        return self._ask("FPDFText_GetUnicode", ctypes.c_uint, numbers)

    def unmapped(self, numbers: Ints) -> NDArray[np.bool_]:
        """Whether they are of a font without a map to Unicode."""
        answers = self._ask("FPDFText_HasUnicodeMapError", ctypes.c_int, numbers)
        return np.array([answer == 1 for answer in answers], np.bool_)

    def angles(self, numbers: Ints) -> list[float]:
        """By which they are turned, in radians."""
        return self._ask("FPDFText_GetCharAngle", ctypes.c_float, numbers)

    def boxes(self, numbers: Ints) -> NDArray[np.float64]:
        """Boxes of the height of their fonts: [number, (left, bottom, right, top)], points."""
        rects = self._written("FPDFText_GetLooseCharBox", numbers, np.float32, (16,))
        return rects[:, [0, 3, 2, 1]]  # left, top, right, bottom

    def origins(self, numbers: Ints) -> NDArray[np.float64]:
        """Places on their base: [number, (x, y)], points."""
        return self._written("FPDFText_GetCharOrigin", numbers, np.float64, (8, 8))

    def _ask(self, name: str, answer: type, numbers: Ints) -> list[Any]:
        return list(map(function(name, answer), *self._of_pages(numbers)))

    def _of_pages(self, numbers: Ints) -> tuple[Iterator[Any], list[int]]:
        """Of each character its page, and its number there."""
        if len(self._pages) == 1:
            return repeat(self._pages[0]), numbers.tolist()
        pages = np.searchsorted(self.starts, numbers, "right") - 1
        counts = np.bincount(pages, minlength=len(self._pages)).tolist()
        return chain.from_iterable(map(repeat, self._pages, counts)), (numbers - self.starts[pages]).tolist()

    def _written(
        self, name: str, numbers: Ints, kind: type[np.floating[Any]], sizes: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """[number, value] of what PDFium writes to arguments of these sizes (bytes); 0 for no answer."""
        ask, (memory, places) = function(name, ctypes.c_int), _memory(sizes)
        width = sum(sizes) // np.dtype(kind).itemsize
        blocks: list[NDArray[np.float64]] = []
        pages, local = self._of_pages(numbers)
        for start in range(0, max(1, len(local)), _BLOCK):
            block = local[start : start + _BLOCK]
            ctypes.memset(memory, 0, len(block) * sum(sizes))
            deque(map(ask, islice(pages, len(block)), block, *places), maxlen=0)
            answers = np.frombuffer(memory, kind, len(block) * width).reshape(-1, width)
            blocks.append(answers.astype(np.float64))
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


@cache
def function(name: str, answer: type, *takes: type) -> Callable[..., Any]:
    """A function of PDFium that takes its arguments as they come, or as what is declared."""
    import pypdfium2.raw as api

    address = ctypes.cast(getattr(api, name), ctypes.c_void_p).value
    assert address is not None, "a loaded function has an address"
    return ctypes.PYFUNCTYPE(answer, *takes)(address)


@cache
def _memory(sizes: tuple[int, ...]) -> tuple[Any, list[list[Any]]]:
    """Room for the answers of a block, and for each argument the places in it."""
    memory = (ctypes.c_char * (_BLOCK * sum(sizes)))()
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    step = sum(sizes)
    return memory, [
        [ctypes.byref(memory, start + step * index) for index in range(_BLOCK)] for start in starts
    ]
