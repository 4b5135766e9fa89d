"""`parts show`: one part at a glance."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts import PartSealed
from services.cli.options import AsJson
from services.cli.parts import Folder, stored_vocabulary, wrong_parts
from services.local.store import store_in
from services.runtime import ConfigurationError, ObjectStore

if TYPE_CHECKING:
    from rich.console import Console

    from services.sink.parts import PartDocument
    from services.sink.summary import Share, Summary

app = typer.Typer()

_SHOWN_SOURCES = 10
_HEAD_TOKENS = 64
_HEAD_CHARS = 100


@app.command()
def show(
    folder: Folder,
    part: Annotated[str, typer.Argument(help="Its name, with or without lane-…/.")],
    first: Annotated[int, typer.Option("--first", min=0, help="So many documents of it.")] = 5,
    as_json: AsJson = False,
) -> None:
    """One part: its announcement, what is in it by bucket, language and source, and its first documents."""
    from services.sink.manifest import as_plain
    from services.sink.parts import documents_of, find, list_parts
    from services.sink.summary import summarise

    store = store_in(folder)
    with wrong_parts():
        sealed = find(list_parts(store), part)
        documents = list(documents_of(store, sealed))
    summary = summarise(sealed, [document.record for document in documents])
    rows = _rows(store, sealed, documents[:first])
    if as_json:
        found = {"announcement": as_plain(sealed), **asdict(summary), "first": rows}
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(sealed, summary, rows)


def _rows(store: ObjectStore, part: PartSealed, documents: Sequence[PartDocument]) -> list[dict[str, Any]]:
    """Records as they lie in the part, with the head of the text; null where its vocabulary is not there."""
    from services.sink.records import as_plain

    try:
        vocabulary = stored_vocabulary(store, part.tokenizer) if documents else None
    except (FileNotFoundError, ValueError, ConfigurationError):
        vocabulary = None
    rows = []
    for document in documents:
        head = document.tokens[:-1][:_HEAD_TOKENS]
        text = vocabulary.decode(head)[:_HEAD_CHARS] if vocabulary else None
        rows.append(as_plain(document.record) | {"text": text})
    return rows


def _show(part: PartSealed, summary: Summary, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    at = datetime.fromtimestamp(part.sealed_ms / 1000, UTC)
    lines = (
        part.name,
        f"phase {part.phase}, sealed by {part.sealed_by} at {at:%Y-%m-%d %H:%M:%S} UTC; "
        f"offsets {part.first_offset} to {part.last_offset} of lane {part.lane}",
        f"{part.num_documents:,} documents, {part.num_tokens:,} tokens in {part.num_sequences:,} sequences "
        f"of {part.sequence_length:,} ({part.packing}); padding {summary.padding:.1%}; "
        f"{summary.num_cut:,} documents are cut over sequences",
        f"vocabulary {part.tokenizer}; layout {part.layout}",
    )
    for line in lines:
        console.print(escape(line), soft_wrap=True)
    _show_shares(console, "bucket", summary.buckets)
    _show_shares(console, "language", summary.languages)
    _show_shares(console, "source", summary.sources)
    for row in rows:
        said = [row["id"], f"{row['num_tokens']:,} tokens", row["bucket"], row["language"]]
        said += [row[name] for name in ("title", "url", "licence") if name in row] or [row["source"]]
        console.print(f"\n[bold]{escape(_line('  '.join(filter(None, said))))}[/bold]", soft_wrap=True)
        head = "(its vocabulary is not in the store)" if row["text"] is None else row["text"]
        console.print(escape(_line(head)), soft_wrap=True)


def _line(text: str) -> str:
    """On one line, and without what would command the terminal: a document may hold anything."""
    return "".join(char if char.isprintable() else " " for char in text)


def _show_shares(console: Console, heading: str, shares: Mapping[str, Share]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column(heading, overflow="fold")
    for name in ("documents", "tokens", "share"):
        table.add_column(name, justify="right")
    total = sum(share.tokens for share in shares.values())
    for name, share in list(shares.items())[:_SHOWN_SOURCES]:
        part = f"{share.tokens / total:.1%}"
        table.add_row(escape(_line(name) or "(none)"), f"{share.documents:,}", f"{share.tokens:,}", part)
    rest = list(shares.values())[_SHOWN_SOURCES:]
    if rest:
        tokens = sum(share.tokens for share in rest)
        documents = sum(share.documents for share in rest)
        table.add_row(f"{len(rest)} others", f"{documents:,}", f"{tokens:,}", f"{tokens / total:.1%}")
    console.print(table)
