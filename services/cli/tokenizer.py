"""`tokenizer`: make a vocabulary, extend or convert one, and say what it makes of documents."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.documents import Text, texts
from services.cli.exits import EXIT_WRONG, fail
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.tokenizer import Vocabulary
    from services.tokenizer.report import Report, Row

app = typer.Typer(
    no_args_is_help=True, help="Vocabularies: make, extend, convert and compare them; no server needed."
)

Paths = Annotated[list[str] | None, typer.Argument(help="Files and folders of documents, as run reads them.")]
Parts = Annotated[
    str | None, typer.Option("--parts", help="Packed parts: folder given to run, or the store's URL.")
]
EndOfDocument = Annotated[
    str | None,
    typer.Option("--end-of-document", help="Name of the token that closes a document, if not <|endoftext|>."),
]
Given = Annotated[
    str, typer.Argument(help="tokenizer.json, tiktoken ranks, what extend has made, or the word default.")
]

PIECES = "pieces.json"
_FILES = {True: "vocabulary.tiktoken", False: "tokenizer.json"}  # by whether it is ranks
_DEFAULT = "default"


@app.command()
def train(
    *,
    paths: Paths = None,
    parts: Parts = None,
    out: Annotated[
        Path, typer.Option("--out", help="File to write: tokenizer.json if it ends in .json, else ranks.")
    ],
    size: Annotated[int | None, typer.Option("--size", help="Tokens in all, if not 49,152.")] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="Bytes by language, as zh=4,en=4,code=2; others are left out."),
    ] = None,
    special: Annotated[
        list[str] | None, typer.Option("--special", help="A special token besides; needs a .json.")
    ] = None,
    end_of_document: EndOfDocument = None,
) -> None:
    """A vocabulary made from documents: byte-level BPE, the same for the same documents."""
    from services.tokenizer import END_OF_DOCUMENT
    from services.tokenizer.train import SIZE, as_tokenizer_json
    from services.tokenizer.train import train as train_on

    _absent(out)
    size, special = SIZE if size is None else size, special or []
    if special and out.suffix != ".json":
        raise ConfigurationError("a rank file has no special tokens but the last: give --out a name in .json")
    read = texts(paths or [], parts)
    with _told("train"):
        chosen = _mixed(read, _weights(weights)) if weights else (text.text for text in read)
        made = train_on(chosen, size - len(special), end_of_document or END_OF_DOCUMENT)
        if (found := made.size + len(special)) < size:
            raise ValueError(f"the documents are enough for {found:,} tokens, not for --size {size:,}")
        if out.suffix == ".json":
            made = as_tokenizer_json(made, special)
    _place(out, made.save)
    _say(made, out)


@app.command()
def extend(
    vocabulary: Given,
    *,
    paths: Paths = None,
    parts: Parts = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="How many tokens more.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make: the vocabulary, and pieces.json.")],
    least: Annotated[int, typer.Option("--least", min=1, help="How often a new token must occur.")] = 2,
    end_of_document: EndOfDocument = None,
) -> None:
    """More tokens for a vocabulary, from documents of a domain; those it has keep their ids.

    pieces.json says by which old ids each new one was written, {"pieces": {"NEW": [OLD, ...]}}: the mean of
    their embeddings is where a new one's begins.
    """
    from services.tokenizer.extend import extend as extend_by
    from services.tokenizer.vocabulary import is_ranked

    _absent(out)
    old = _load(vocabulary, end_of_document)
    with _told(f"{vocabulary} by {tokens:,} tokens"):
        made = extend_by(old, (text.text for text in texts(paths or [], parts)), tokens, least)
    name = _FILES[is_ranked(old.content)]

    def write(folder: Path) -> None:
        folder.mkdir()
        made.vocabulary.save(folder / name)
        (folder / PIECES).write_bytes(made.pieces_file())

    _place(out, write)
    print(f"new ids {old.size} to {made.vocabulary.size - 1}; their old pieces: {out / PIECES}")
    _say(made.vocabulary, out / name)


@app.command()
def convert(
    vocabulary: Given,
    *,
    out: Annotated[Path, typer.Option("--out", help="tokenizer.json to write.")],
    end_of_document: EndOfDocument = None,
) -> None:
    """The same ids as a tokenizer.json, for who reads no ranks: Hugging Face's models, serving engines."""
    from services.tokenizer.train import as_tokenizer_json
    from services.tokenizer.vocabulary import is_ranked

    _absent(out)
    found = _load(vocabulary, end_of_document)
    made = as_tokenizer_json(found) if is_ranked(found.content) else found
    _place(out, made.save)
    _say(made, out)


