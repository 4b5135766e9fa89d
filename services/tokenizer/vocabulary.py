"""A vocabulary: text to token ids and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.runtime import ConfigurationError, VocabularyCard
from services.tokenizer.huggingface import READING, HuggingFaceEngine
from services.tokenizer.pattern import PATTERN
from services.tokenizer.ranks import RankEngine

DEFAULT = Path(__file__).with_name("default.tiktoken")
END_OF_DOCUMENT = "<|endoftext|>"


class Engine(Protocol):
    """What runs a vocabulary."""

    end_of_document: int
    size: int

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Ids of a text. Raises UnicodeEncodeError for surrogates."""

    def tokens(self) -> dict[str, int]:
        """Id of every token by its name."""

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """Bytes of the ids. Raises KeyError for an id that is no token."""


class Vocabulary:
    """Token ids of texts, by the contents of a tiktoken rank file or of an HF `tokenizer.json`.

    content: the file's bytes. end_of_document: name of the token that closes a document.
    size: the highest id plus one. digest: see digest_of. card: these, for who has to do with the ids.
    Raises ValueError when the contents cannot be used.

    Rank files are cut by this package's own pattern: to get the very ids of another model, give its
    tokenizer.json.
    """

    def __init__(self, content: bytes, end_of_document: str = END_OF_DOCUMENT) -> None:
        engine = RankEngine if is_ranked(content) else HuggingFaceEngine
        self._engine: Engine = engine(content, end_of_document)
        self.content = content
        self.end_of_document = self._engine.end_of_document
        self.size = self._engine.size
        self.digest = digest_of(content, end_of_document)
        self.card = VocabularyCard(self.digest, self.size, self.end_of_document, end_of_document)

    @classmethod
    def load(cls, path: Path | None = None, end_of_document: str = END_OF_DOCUMENT) -> Vocabulary:
        """The vocabulary in a file, or the default one (see default.md beside this module).

        Raises ConfigurationError that says what to do.
        """
        try:
            return cls((path or DEFAULT).read_bytes(), end_of_document)
        except (OSError, ValueError) as error:
            raise _unusable(path or DEFAULT, error) from error

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        path.write_bytes(self.content)

    def encode_batch(self, texts: Iterable[str]) -> list[npt.NDArray[np.uint32]]:
        """Ids of each text, without an end-of-document token; O(n log n) in a text's length at worst.

        Special tokens' names are ordinary text. What no UTF-8 can hold (a lone surrogate) becomes U+FFFD.
        """
        return [self._encode(text) for text in texts]

    def tokens(self) -> dict[str, int]:
        """Id of every token by its name; in byte-level BPE a letter for each byte (`ranks.name_of`)."""
        return self._engine.tokens()

    def decode(self, ids: Sequence[int] | npt.NDArray[np.uint32]) -> str:
        """Text of the ids; end-of-document ids give none, half a character becomes U+FFFD.

        Raises ValueError for an id that is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Sequence[int] | npt.NDArray[np.uint32]) -> bytes:
        """As `decode`, but the bytes as they are."""
        numbers = np.asarray(ids, dtype=np.uint32)
        try:
            return self._engine.decode_bytes(numbers[numbers != self.end_of_document].tolist())
        except KeyError as error:
            raise ValueError(
                f"{error} is no token of this vocabulary: decode with the one that encoded it"
            ) from None

    def _encode(self, text: str) -> npt.NDArray[np.uint32]:
        try:
            return self._engine.encode(text)
        except UnicodeEncodeError:
            return self._engine.encode(mended(text))


def mended(text: str) -> str:
    """The text with halves of surrogate pairs joined, or replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def digest_of(content: bytes, end_of_document: str) -> str:
    """SHA-256, in hexadecimal, of all that decides the ids: the file, and how we read it."""
    reading = PATTERN if is_ranked(content) else READING
    return hashlib.sha256(f"{reading}\0{end_of_document}\0".encode() + content).hexdigest()


def digest_of_file(path: Path | None, end_of_document: str) -> str:
    """The digest of what `load` would load, without loading it. Raises ConfigurationError."""
    try:
        return digest_of((path or DEFAULT).read_bytes(), end_of_document)
    except OSError as error:
        raise _unusable(path or DEFAULT, error) from error


def is_ranked(content: bytes) -> bool:
    """Whether a file's contents are taken for tiktoken ranks; else they are for a tokenizer.json."""
    return not content.lstrip().startswith(b"{")


def _unusable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the tokenizer's vocabulary {path} cannot be used: {error}. Give a tiktoken rank file or a Hugging "
        "Face tokenizer.json, and the name of its end-of-document token, or leave both out for the default"
    )
