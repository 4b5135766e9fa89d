"""What of a text is counted: its sentences by host, and each three in a row anywhere.

A sentence is its letters and digits, whatever their case and what stands between them. It is counted for the
documents of one host, since what a host puts around its texts it puts around all of them; three in a row
(Raffel et al. 2020, C4) are counted whatever their host. A sentence by itself is never counted over hosts:
what many people say is language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import xxhash

from services.sentences.split import Piece

SPAN = 3  # sentences in a row
_BETWEEN = re.compile(r"[\W_]+")
_DIGITS = re.compile(rb"[0-9]+")
_MASK = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15  # keeps the order of a row apart


class Sentence(NamedTuple):
    """One piece of a text. weight: of its letters in UTF-8, 3 bytes of a Chinese one.

    own: its keys among those of its host. A heavy one has one. A light one is counted together with each
    neighbour that makes it heavy, since "Thank you." repeats everywhere, and behind the same notice it is
    part of that.
    """

    piece: Piece
    word: int
    weight: int
    heavy: bool
    own: tuple[int, ...]


class Keys(NamedTuple):
    """The keys of a document. spans: of the sentences n, n+1 and n+2, 0 where the three weigh too little."""

    sentences: Sequence[Sentence]
    spans: Sequence[int]

    def all(self) -> set[int]:
        """Every key, each once however often it stands in the document."""
        return {key for sentence in self.sentences for key in sentence.own} | set(self.spans) - {0}


def keys_of(
    text: str, pieces: Iterator[Piece], host: str, *, line: int, sentence: int, together: int
) -> Keys:
    """line, sentence, together: the least weights of a whole line, of a sentence in one, and of three.

    Pieces without a letter (a rule, a row of numbers) divide nothing and are in none of the keys.
    """
    of_host = _digest(host)
    found = []
    for piece in pieces:
        letters = _BETWEEN.sub("", text[piece.start : piece.end].casefold())
        encoded = letters.encode("utf-8", "surrogatepass")
        weight = len(encoded) if letters.isalpha() else len(_DIGITS.sub(b"", encoded))
        if weight:
            heavy = weight >= (line if piece.whole else sentence)
            word = xxhash.xxh3_64_intdigest(encoded)
            found.append(Sentence(piece, word, weight, heavy, ((word ^ of_host) or 1,) if heavy else ()))
    last = len(found) - 1
    for at, each in enumerate(found):
        if not each.heavy:
            pairs = [(at - 1, at)] * (at > 0) + [(at, at + 1)] * (at < last)
            found[at] = each._replace(
                own=tuple(
                    _row(found[n].word for n in pair) ^ of_host
                    for pair in pairs
                    if (other := found[sum(pair) - at]).heavy or each.weight + other.weight >= sentence
                )
            )
    spans = [
        _row(each.word for each in found[n : n + SPAN])
        if sum(each.weight for each in found[n : n + SPAN]) >= together
        else 0
        for n in range(last - SPAN + 2)
    ]
    return Keys(found, spans)


def host_key(host: str) -> int:
    """By which the documents of a host are counted."""
    return _digest(f"\0{host}") or 1


def _row(words: Iterable[int]) -> int:
    """Of sentences in their order."""
    key = 0
    for word in words:
        key = (key * _ODD + word) & _MASK
    return key or 1


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
