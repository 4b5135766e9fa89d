"""What is known of a vocabulary by its digest: the tokenizer leaves it in the store, those behind it read it.

    vocabularies/<digest>.json     the card
    vocabularies/<digest>.file     the vocabulary's own file, from which ids become text again

A digest is of the contents, so writing again changes nothing, and neither is ever changed. The card is
written last: where there is a card there is a file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

from contracts import Document
from services.runtime.clients.store import ObjectStore
from services.runtime.errors import ConfigurationError

_FOLDER = "vocabularies"


@dataclass(frozen=True)
class VocabularyCard:
    """digest: as in Document.tokenizer. size: highest id plus one. end_token: the name of end_of_document."""

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


class Fault(NamedTuple):
    """Why no part can hold a document. detail: for a person."""

    reason: str
    detail: str


class Vocabularies:
    """The cards in a store, each read once; and what they say of a document's tokens."""

    FAULTS = frozenset({"no_tokens", "bad_tokens", "no_vocabulary", "token_out_of_range"})

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._cards: dict[str, VocabularyCard] = {}

    def card(self, digest: str) -> VocabularyCard:
        """See VocabularyCard.find."""
        if digest not in self._cards:
            self._cards[digest] = VocabularyCard.find(self._store, digest)
        return self._cards[digest]

    def fault(self, document: Document) -> Fault | None:
        """What is wrong with a document's tokens; about 3 µs. Raises what `card` raises."""
        import numpy as np

        data = document.token_ids
        if not data:
            return Fault("no_tokens", "the document has no token ids; the tokenizer runs before the router")
        if len(data) != 4 * document.num_tokens:
            told = f"{len(data)} bytes of token ids for {document.num_tokens} tokens; each takes 4"
            return Fault("bad_tokens", told)
        if not document.tokenizer:
            return Fault("no_vocabulary", "the document does not say of which vocabulary its token ids are")
        size = self.card(document.tokenizer).size
        if (largest := int(np.frombuffer(data, "<u4").max())) >= size:
            told = f"token {largest}; vocabulary {document.tokenizer} has {size:,}"
            return Fault("token_out_of_range", told)
        return None


def _card(digest: str) -> str:
    return f"{_FOLDER}/{digest}.json"


def _file(digest: str) -> str:
    return f"{_FOLDER}/{digest}.file"
