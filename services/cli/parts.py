"""`parts`: packed parts; no server is needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.exits import EXIT_WRONG
from services.runtime import ConfigurationError, ObjectStore

app = typer.Typer(no_args_is_help=True, help="Look at packed parts; no server is needed.")

Folder = Annotated[Path, typer.Argument(help="Folder given to run or up, or a store's folder.")]


@app.command("list")
def parts_list(folder: Folder) -> None:
    """A line for each part."""
    from services.sink.parts import list_parts

    for part in list_parts(store_in(folder)):
        row = {
            "part": part.name,
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
    """Check every part against its announcement; exit 1 with what is wrong."""
    from services.sink.parts import list_parts, verify

    store = store_in(folder)
    problems = verify(store)
    for problem in problems:
        print(problem)
    print(f"{len(list_parts(store))} parts, {len(problems)} problems", file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_WRONG)


@app.command("decode")
def parts_decode(
    folder: Folder,
    vocabulary: Annotated[Path | None, typer.Option("--vocabulary", help="If it is not the default.")] = None,
) -> None:
    """The documents in the parts as text, a JSON line each."""
    from services.sink.parts import documents
    from services.tokenizer import Vocabulary

    known = Vocabulary.load(vocabulary)
    for part, record, tokens in documents(store_in(folder)):
        row = {"id": record.id, "source": record.source, "text": known.decode(tokens[:-1]), "part": part.name}
        print(json.dumps(row | {"tokens": record.num_tokens}, ensure_ascii=False))


def store_in(folder: Path) -> ObjectStore:
    """The store of a folder given to run or up. Raises ConfigurationError."""
    root = folder.parent if folder.name == "parts" else folder
    if not (root / "parts").is_dir():
        raise ConfigurationError(f"{folder} holds no parts: give the folder that `run` was given as --out")
    return ObjectStore(root.absolute().as_uri())
