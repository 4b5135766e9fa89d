"""`parts`: packed parts; no server is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import PartSealed
from services.cli.exits import EXIT_WRONG
from services.local.store import store_in
from services.runtime import ConfigurationError, ObjectStore, VocabularyCard

if TYPE_CHECKING:
    from services.tokenizer import Vocabulary

app = typer.Typer(no_args_is_help=True, help="Look at packed parts; no server is needed.")

Folder = Annotated[
    str, typer.Argument(help="Folder given to run or up, or the store's folder or URL (s3://…).")
]


@app.command("list")
def parts_list(folder: Folder) -> None:
    """A line for each part; sequence: its number in the catalog, null while it has none."""
    from services.catalog.reader import Reader
    from services.sink.parts import list_parts

    store = store_in(folder)
    numbers = {entry.name: entry.sequence for entry in Reader(store).read()}
    for part in list_parts(store):
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


@app.command("verify")
def parts_verify(folder: Folder) -> None:
    """Check every part against its announcement and the catalog; exit 1 with what is wrong."""
    from services.catalog.check import problems_of
    from services.sink.parts import list_parts, verify

    store = store_in(folder)
    problems = [*verify(store), *problems_of(store, parts := list_parts(store))]
    for problem in problems:
        print(problem)
    print(f"{len(parts)} parts, {len(problems)} problems", file=sys.stderr)
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
    known = _Vocabularies(store, given)
    for part, record, tokens in documents(store):
        if (found := known.of(part)) is None:
            continue
        row = {"id": record.id, "source": record.source, "text": found.decode(tokens[:-1]), "part": part.name}
        print(json.dumps(row | {"tokens": record.num_tokens}, ensure_ascii=False))
    if known.missing:
        raise typer.Exit(EXIT_WRONG)


class _Vocabularies:
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
                self._found[digest] = self._stored(digest)
            except (FileNotFoundError, ValueError, ConfigurationError):
                self.missing.add(digest)
                given = f" (given: {', '.join(self._given)})" if self._given else ""
                print(
                    f"corpusworks: {part.name} and others are left out: their vocabulary {digest} is not in "
                    f"{self._store.url}{given}; give its file with --vocabulary and --end-of-document",
                    file=sys.stderr,
                )
        return self._found.get(digest)

    def _stored(self, digest: str) -> Vocabulary:
        from services.tokenizer import Vocabulary

        card = VocabularyCard.find(self._store, digest)
        found = Vocabulary(card.content(self._store, digest), card.end_token)
        if found.digest != digest:
            raise ValueError(f"what lies there has digest {found.digest}")
        return found
