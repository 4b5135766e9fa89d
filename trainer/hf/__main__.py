"""See trainer.hf."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config import ModelConfig
from trainer.errors import ConfigError, errors
from trainer.hf.export import Tokenizer, export
from trainer.hf.read import read

if TYPE_CHECKING:
    from trainer.data.store import Store


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m trainer.hf", description=__doc__)
    commands = parser.add_subparsers(required=True)
    out = commands.add_parser("export", help="write a checkpoint as a folder that transformers loads")
    out.add_argument("--store", required=True, help="folder or URL that holds train/")
    out.add_argument("--run", required=True, help="name of the run")
    out.add_argument("--step", type=int, help="of the checkpoint; the newest if left out")
    out.add_argument("--out", required=True, type=Path, help="folder to make")
    out.add_argument("--tokenizer", type=Path, help="tokenizer.json; the store's own if left out")
    out.add_argument("--end-token", default="<|endoftext|>", help="with --tokenizer: name of the end token")
    out.add_argument("--context", type=int, default=2048, help="tokens of a sequence that it was trained on")
    out.set_defaults(command=_export)
    into = commands.add_parser("import", help="check a folder and print what a configuration needs to go on")
    into.add_argument("folder", type=Path)
    into.add_argument("--pieces", type=Path, help="of `corpusworks tokenizer extend`")
    into.set_defaults(command=_import)
    given = parser.parse_args()
    with errors("trainer.hf"):
        given.command(given)


def _export(given: argparse.Namespace) -> None:
    from trainer.checkpoint import load_model
    from trainer.data.store import Store

    store = Store(given.store)
    state, found = load_model(store, given.run, given.step)
    if given.tokenizer:
        tokenizer = Tokenizer.read(_bytes(given.tokenizer), given.end_token, given.tokenizer)
    else:
        tokenizer = _kept(store, str(found.about.get("vocabulary", "")))
    export(state, ModelConfig(**found.about["model"]), given.out, tokenizer, given.context)
    print(f"{given.out}: step {found.step} of run {given.run}")


def _kept(store: Store, digest: str) -> Tokenizer:
    """The tokenizer that the river left in the store. Raises ConfigError: none, or one of another kind."""
    try:
        card = json.loads(store.get(f"vocabularies/{digest}.json"))
        content = store.get(f"vocabularies/{digest}.file")
    except FileNotFoundError:
        raise ConfigError(f"{store.url} does not hold vocabulary {digest}: give --tokenizer FILE") from None
    return Tokenizer.read(content, card["end_token"], f"vocabularies/{digest}.file")


def _import(given: argparse.Namespace) -> None:
    found = read(given.folder, given.pieces)
    print(f"start:\n  folder: {given.folder.absolute()}")
    if given.pieces:
        print(f"  pieces: {given.pieces.absolute()}")
    if found.vocabulary:
        print(f"# data.vocabulary: {found.vocabulary}")
    print("model:")
    for name, value in _values(found.config).items():
        print(f"  {name}: {json.dumps(value)}")


def _values(config: ModelConfig) -> Mapping[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


if __name__ == "__main__":
    main()
