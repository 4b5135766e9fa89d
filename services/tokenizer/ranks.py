"""Byte-level BPE given by ranks: the tiktoken file format, and the engine that runs it.

A rank file has one token a line, `base64(bytes) rank`; the rank is the token's id, and of two possible
merges the one with the lower rank comes first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from services.tokenizer import swift
from services.tokenizer.pattern import PATTERN

MAX_ID = 2**31 - 1  # parts hold them as int32
_MANY = 4_000_000  # characters; on so many the swift encoder saves what it costs to load


def parse_ranks(content: bytes) -> dict[bytes, int]:
    """Token bytes to id. Raises ValueError naming the line that is wrong."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            encoded, rank = line.split()
            token, index = base64.b64decode(encoded, validate=True), int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(f"line {number} is not `base64(token) rank`") from None
        if token in ranks or not token or not 0 <= index <= MAX_ID:
            raise ValueError(f"line {number}: token empty or given twice, or rank out of range")
        ranks[token] = index
    if len(set(ranks.values())) != len(ranks):
        raise ValueError("two tokens have the same rank")
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise ValueError(f"{len(missing)} of the 256 single bytes are no tokens (first: {missing[0]:#04x})")
    return ranks


def format_ranks(ranks: dict[bytes, int]) -> bytes:
    """The rank file that `parse_ranks` reads, in order of id."""
    lines = sorted(ranks.items(), key=lambda item: item[1])
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in lines)


class RankEngine:
    """Ranks run by tiktoken, and where much is to be done by a swifter encoder (swift.py); cut by PATTERN.

    The end-of-document token has the id that the ranks give to its name, else the lowest that is free.
    Raises ValueError when the ranks cannot be read.
    """

    def __init__(self, content: bytes, end_of_document: str) -> None:
        import tiktoken

        ranks = parse_ranks(content)
        given = ranks.pop(end_of_document.encode(), None)
        self.end_of_document = lowest_free(ranks) if given is None else given
        self.size = max(self.end_of_document, *ranks.values()) + 1
        self._ranks, self._end = ranks, {end_of_document: self.end_of_document}
        self._encoding = tiktoken.Encoding(
            "corpusworks",
            pat_str=PATTERN,
            mergeable_ranks=ranks,
            special_tokens={end_of_document: self.end_of_document},
        )
        self._encode: swift.Encode = self._plainly
        self._until_many = _MANY

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Ids of a text; the name of a special token in it is ordinary text. Raises UnicodeEncodeError."""
        if self._until_many > 0:
            self._until_many -= len(text)
            if self._until_many <= 0:
                self._encode = swift.load(self._ranks, self.end_of_document, self._encode) or self._encode
        return self._encode(text)

    def _plainly(self, text: str) -> npt.NDArray[np.uint32]:
        # Not encode_to_numpy, which looks for special tokens first: half as fast.
        return np.array(self._encoding.encode_ordinary(text), dtype=np.uint32)

    def tokens(self) -> dict[str, int]:
        """Id of every token by the name that a tokenizer.json would give it; end of document included."""
        return {name_of(token): rank for token, rank in self._ranks.items()} | self._end

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of the ids. Raises KeyError for an id that is no token."""
        decoded: bytes = self._encoding.decode_bytes(ids)
        return decoded


def lowest_free(ranks: dict[bytes, int]) -> int:
    """The id of an end-of-document token that the ranks do not name."""
    taken = set(ranks.values())
    return next(index for index in range(len(taken) + 1) if index not in taken)


def name_of(token: bytes) -> str:
    """How a tokenizer.json with byte-level BPE writes a token: a letter for each byte."""
    return "".join(map(byte_letters().__getitem__, token))


@cache
def byte_letters() -> list[str]:
    """The printable character by which byte-level BPE (GPT-2) writes each byte.

    Printable Latin-1 stands for itself; the 68 others follow from U+0100 on, in order.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(0x100 + others.index(byte)) for byte in range(256)]
