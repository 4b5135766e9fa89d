"""How many tokens texts take, by language and by domain, in one vocabulary or before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from services.tokenizer.extend import extends
from services.tokenizer.vocabulary import Vocabulary, mended

LANGUAGE, DOMAIN, ALL = "language", "domain", "all"


@dataclass
class Row:
    """Sums over texts. kind: LANGUAGE, DOMAIN or ALL; tokens: of each vocabulary."""

    kind: str
    name: str
    tokens: list[int]
    documents: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, text: str, num_tokens: Sequence[int]) -> None:
        """Count a text in."""
        self.documents += 1
        self.characters += len(text)
        self.bytes += len(text.encode())
        self.tokens = [before + more for before, more in zip(self.tokens, num_tokens, strict=True)]

    @property
    def change(self) -> float | None:
        """Tokens of the second vocabulary against the first: -0.3 for 30 % fewer; None with one."""
        return self.tokens[-1] / self.tokens[0] - 1 if len(self.tokens) == 2 and self.tokens[0] else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; tokens_per_character and bytes_per_token by vocabulary."""
        row: dict[str, Any] = {"by": self.kind, "name": self.name, "documents": self.documents}
        row |= {"characters": self.characters, "bytes": self.bytes, "tokens": self.tokens}
        row["tokens_per_character"] = [tokens / self.characters for tokens in self.tokens]
        row["bytes_per_token"] = [self.bytes / max(1, tokens) for tokens in self.tokens]
        return row | ({} if self.change is None else {"change": self.change})


@dataclass(frozen=True)
class Use:
    """of: tokens of a whole vocabulary, or those that an extension added; unused: how many are in no text."""

    of: int
    unused: int

    @property
    def unused_share(self) -> float:
        """0..1."""
        return self.unused / max(1, self.of)


@dataclass
class Report:
    """Over texts that are added one by one. vocabularies: one, or one and what it is compared with.

    broken: for each vocabulary, the texts that do not come back from its tokens byte for byte.
    """

    vocabularies: Sequence[Vocabulary]
    broken: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.broken = [0 for _ in self.vocabularies]
        self._used = [np.zeros(vocabulary.size, dtype=np.bool_) for vocabulary in self.vocabularies]
        self._rows: dict[tuple[str, str], Row] = {}

    def add(self, text: str, language: str, domain: str) -> None:
        """Count a text in; half surrogate pairs become U+FFFD, as the river makes them."""
        text = mended(text)
        if not text:
            return
        numbers = [self._encoded(position, text) for position in range(len(self.vocabularies))]
        for kind, name in ((LANGUAGE, language), (DOMAIN, domain), (ALL, "")):
            if (kind, name) not in self._rows:
                self._rows[kind, name] = Row(kind, name, [0 for _ in numbers])
            self._rows[kind, name].add(text, numbers)

    def rows(self) -> Iterator[Row]:
        """Languages, then domains, by name; then all."""
        order = (LANGUAGE, DOMAIN, ALL)
        yield from (self._rows[key] for key in sorted(self._rows, key=lambda key: (order.index(key[0]), key)))

    def use(self, position: int) -> Use:
        """Of all tokens of a vocabulary."""
        return self._use(position, 0)

    def new_use(self) -> Use | None:
        """Of the tokens that the second vocabulary has more than the first; None unless it extends that."""
        if len(self.vocabularies) != 2 or not extends(self.vocabularies[1], self.vocabularies[0]):
            return None
        return self._use(1, self.vocabularies[0].size)

    def _use(self, position: int, first: int) -> Use:
        ids = np.array(sorted(self.vocabularies[position].tokens().values()))
        ids = ids[ids >= first]
        return Use(len(ids), int(np.count_nonzero(~self._used[position][ids])))

    def _encoded(self, position: int, text: str) -> int:
        vocabulary = self.vocabularies[position]
        ids: npt.NDArray[np.uint32] = vocabulary.encode_batch([text])[0]
        self._used[position][ids] = True
        self.broken[position] += vocabulary.decode_bytes(ids) != text.encode()
        return len(ids)
