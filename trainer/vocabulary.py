"""What the store says of a vocabulary: how many ids it has, and how many bytes of text each stands for.

    vocabularies/<digest>.json     the card; its `size` is the highest id plus one
    vocabularies/<digest>.file     tiktoken ranks, or a tokenizer.json

A river's tokenizer leaves both. Bytes by token make losses comparable between vocabularies (bits per byte);
parts do not hold them, and without the file only losses are told.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from trainer.data.loader import Loader
from trainer.errors import ConfigError, DataError

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.data.store import Store

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def vocabulary_size(store: Store, digest: str) -> int:
    """The highest id plus one; 0 where the store does not say it."""
    try:
        return int(json.loads(store.get(f"vocabularies/{digest}.json"))["size"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def resolved(
    config: TrainConfig, store: Store, vocabulary: str, interrupted: Callable[[], bool] = lambda: False
) -> TrainConfig:
    """The same with the vocabulary and its size: the config's, else the run's, else the first part's.

    vocabulary: the run's digest, empty for a run that begins; then the first part is waited for, and is of
    the config's vocabulary, before a checkpoint makes that the run's own. Raises DataError where none comes
    or it is of another one, ConfigError where nobody says how many ids there are.
    """
    digest = vocabulary or _first(config, store, interrupted)
    digest = config.data.vocabulary or digest
    size = config.data.vocabulary_size or vocabulary_size(store, digest)
    if not size and not config.model.vocab_size:
        raise ConfigError(
            f"model.vocab_size: {store.url} does not say how many ids the vocabulary "
            f"{digest or 'of its parts'} has; set data.vocabulary_size"
        )
    if 0 < config.model.vocab_size < size:
        raise ConfigError(f"model.vocab_size: {config.model.vocab_size} rows are too few for {size} ids")
    data = replace(config.data, vocabulary=digest, vocabulary_size=size or config.model.vocab_size)
    return replace(config, data=data, model=replace(config.model, vocab_size=config.model.vocab_size or size))


def _first(config: TrainConfig, store: Store, interrupted: Callable[[], bool]) -> str:
    """Of the first global batch that there is."""
    loader = Loader(store, config.data, interrupted=interrupted)
    try:
        step = next(loader, None)
    finally:
        loader.close()
    if step is None:
        raise DataError(
            f"{store.url} has no parts for one global batch of {config.data.batch_size} sequences yet: is "
            "data.store the one of a river that seals parts?"
        )
    return step.state.vocabulary or _only(store)


def _only(store: Store) -> str:
    """For parts that do not say theirs: the only one in the store; empty where there are more."""
    cards = [key for key in store.list("vocabularies") if key.endswith(".json")]
    return cards[0].removeprefix("vocabularies/").removesuffix(".json") if len(cards) == 1 else ""


def token_bytes(store: Store, digest: str, size: int) -> torch.Tensor | None:
    """Bytes of each token's text, (size,) int64; 0 for marks. None where it cannot be known."""
    try:
        content = store.get(f"vocabularies/{digest}.file")
        known = dict(
            _of_tokenizer(json.loads(content)) if content.lstrip()[:1] == b"{" else _of_ranks(content)
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    lengths = torch.zeros(size, dtype=torch.int64)
    for index, length in known.items():
        if 0 <= index < size:
            lengths[index] = length
    return lengths


def _of_ranks(content: bytes) -> Iterator[tuple[int, int]]:
    """Lines of a token in base64 and its id; the mark that ends a document is among them."""
    for line in content.splitlines():
        token, _, index = line.partition(b" ")
        try:
            text = base64.b64decode(token, validate=True)
        except binascii.Error as error:
            raise ValueError(line) from error
        yield int(index), 0 if _is_mark(text.decode(errors="replace")) else len(text)


def _of_tokenizer(definition: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Pieces of byte-level models have a letter for each byte; others' are text, with ▁ for a space."""
    by_byte = "ByteLevel" in json.dumps([definition.get("pre_tokenizer"), definition.get("decoder")])
    pieces = definition["model"]["vocab"]
    named = (
        pieces.items() if isinstance(pieces, dict) else ((piece, i) for i, (piece, _) in enumerate(pieces))
    )
    for piece, index in named:
        if _BYTE.fullmatch(piece):
            yield index, 1
        else:
            yield index, len(piece) if by_byte else len(piece.replace("▁", " ").encode())
    for added in definition.get("added_tokens", ()):
        mark = added["special"] or _is_mark(added["content"])
        yield added["id"], 0 if mark else len(added["content"].encode())


def _is_mark(text: str) -> bool:
    return len(text) > 4 and text.startswith("<|") and text.endswith("|>")
