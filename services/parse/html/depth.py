"""How deep a page's elements nest, told from its tags alone: parsers take quadratic time for what is deep."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

# Void, or closed by the next of their kind: they don't stack up when left open.
_NOT_NESTING = frozenset({
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param", b"source",
    b"track", b"wbr", b"p", b"li", b"dt", b"dd", b"option", b"thead", b"tbody", b"tfoot", b"tr", b"td", b"th",
    b"html", b"head", b"body", b"script", b"style", b"path",
})  # fmt: skip
_NAME = re.compile(rb"(/?)([a-zA-Z][\w\x80-\xff]*)")
_SEEN = 8  # bytes behind a "<": a slash, the longest of those names and the sign that ends it


def depth_of(page: str) -> int:
    """An upper estimate of how deep the elements nest."""
    body = page.encode("utf-8", "ignore") + bytes(_SEEN)
    tags = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("<"))
    eight = np.ndarray((len(body) - _SEEN + 1,), np.uint64, body, strides=(1,))  # from each byte on
    begins, kind = np.unique(eight[tags + 1], return_inverse=True)
    steps = np.array(list(map(_step, begins.tolist())), np.int64)
    return int(np.cumsum(steps[kind]).max(initial=0))


@lru_cache(8192)
def _step(begin: int) -> int:
    """How much deeper it is behind a tag; begin: its first bytes, as the machine reads them as a number."""
    name = _NAME.match(np.uint64(begin).tobytes())
    if name is None or name[2].lower() in _NOT_NESTING:
        return 0
    return -1 if name[1] else 1
