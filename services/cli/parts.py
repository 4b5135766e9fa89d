"""`parts`: packed parts; no server is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import PartSealed
from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson
from services.local.store import store_in
from services.runtime import ConfigurationError, ObjectStore, VocabularyCard

if TYPE_CHECKING:
    from services.tokenizer import Vocabulary

app = typer.Typer(no_args_is_help=True, help="Look at packed parts; no server is needed.")

Folder = Annotated[
    str, typer.Argument(help="Folder given to run or up, or the store's folder or URL (s3://…).")
]


@contextmanager
def wrong_parts() -> Iterator[None]:
    """A part that is damaged or not there ends the command with one line and exit 1."""
    from services.sink.parts import WrongPart

    try:
        yield
    except WrongPart as error:
        fail(error, EXIT_WRONG)


@app.command("list")
def parts_list(folder: Folder, as_json: AsJson = False) -> None:
    """A line for each part: as a table on a terminal, else as JSON.

    sequence: its number in the catalog, null while it has none.
    """
    from services.catalog.reader import Reader
    from services.sink.parts import list_parts

    store = store_in(folder)
    with wrong_parts():
        found = list_parts(store)
    numbers = {entry.name: entry.sequence for entry in Reader(store).read()}
    if sys.stdout.isatty() and not as_json:
        _show(found, numbers)
        return
    for part in found:
        row = {
            "part": part.name,
            "sequence": numbers.get(part.name),
            "phase": part.phase,
            "documents": part.num_documents,
            "tokens": part.num_tokens,
        }
        row |= {"sequences": part.num_sequences, "sequence_length": part.sequence_length}
        print(
            json.dumps(
                row | {"buckets": dict(part.bucket_tokens), "sealed_by": part.sealed_by}, ensure_ascii=False
            )
        )


def _show(found: Sequence[PartSealed], numbers: Mapping[str, int]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from services.sink.summary import padding

    table = Table()
    table.add_column("number", justify="right")
    table.add_column("part", overflow="fold")
    table.add_column("phase")
    for heading in ("documents", "tokens", "sequences", "padding"):
        table.add_column(heading, justify="right")
    table.add_column("tokens by bucket")
    table.add_column("sealed by")
    for part in found:
        buckets = sorted(part.bucket_tokens.items(), key=lambda each: -each[1])
        counts = (part.num_documents, part.num_tokens, part.num_sequences)
        table.add_row(
            str(numbers.get(part.name, "")),
            part.name.rpartition("/")[2],  # which names its lane too
            escape(part.phase),
            *(f"{count:,}" for count in counts),
            f"{padding(part):.1%}",
            escape("  ".join(f"{bucket} {tokens / part.num_tokens:.0%}" for bucket, tokens in buckets)),
            part.sealed_by,
        )
    console = Console()
    console.print(table)
    documents, tokens = sum(part.num_documents for part in found), sum(part.num_tokens for part in found)
    console.print(f"{len(found)} parts, {documents:,} documents, {tokens:,} tokens", highlight=False)


@app.command("verify")
def parts_verify(folder: Folder) -> None:
    """Check every part against its announcement and the catalog; exit 1 with what is wrong.

    Parts that have no number yet are no problem, since the catalog gives it when it runs; they are counted.
    """
    from services.catalog.check import problems_of, without_number
    from services.sink.parts import list_parts, verify

    store = store_in(folder)
    with wrong_parts():
        problems = [*verify(store), *problems_of(store, parts := list_parts(store))]
    for problem in problems:
        print(problem)
    waiting = 0 if problems else without_number(store, parts)
    more = f"; {waiting} have no number yet: the catalog gives it when the river goes on" * bool(waiting)
    print(f"{len(parts)} parts, {len(problems)} problems{more}", file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_WRONG)


@app.command("decode")
def parts_decode(
    folder: Folder,
    vocabulary: Annotated[
        list[Path] | None, typer.Option("--vocabulary", help="Of parts whose own is not in the store.")
    ] = None,
    end_of_document: Annotated[
        str | None, typer.Option("--end-of-document", help="Name of its last token, if not <|endoftext|>.")
    ] = None,
) -> None:
    """The documents in the parts as text, a JSON line each; every part by the vocabulary that made it."""
    from services.sink.parts import documents
    from services.tokenizer import END_OF_DOCUMENT, Vocabulary

    store = store_in(folder)
    given = [Vocabulary.load(path, end_of_document or END_OF_DOCUMENT) for path in vocabulary or ()]
    known = PartVocabularies(store, given)
    with wrong_parts():
        for part, record, tokens in documents(store):
            if (found := known.of(part)) is None:
                continue
            row = {"id": record.id, "source": record.source, "text": found.decode(tokens[:-1])}
            of = {"part": part.name, "tokens": record.num_tokens}
            print(json.dumps(row | of, ensure_ascii=False))
    if known.missing:
        raise typer.Exit(EXIT_WRONG)


class PartVocabularies:
    """The vocabularies of parts by digest: those that were given, else those in the store."""

    def __init__(self, store: ObjectStore, given: Sequence[Vocabulary]) -> None:
        self._store = store
        self._found = {vocabulary.digest: vocabulary for vocabulary in given}
        self._given = sorted(self._found)
        self.missing: set[str] = set()

    def of(self, part: PartSealed) -> Vocabulary | None:
        """That of a part; or None, and a line on standard error the first time."""
        digest = part.tokenizer
        if digest not in self._found and digest not in self.missing:
            try:
                self._found[digest] = stored_vocabulary(self._store, digest)
            except (FileNotFoundError, ValueError, ConfigurationError):
                self.missing.add(digest)
                given = f" (given: {', '.join(self._given)})" if self._given else ""
                print(
                    f"corpusworks: {part.name} and others are left out: their vocabulary {digest} is not in "
                    f"{self._store.url}{given}; give its file with --vocabulary and --end-of-document",
                    file=sys.stderr,
                )
        return self._found.get(digest)


def stored_vocabulary(store: ObjectStore, digest: str) -> Vocabulary:
    """By its digest. Raises FileNotFoundError, ValueError, ConfigurationError where the store has none."""
    from services.tokenizer import Vocabulary

    card = VocabularyCard.find(store, digest)
    found = Vocabulary(card.content(store, digest), card.end_token)
    if found.digest != digest:
        raise ValueError(f"what lies there has digest {found.digest}")
    return found
