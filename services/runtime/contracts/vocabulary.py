"""What is known of a vocabulary by its digest: the tokenizer leaves it in the store, those behind it read it.

    vocabularies/<digest>.json     the card
    vocabularies/<digest>.file     the vocabulary's own file, from which ids become text again

A digest is of the contents, so writing again changes nothing, and neither is ever changed. The card is
written last: where there is a card there is a file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from services.runtime.clients.store import ObjectStore
from services.runtime.errors import ConfigurationError

_FOLDER = "vocabularies"


@dataclass(frozen=True)
class VocabularyCard:
    """digest: as in Document.tokenizer. size: highest id plus one. end_of_document: id; end_token: its name."""

    digest: str
    size: int
    end_of_document: int
    end_token: str

    def keep(self, store: ObjectStore, content: bytes) -> None:
        """Leave the card and the vocabulary's file in the store. Raises DependencyDown."""
        try:
            if self.find(store, self.digest) == self:
                return
        except ConfigurationError:
            pass  # not there yet, or damaged
        store.put(_file(self.digest), content)
        store.put(_card(self.digest), json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def find(cls, store: ObjectStore, digest: str) -> Self:
        """The card of a digest. Raises ConfigurationError saying what to do, DependencyDown."""
        key = _card(digest)
        try:
            found = cls(**json.loads(store.get(key)))
        except (FileNotFoundError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{key} is not in {store.url} or cannot be read ({type(error).__name__}): it describes the "
                f"vocabulary of documents that are there. Start the tokenizer once with that vocabulary, it "
                "writes it again; or set the store that the tokenizer writes to"
            ) from error
        return found

    @staticmethod
    def content(store: ObjectStore, digest: str) -> bytes:
        """The vocabulary's file. Raises FileNotFoundError, DependencyDown."""
        return store.get(_file(digest))


def _card(digest: str) -> str:
    return f"{_FOLDER}/{digest}.json"


def _file(digest: str) -> str:
    return f"{_FOLDER}/{digest}.file"
