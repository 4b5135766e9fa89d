"""From a page's characters to its tree."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

# A tag with thousands of attributes takes parsers quadratic time; what is so long is a picture in an
# attribute, which is not text.
_LONG_TAG = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)(?=[\s/])[^<>]{8000,}>")
_LONGEST_TAG = 8000
# What stands behind the end of the page is shown in it; libxml2 would stop there.
_END = re.compile(r"</(?:[hH][tT][mM][lL]|[bB][oO][dD][yY])\s*>")  # three times as fast as IGNORECASE


def tidied(page: str) -> str:
    """The page without what parsers take quadratic time for, or end at before its end."""
    if _may_hold_long_tags(page):
        page = _LONG_TAG.sub(r"<\1>", page)
    return _END.sub("", page)


def _may_hold_long_tags(page: str) -> bool:
    """Whether more than _LONGEST_TAG characters stand without a tag's begin in them and, at first, an end."""
    at = 0  # after a "<"
    while len(page) - at > _LONGEST_TAG:
        last = page.rfind("<", at, at + _LONGEST_TAG + 1)
        if last < 0:
            if page.find(">", at, at + _LONGEST_TAG) < 0:
                return True
            last = page.find("<", at)
            if last < 0:
                return False
        at = last + 1
    return False


def read(page: str) -> Any | None:
    """The root of a tidied page's tree; None where there is nothing in it."""
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True, collect_ids=False
    )
    body = page.encode("utf-8", "ignore")
    try:
        return etree.fromstring(body, parser) if body.strip() else None
    except etree.XMLSyntaxError:
        return None
