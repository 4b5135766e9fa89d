"""Documents of files and of parts, read here without a broker, for commands that learn from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from services.cli.options import topology_of
from services.runtime import ConfigurationError, Read, Recorded, Resources, Settings, configure, load_settings

if TYPE_CHECKING:
    from contracts import Document

_SHOWN = 10  # lines about what cannot be read


class Text(NamedTuple):
    """language: "code" for code, "und" where it cannot be told. domain: see `texts`."""

    text: str
    language: str
    domain: str


def read(paths: Iterable[str], settings: Settings) -> Iterator[Document]:
    """Documents of files and folders as ingest makes them; a line on standard error for what it cannot read.

    Raises ConfigurationError for a path that is not there.
    """
    from services.ingest import SERVICE, IngestConfig
    from services.ingest.walk import check

    check(list(paths))
    values = settings.units.get("ingest", {}) | {"paths": tuple(paths)}
    reader = SERVICE.build(configure("ingest", IngestConfig, values), Resources(settings))
    unreadable = 0
    for step in reader(Recorded()):
        if not isinstance(step, Read):
            continue
        yield from step.documents
        for piece in step.unreadable[: max(0, _SHOWN - unreadable)]:
            print(f"corpusworks: left out: {piece.error}", file=sys.stderr)
        unreadable += len(step.unreadable)
    if unreadable > _SHOWN:
        print(f"corpusworks: left out: {unreadable - _SHOWN} more like these", file=sys.stderr)


def texts(paths: list[str], parts: str | None) -> Iterator[Text]:
    """Texts of files and folders, as the river would tokenise them, and of packed parts.

    Of files: parsed and normalised, and kept whatever the rules say of them; their domain is the `domain`
    or `category` that a record gives, else its file's path in the folder that was named, or the file's
    folder. Of parts: their domain is the category, else the bucket.
    Raises ConfigurationError when there is nothing to read, CorpusworksError for a part that is broken.
    """
    if not paths and parts is None:
        raise ConfigurationError("no documents: name files or folders, or packed parts with --parts")
    number = 0
    for text in _of_parts(parts) if parts is not None else ():
        number += 1
        yield text
    for text in _of_files(paths) if paths else ():
        number += 1
        yield text
    if not number:
        named = ", ".join([*paths, *([parts] if parts else [])])
        raise ConfigurationError(f"{named}: no document with a text is there; name other files or folders")


def _of_files(paths: list[str]) -> Iterator[Text]:
    from services.runtime.apply import judged

    settings = load_settings()
    roots = [path if os.path.isdir(path) else os.path.dirname(path) for path in map(os.path.abspath, paths)]
    root = os.path.commonpath(roots)
    known = judged(["parse", "rules"], read(paths, settings), Resources(settings), topology_of(settings))
    for document, _ in known:
        if document.text and document.language:  # rules have seen it, whatever they say of it
            yield Text(document.text, _language(document.format, document.language), _domain(document, root))


def _of_parts(place: str) -> Iterator[Text]:
    from services.cli.parts import PartVocabularies
    from services.local.store import store_in
    from services.sink.parts import documents

    store = store_in(place)
    known = PartVocabularies(store, ())
    for part, record, tokens in documents(store):
        if (vocabulary := known.of(part)) is not None:
            text = vocabulary.decode(tokens[:-1])
            yield Text(text, _language(record.format, record.language), record.category or record.bucket)


def _language(format_: str, language: str) -> str:
    return "code" if format_ == "code" else language


def _domain(document: Document, root: str) -> str:
    for name in ("domain", "category"):
        if said := document.metadata.get(name):
            return said
    url = urlsplit(document.source)
    path = Path(unquote(url.path))
    return os.path.relpath(path if url.fragment else path.parent, root)
