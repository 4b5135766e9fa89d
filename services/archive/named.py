"""Documents by what people call them: path, source, URL or title; the index knows ids and uids alone.

Every row's source and metadata are looked at, without the texts: a second for some 500,000 documents.
"""

from __future__ import annotations

import operator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from services.archive.lookup import find, is_uid
from services.archive.query import listed_rows, matching
from services.archive.tables import DOCUMENTS, DROPS, Row
from services.runtime import ObjectStore

if TYPE_CHECKING:
    import pyarrow.compute as pc

MOST = 100  # of one name
_COLUMNS = ("uid", "id", "source")
_URLS = ("url", "uri", "link")


def uids(store: ObjectStore, name: str) -> list[str]:
    """Of all documents of that id or uid, or else of that source, path, URL or title; at most MOST.

    A path is that of the file, of which all records are meant, or its end (`notes/7.md`). A title is the
    whole of it, in any case. Raises DependencyDown, Damaged.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # bytes of a path that are no UTF-8
        name = Path(name).absolute().as_uri()
    for table in (DOCUMENTS, DROPS):
        if found := find(store, table, name, ("uid",)):
            return list(dict.fromkeys(row["uid"] for row in found))
    if is_uid(name):
        return []
    once: dict[str, Row] = {}
    for table in (DOCUMENTS, DROPS):
        for row in listed_rows(matching(store, table, _condition(name), _COLUMNS), _COLUMNS):
            once.setdefault(row["uid"], row)
            if len(once) >= MOST:
                return list(once)
    return list(once)


def _condition(name: str) -> pc.Expression:
    import pyarrow.compute as pc

    source, metadata = pc.field("source"), pc.field("metadata")
    plain = pc.replace_substring_regex(source, r"#\d+$", "")
    known: list[Any] = [source == name, plain == name]
    if "://" in name:
        known += [_said(pc, metadata, key) == name for key in _URLS]
    else:
        path = Path(name)
        known += [plain == Path(name).absolute().as_uri()]
        if path.suffix or len(path.parts) > 1:
            known += [pc.ends_with(each, f"/{_quoted(name)}") for each in (plain, source)]
        title = pc.utf8_lower(_said(pc, metadata, "title"))
        known += [title == name.lower()]
    return reduce(operator.or_, known)  # of Kleene: what is not known is no match


def _said(pc: Any, metadata: Any, key: str) -> Any:
    return pc.map_lookup(metadata, key, "first")


def _quoted(name: str) -> str:
    """As it stands in a URI."""
    return quote(name.lstrip("./"), safe="/#")
