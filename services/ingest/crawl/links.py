"""What an HTML page links to, and what its head says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# A page with more is a list of something, or a trap; what lies behind is not read for links either.
MAX_LINKS: Final = 2000
MAX_BYTES: Final = 4 << 20
_FEEDS = {"application/rss+xml", "application/atom+xml"}


@dataclass(frozen=True, slots=True)
class Links:
    """base: the URL that its links are relative to, "" for its own. pages and feeds: as written, in order,
    each once.

    metas: (name in lower case, content). licence: the URL of its `rel=license`, or "".
    """

    base: str = ""
    pages: Sequence[str] = ()
    feeds: Sequence[str] = ()
    metas: Sequence[tuple[str, str]] = ()
    licence: str = ""


def read(body: bytes, charset: str | None = None) -> Links:
    """Of any bytes; empty where they are no HTML."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding=charset, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = html.document_fromstring(body[:MAX_BYTES], parser=parser)
    except (etree.LxmlError, ValueError, LookupError):
        return Links() if charset is None else read(body)
    pages: dict[str, None] = {}
    feeds: dict[str, None] = {}
    metas: list[tuple[str, str]] = []
    base = licence = ""
    for element in root.iter("a", "area", "link", "meta", "base"):
        tag, href = element.tag, (element.get("href") or "").strip()
        relations = (element.get("rel") or "").lower().split()
        if tag == "meta":
            metas += _meta(element, pages)
        elif not href:
            continue
        elif tag == "base":
            base = base or href
        else:
            if "license" in relations:
                licence = licence or href
            if tag == "link":
                if "alternate" in relations and (element.get("type") or "").lower() in _FEEDS:
                    feeds[href] = None
                elif "next" in relations or "prev" in relations:
                    pages[href] = None
            elif "nofollow" not in relations and href[0] != "#" and len(pages) < MAX_LINKS:
                pages[href] = None
    return Links(base, list(pages), list(feeds)[:20], metas[:100], licence[:500])


def _meta(element: Any, pages: dict[str, None]) -> list[tuple[str, str]]:
    content = element.get("content") or ""
    if (element.get("http-equiv") or "").lower() == "refresh":
        _, found, target = content.partition("url=") if "url=" in content else content.partition("URL=")
        if found and (target := target.strip(" '\"")):
            pages[target] = None
        return []
    name = (element.get("name") or element.get("property") or "").strip().lower()
    return [(name, content[:1000])] if name else []
