"""Extend a vocabulary by the tokens of a domain, so that a model that knows it can go on with the new one.

Tokens are learned on top: texts are cut by the old vocabulary, and merging goes on from there. Every old
token keeps its id, and old merges come before new ones, so a text without the domain's words is cut almost
as before, and a new token is always a row of old ones. Their embeddings begin as the mean of those:

    embedding[new] = embedding[pieces[new]].mean(axis=0)

(Gee et al. 2022, "Fast Vocabulary Transfer for Language Model Compression").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from services.tokenizer.bytelevel import ByteLevel
from services.tokenizer.merges import MAX_SIZE, Merge, ids_of, learn, spell
from services.tokenizer.ranks import name_of
from services.tokenizer.train import LEAST, LONGEST_TOKEN
from services.tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True)
class Extension:
    """vocabulary: the new one; of: the old one. pieces: new id to the old ids that it stands for."""

    vocabulary: Vocabulary
    of: Vocabulary
    pieces: Mapping[int, tuple[int, ...]]

    def pieces_file(self) -> bytes:
        """JSON for a trainer: digests and sizes of both vocabularies, and `pieces`, new id → old ids."""
        about = {"digest": self.vocabulary.digest, "size": self.vocabulary.size}
        about |= {"of_digest": self.of.digest, "of_size": self.of.size}
        rows = ",\n".join(f'"{new}": {json.dumps(old)}' for new, old in self.pieces.items())
        return f'{json.dumps(about)[:-1]}, "pieces": {{\n{rows}\n}}}}\n'.encode()


@dataclass
class _Grown:
    """Learned so far. tokens: bytes to id; merges: all that make one, or an old one in another way."""

    tokens: dict[bytes, int] = field(default_factory=dict)
    merges: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: dict[int, tuple[int, ...]] = field(default_factory=dict)


def extend(vocabulary: Vocabulary, texts: Iterable[str], num_tokens: int, least: int = LEAST) -> Extension:
    """The vocabulary with num_tokens more, the pairs that are most frequent in the texts.

    Their ids begin at vocabulary.size. None is longer than LONGEST_TOKEN bytes, crosses a word's edge or
    has the name of an added token. The same texts in any order give the same. Holds all texts in memory, at
    some ten times their bytes.
    Raises ValueError when the vocabulary cannot be extended, or when the texts have fewer pairs that occur
    `least` times.
    """
    base = ByteLevel(vocabulary)
    if vocabulary.size > MAX_SIZE:
        raise ValueError(f"its highest id is {vocabulary.size - 1:,}; {MAX_SIZE - 1:,} can be extended")
    spellings = [spell(*base.words(text)) for text in texts if text]
    asked = num_tokens
    while True:
        asked += 64 + asked // 16  # some make one token in two ways, or one that is too long
        merges = learn(spellings, vocabulary.size, asked, least)
        grown = _grow(base, merges, vocabulary.size, num_tokens)
        if len(grown.tokens) == num_tokens:
            break
        if len(merges) < asked:
            raise ValueError(
                f"the documents hold {len(grown.tokens):,} new tokens that occur {least} times or more, not "
                f"{num_tokens:,}; ask for fewer or give more documents"
            )
    content = base.with_more(grown.tokens, grown.merges)
    made = Vocabulary(content, vocabulary.card.end_token)
    if made.size != vocabulary.size + num_tokens or not extends(made, vocabulary):
        raise ValueError("its file gives its tokens other ids when there are more; please report which it is")
    return Extension(made, vocabulary, grown.pieces)


def extends(new: Vocabulary, old: Vocabulary) -> bool:
    """Whether every token of the old vocabulary is in the new one with the same id, and there are more."""
    return new.size > old.size and old.tokens().items() <= new.tokens().items()


def _grow(base: ByteLevel, merges: Iterable[Merge], first: int, num_tokens: int) -> _Grown:
    grown, made = _Grown(), set[str]()
    for left, right in merges:
        if len(grown.tokens) == num_tokens:
            break
        if not all(len(part) == 1 or part in made for part in (left, right)):
            continue  # goes on from one that was left out
        ids, parts = ids_of(left + right), tuple(b"".join(_bytes(base, part)) for part in (left, right))
        token = parts[0] + parts[1]
        if len(token) > LONGEST_TOKEN or name_of(token) in base.added:
            continue
        made.add(left + right)
        grown.merges.append((parts[0], parts[1]))
        if name_of(token) not in base.tokens and token not in grown.tokens:
            index = first + len(grown.tokens)
            grown.tokens[token], grown.pieces[index] = index, ids
    return grown


def _bytes(base: ByteLevel, spelling: str) -> Iterator[bytes]:
    return map(base.bytes_of, ids_of(spelling))
