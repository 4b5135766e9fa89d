"""The text that a page carries in JSON for its scripts to draw; asked only where it shows next to none.

Read are scripts that are JSON (Next's `__NEXT_DATA__`, JSON-LD) and plain assignments of it
(`window.__INITIAL_STATE__ = {…}`); expressions of JavaScript are not. Of the strings in it those that stand
at the same place (`posts[].body`) belong together, and the place that holds most prose is the text: an
article, or a question with its answers. Interfaces carry their wording along, but each piece of it at a place
of its own.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from services.parse.html.leftovers import COOKIES
from services.parse.html.markdown import render
from services.parse.html.outline import outline
from services.parse.html.tree import read, tidied
from services.parse.html.wording import words_in

_LONGEST = 2_000_000  # characters of all scripts together: 20 ms
_MOST_VALUES, _MOST_DEPTH = 100_000, 60
_ASSIGNED = re.compile(r"\s*(?:window|self|globalThis)(?:\.\w+|\[[\"']\w+[\"']\])\s*=\s*(?=[{\[])")
_SHORTEST = 200  # characters of the longest string of a place, of …
_LEAST_OF_ONE = 20  # … each
_WORDS = 0.12  # words, or Han characters, a character of prose at least: fewer are addresses and encoded data
_STOPS = re.compile(r"[.!?。！？…](?=[\s\"'”’<）)]|$|[\u3400-\u9fff])")
_MARKED = re.compile(
    r"</?(?:p|br|hr|div|section|h[1-6]|ul|ol|li|dl|dt|dd|span|strong|b|em|i|u|a|sup|sub|code|pre|blockquote|figure"
    r"|figcaption|img|table|tr|td|th)\b[^<>]*>",
    re.IGNORECASE,
)
_CODE = re.compile(r"^\s*[{\[]|[{};]\s*\n|\bfunction\s*\(|=>|\bconst \w+\s*=|</?\w+[^<>]*>", re.IGNORECASE)
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_NAMED = re.compile(r"[^\W\d_\u3400-\u9fff]{4,}|[\u3400-\u9fff](?=([\u3400-\u9fff]))")
_DIFFERENT = 25  # words, or Han characters, that differ
_OF_TITLE = 0.4  # of the words of the page's title are in its text; the site's name is in the title too

_Place = tuple[str, ...]


def carried(root: Any, max_depth: int) -> str:
    """Markdown of the text in the JSON of a tree's scripts; "" where there is no prose in it."""
    places: dict[_Place, dict[str, None]] = defaultdict(dict)  # each text once, in their order
    for value in _values(root):
        for place, text in _strings(value):
            if len(text) >= _LEAST_OF_ONE:
                places[place][text] = None
    title = " ".join(root.xpath("//title//text()")[:1]).lower()
    prose = [
        texts
        for texts in map(list, places.values())
        if _is_prose(max(texts, key=len, default="")) and _speaks_of(title, texts)
    ]
    found = max(prose, key=lambda texts: sum(map(len, texts)), default=[])
    return "\n\n".join(filter(None, (_written(text, max_depth) for text in found)))


def _values(root: Any) -> Iterator[Any]:
    """What the scripts hold, as far as it is JSON."""
    left = _LONGEST
    for script in root.iter("script"):
        text = script.text or ""
        kind = (script.get("type") or "").lower()
        assigned = _ASSIGNED.match(text) if kind in ("", "text/javascript", "module") else None
        if len(text) > left or not (assigned or "json" in kind):
            continue
        left -= len(text)
        try:
            yield json.JSONDecoder(strict=False).raw_decode(
                text, assigned.end() if assigned else _begin(text)
            )[0]
        except (ValueError, RecursionError):
            continue


def _begin(text: str) -> int:
    return len(text) - len(text.lstrip())


def _strings(value: Any) -> Iterator[tuple[_Place, str]]:
    """Strings and their places, in their order: names on the way to them, "" for whichever of a list."""
    left = _MOST_VALUES
    waiting: list[tuple[_Place, Any]] = [((), value)]
    while waiting and left:
        left -= 1
        place, value = waiting.pop()
        if isinstance(value, str):
            yield place, value
        elif len(place) < _MOST_DEPTH and isinstance(value, dict):
            waiting += [((*place, name), each) for name, each in reversed(value.items())]
        elif len(place) < _MOST_DEPTH and isinstance(value, list):
            waiting += [((*place, ""), each) for each in reversed(value)]


def _is_prose(text: str) -> bool:
    plain = _MARKED.sub(" ", text)
    if len(plain.strip()) < _SHORTEST or _CODE.search(plain) or COOKIES.search(plain):
        return False
    if len(set(_WORD.findall(plain))) < _DIFFERENT:
        return False
    return len(_STOPS.findall(plain)) > 1 and words_in(plain) > _WORDS * len(plain)


def _speaks_of(title: str, texts: Sequence[str]) -> bool:
    """Whether words of the page's title are in a text: what else its scripts need is not about it."""
    words = {found[0] + (found[1] or "") for found in _NAMED.finditer(title)}
    said = "\n".join(texts).lower()
    return sum(word in said for word in words) >= _OF_TITLE * len(words)


def _written(text: str, max_depth: int) -> str:
    if not _MARKED.search(text):
        return text.strip()
    root = read(tidied(text))
    found = outline(root, max_depth) if root is not None else None
    return render(found, found.blocks) if found is not None else ""
