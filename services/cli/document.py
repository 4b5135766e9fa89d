"""`audit show`: one document, or those of one file, URL or title, with all that the archive has of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from services.archive.tables import DOCUMENTS, DROPS, USES, Row
from services.cli.audit import Folder
from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson
from services.cli.uid import meant_uid
from services.local.store import store_in
from services.runtime import ConfigurationError, load_settings

if TYPE_CHECKING:
    from services.runtime import ObjectStore

app = typer.Typer()
_OF_A_USE = ("part", "phase", "use", "sequences", "num_tokens")
_NAMES = {"num_tokens": "tokens"}
_HEAD = 1500  # characters of a text
_LEAVE_OUT = {
    "features",
    "body",
    "topic",
    "partition",
    "offset",
    "tokenizer",
    "mixed_offset",
    "text",
    "detail",
    "removed",
}


@app.command()
def show(
    folder: Folder,
    document: Annotated[
        str, typer.Argument(help="Its id, uid, source, path (or the end of it), URL or title.")
    ],
    *,
    with_text: Annotated[bool, typer.Option("--with-text", help="The whole text, not its head.")] = False,
    original: Annotated[
        bool, typer.Option("--original", help="And what its file says today, before it was cleaned.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What became of a document, and why: its drop with what was measured, its pool, its uses, its text."""
    from services.archive.named import MOST, uids
    from services.archive.query import Damaged

    try:
        store = store_in(folder)
        found = [_of(store, uid) for uid in uids(store, document)]
    except Damaged as error:
        fail(error, EXIT_WRONG)
    letters = _letters(folder, document)
    if not found and not letters:
        named = "by id, uid, source, path, URL or title"
        fail(f"no document {document!r} in the archive, {named}{meant_uid(document)}", EXIT_WRONG)
    for one in found:
        if original:
            one["original"] = _original(one)
        if as_json:
            print(json.dumps(one, ensure_ascii=False, default=datetime.isoformat))
        else:
            print("\n".join(_lines(one, whole=with_text)))
    for letter in letters:
        print(json.dumps(letter, ensure_ascii=False) if as_json else "\n".join(_of_letter(letter)))
    if len(found) > 1:
        more = f", the first {MOST}" if len(found) == MOST else ""
        print(f"{len(found)} documents{more}", file=sys.stderr)


def _of(store: ObjectStore, uid: str) -> dict[str, Any]:
    """All rows of a document, by table; what it is, once, and its text."""
    from services.archive.lookup import find

    drops, kept = find(store, DROPS, uid, [*DROPS.columns]), find(store, DOCUMENTS, uid, [*DOCUMENTS.columns])
    uses = find(store, USES, uid, [*USES.columns])
    whole = (kept or drops or uses)[0]
    text = next((row["text"] for row in (*kept, *drops) if row.get("text")), None)
    about = {
        name: dict(value) if name == "metadata" else value
        for name, value in whole.items()
        if name in DOCUMENTS.columns and name not in _LEAVE_OUT and value not in (None, "", [])
    }
    why = ("unit", "reason", "measured", "threshold", "detail", "rejected")
    return {
        **about,
        "dropped": [{name: row[name] for name in why if row[name] is not None} for row in drops],
        "kept": [{name: row[name] for name in ("bucket", "num_tokens", "logged")} for row in kept],
        "used": [
            {name: row[name] for name in ("part", "phase", "use", "sequences", "num_tokens")} for row in uses
        ],
        "removed": json.loads(whole.get("removed") or "[]"),
        "text": text,
    }


def _letters(folder: str, document: str) -> list[Row]:
    """Dead letters of that name, where they are written down; else `--table letters` has them."""
    from services.local.letters import kept

    rows = (None if "://" in folder else kept(Path(folder))) or []
    names = ("letter", "uid", "id", "source")
    return [row for row in rows if any(_is_called(str(row[name]), document) for name in names)]


def _is_called(name: str, wanted: str) -> bool:
    plain = unquote(name)
    return bool(name) and (
        wanted in (name, plain) or plain.partition("#")[0].endswith(f"/{wanted.lstrip('./')}")
    )


def _original(one: dict[str, Any]) -> str:
    """The body of the document as its file has it now."""
    from services.cli.documents import read

    at = urlsplit(one["source"])
    if at.scheme != "file":
        raise ConfigurationError(f"{one['source']} is not on this machine: its original cannot be read again")
    for document in read([unquote(at.path)], load_settings()):
        if f"{document.uid:016x}" == one["uid"]:
            return document.body.decode(errors="replace")
    return ""


def _lines(one: dict[str, Any], *, whole: bool) -> Iterator[str]:
    yield f"{one['uid']}  {one['id']}"
    named = ("source", "language", "format", "category", "bucket", "num_tokens", "score", "rank", "cluster")
    for name in named:
        if name in one:
            yield f"  {_NAMES.get(name, name):10}{_plain(one[name])}"
    for name, value in (one.get("metadata") or {}).items():
        yield f"  {name:10}{value}"
    for row in one["dropped"]:
        yield f"  dropped   by {row['unit']}: {row['reason']}{_measure(row)}  ({_plain(row['rejected'])})"
        if row.get("detail"):
            yield f"            {row['detail']}"
    for row in one["kept"]:
        when = _plain(row["logged"])
        yield f"  kept      to the pool {row['bucket']}, {row['num_tokens']} tokens  ({when})"
    for row in one["used"]:
        at = ", ".join(map(str, row["sequences"]))
        yield f"  used      {row['part']}, sequence {at}; phase {row['phase']}, use {row['use']}"
    for cut in one["removed"]:
        by = f"{cut['documents']:,} documents{' of ' + cut['host'] if cut['host'] else ''}"
        yield f"  removed   {cut['text'].strip()!r}, which {by} have; {cut['needed']:,} are enough"
    yield from _text("text", one["text"], whole=whole)
    yield from _text("original", one.get("original"), whole=whole)


def _of_letter(letter: Row) -> Iterator[str]:
    yield f"dead letter {letter['letter']}  ({letter['state']})"
    yield f"  source    {letter['source']}"
    yield f"  in        {letter['unit'] or 'ingest'}"
    yield f"  why       {letter['reason']}"


def _text(name: str, text: str | None, *, whole: bool) -> Iterator[str]:
    if text:
        shown = text if whole else text[:_HEAD]
        more = f" (the first {_HEAD} of {len(text):,} characters)" if len(shown) < len(text) else ""
        yield f"  {name}{more}:"
        yield from (f"    {line}" for line in shown.splitlines())


def _measure(row: Row) -> str:
    if row.get("measured") is None:
        return ""
    sign = ">" if row["measured"] > row.get("threshold", 0) else "<"
    bound = f" {sign} {row['threshold']:.4g}" if row.get("threshold") is not None else ""
    return f", measured {row['measured']:.4g}{bound}"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
