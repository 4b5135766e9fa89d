"""EPUB: the chapters in the order of the spine, each read as an HTML page (EPUB 3.3; EPUB 2 alike).

What stands beside the text of a book (footnotes, boxes) is the author's; on a page of the web it seldom is,
and the reader of HTML leaves it out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.html import parse_html
from services.parse.office.package import Package, inside, local

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_NO_CHAPTER = frozenset({"no_text", "too_deep"})  # a cover, a page of pictures
_ASIDE = re.compile(rb"(</?)aside\b")


def parse_epub(body: bytes, config: ParseConfig) -> Parsed:
    """All chapters but for those that are missing or damaged, which make it partial.

    Raises Unparseable(broken, encrypted, too_large, too_many_pages, no_text).
    """
    package = Package(body, config)
    names = list(dict.fromkeys(_spine(package)))
    if len(names) > config.max_pages:
        raise Unparseable("too_many_pages", "chapters", len(names), config.max_pages)
    if locked := _encrypted(package) & set(names):
        raise Unparseable("encrypted", f"{len(locked)} of its {len(names)} chapters are encrypted")
    chapters: list[Parsed] = []
    lost: list[Unparseable] = []
    for name in names:
        try:
            chapters.append(parse_html(_ASIDE.sub(rb"\1div", package.read(name)), config))
        except Unparseable as error:
            if error.reason == "broken":
                lost.append(error)
            elif error.reason not in _NO_CHAPTER:
                raise
    if not chapters and lost:
        raise lost[0]
    if not chapters:
        raise Unparseable("no_text", f"none of its {len(names)} chapters holds text")
    return Parsed(
        "\n\n".join(chapter.text for chapter in chapters),
        confidence=min(chapter.confidence for chapter in chapters),
        bad_share=max(chapter.bad_share for chapter in chapters),
        pages=len(names),
        partial=bool(lost),
    )


def _spine(package: Package) -> Iterator[str]:
    """Members that are chapters; neither the table of contents nor what is read out of order."""
    name = next((each.get("full-path", "") for each in _files(package)), "")
    root = package.tree(name)
    items = {each.get("id"): each for each in inside(root, "manifest") if local(each) == "item"}
    for reference in inside(root, "spine"):
        item = items.get(reference.get("idref"))
        if item is None or reference.get("linear") == "no" or "nav" in item.get("properties", "").split():
            continue
        if item.get("media-type") in _PAGES:
            path = unquote(item.get("href", "").partition("#")[0])
            yield posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _files(package: Package) -> Any:
    return inside(package.tree(_CONTAINER), "rootfiles")


def _encrypted(package: Package) -> set[str]:
    if _ENCRYPTION not in package:
        return set()
    references = package.tree(_ENCRYPTION).iterfind(".//{*}CipherReference")
    return {unquote(each.get("URI", "")) for each in references}