@app.command()
def report(
    vocabulary: Given,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="[VOCABULARY2] PATH…: a second vocabulary, then documents.", show_default=False),
    ] = None,
    *,
    parts: Parts = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    end_of_document: EndOfDocument = None,
) -> None:
    """Tokens a character and bytes a token, by language and domain; with two vocabularies before and after.

    Exit 1 when a text does not come back from its tokens byte for byte.
    """
    from services.tokenizer.report import Report

    paths = paths or []
    names = [vocabulary, *(paths[:1] if paths and _is_vocabulary(paths[0]) else [])]
    made = Report([_load(name, end_of_document) for name in names])
    for text in texts(paths[len(names) - 1 :], parts):
        made.add(text.text, text.language, text.domain)
    if as_json:
        print(json.dumps(_as_json(made, names), ensure_ascii=False, indent=1))
    else:
        _show(made, names)
    if any(made.broken):
        told = " and ".join(f"{count:,} with {name}" for name, count in zip(names, made.broken, strict=True))
        fail(f"texts that do not come back byte for byte from their tokens: {told}", EXIT_WRONG)


def _load(name: str, end_of_document: str | None) -> Vocabulary:
    """Raises ConfigurationError."""
    from services.tokenizer import END_OF_DOCUMENT, Vocabulary

    path = None if name == _DEFAULT else Path(name)
    if path is not None and path.is_dir():
        path = next((path / file for file in _FILES.values() if (path / file).is_file()), path)
    return Vocabulary.load(path, end_of_document or END_OF_DOCUMENT)


def _is_vocabulary(name: str) -> bool:
    """Whether an argument is one, and no document: by its name, or by what a folder or a JSON file holds."""
    path = Path(name)
    if name == _DEFAULT or path.suffix == ".tiktoken" or (path / PIECES).is_file():
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        definition = json.loads(path.read_bytes())
    except ValueError:
        return path.name == _FILES[False]
    return isinstance(definition, dict) and "vocab" in (definition.get("model") or ())


def _weights(written: str) -> dict[str, float]:
    """Raises ConfigurationError."""
    weights: dict[str, float] = {}
    for part in written.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise ConfigurationError(
                f"--weights {written}: {part!r} is not LANGUAGE=WEIGHT, such as zh=4"
            ) from None
    return weights


def _mixed(found: Iterable[Text], weights: dict[str, float]) -> list[str]:
    from services.tokenizer.mix import mix

    made = mix(((text.language, text.text) for text in found), weights)
    for language in sorted(made.found):
        share = f"{made.chosen.get(language, 0) / 1e6:.2f} of {made.found[language] / 1e6:.2f} MB"
        print(f"{language}: {share}", file=sys.stderr)
    return made.texts


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the tools say of the user's files, as an error of the user's. Raises ConfigurationError."""
    try:
        yield
    except ValueError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def _absent(out: Path) -> None:
    if out.exists():
        raise ConfigurationError(f"--out {out} exists; name another, or remove it")
    if not out.absolute().parent.is_dir():
        raise ConfigurationError(f"--out {out}: its folder does not exist; make it first")


def _place(out: Path, write: Callable[[Path], None]) -> None:
    """Whole or not at all: a river may be started with what lies there."""
    made = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write(made)
        made.rename(out)
    except OSError as error:
        raise ConfigurationError(f"--out {out}: {error.strerror or error}") from error


def _say(made: Vocabulary, path: Path) -> None:
    from services.tokenizer import END_OF_DOCUMENT

    print(f"{made.size} tokens, digest {made.digest}")
    settings = f"CORPUSWORKS_UNITS__TOKENIZER__VOCABULARY={path.absolute()}"
    if made.card.end_token != END_OF_DOCUMENT:
        settings += f" CORPUSWORKS_UNITS__TOKENIZER__END_OF_DOCUMENT='{made.card.end_token}'"
    print(f"for a new river: {settings}")


def _as_json(made: Report, names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"vocabularies": []}
    for position, (name, vocabulary) in enumerate(zip(names, made.vocabularies, strict=True)):
        row: dict[str, Any] = {"vocabulary": name, "digest": vocabulary.digest, "size": vocabulary.size}
        row |= {"unused_share": made.use(position).unused_share, "broken": made.broken[position]}
        found["vocabularies"].append(row)
    if new := made.new_use():
        found["new_tokens"] = {"of": new.of, "unused": new.unused, "unused_share": new.unused_share}
    return found | {"rows": [row.as_dict() for row in made.rows()]}


def _show(made: Report, names: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("by", "", title_justify="left")
    headings = ["documents", "characters"]
    for place in ["\nbefore", "\nafter"] if len(names) == 2 else [""]:
        headings += [f"tokens/char{place}", f"bytes/token{place}"]
    for heading in [*headings, *(["tokens"] if len(names) == 2 else [])]:
        table.add_column(heading, justify="right")
    for row in made.rows():
        table.add_row(*_cells(row))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for position, name in enumerate(names):
        use = made.use(position)
        print(f"{name}: {use.of:,} tokens, {use.unused_share:.1%} in no text")
    if new := made.new_use():
        print(f"new tokens: {new.of:,}, {new.unused_share:.1%} in no text")


def _cells(row: Row) -> list[str]:
    cells = [row.kind, row.name, f"{row.documents:,}", f"{row.characters:,}"]
    for tokens in row.tokens:
        cells += [f"{tokens / row.characters:.3f}", f"{row.bytes / max(1, tokens):.2f}"]
    return cells if row.change is None else [*cells, f"{row.change:+.1%}"]
