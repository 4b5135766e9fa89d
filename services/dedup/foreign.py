"""Signatures made elsewhere: datasketch's MinHash and LeanMinHash, which documents bring with them.

A field `minhash` says the hash values: as a list of numbers, as bytes, or as base64; of LeanMinHash as
`serialize` writes it, which begins with the seed, the number of values and, since datasketch 2.0, the
scheme of its permutations; or the values alone. (Formats: datasketch 2.0.0, lean_minhash.py and minhash.py.)
Bands are of the same values as in its MinHashLSH with params=(bands, rows), so both meet the same documents.

Of each value some bits of a hash are stored, BITS of all values together, and how like two documents are is
estimated by them: of 128 values, 10 bits of each, with a standard error of 0.038 at J = 0.8, where all their
bits would leave 0.035. There is no second sketch, and what shingles the values are of is not known here: so
in a crowd (met.py) there are no pages, and an estimate must pass the threshold by a margin.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import xxhash

from contracts import Document
from services.dedup import fine_sketch
from services.dedup.shingles import Words, constants, mix
from services.dedup.sketch import BITS as SHORT_BITS
from services.dedup.sketch import Sketches, band_keys

FIELD = "minhash"
BITS = SHORT_BITS + fine_sketch.BITS
FEWEST, MOST = 16, 1024  # hash values
Scheme = Literal["affine32", "affine64", "legacy"]
_CODES = {1: "affine32", 2: "affine64"}  # in a serialized LeanMinHash
_HEAD = struct.Struct("<qi")  # seed, number of values; less than 0 where a code of the scheme follows
_BIT = constants(7, BITS)
_FINISH = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Foreign:
    """What all signatures of one index have alike: how many values, of which seed and scheme."""

    num_perm: int
    seed: int
    scheme: Scheme

    def __str__(self) -> str:
        return f"datasketch:{self.scheme}:{self.num_perm}:seed={self.seed}"

    @property
    def head(self) -> bytes:
        """With which their second sketch begins, so that an entry says of which signature it is."""
        return fine_sketch.foreign_head(self.num_perm, xxhash.xxh3_64_intdigest(str(self).encode()) & 0xFFFF)

    def values(self, said: str) -> Words:
        """The hash values of one document, (num_perm,). Raises ValueError saying what is wrong."""
        try:
            raw = base64.b64decode(said, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is neither a list of numbers nor bytes nor base64") from None
        width = 8 if self.scheme == "affine64" else 4
        if len(raw) == self.num_perm * width:
            found = np.frombuffer(raw, f"<u{width}")
        elif len(raw) == self.num_perm * 8:  # as datasketch keeps those of the legacy scheme in memory
            found = np.frombuffer(raw, "<u8")
        else:
            found = self._serialized(raw, width)
        values = found.astype(np.uint64)
        if width == 4 and (values >> np.uint64(32)).any():
            raise ValueError(f"has values of 64 bits, and those of {self.scheme} have 32")
        return values

    def _serialized(self, raw: bytes, width: int) -> npt.NDArray[np.uint32] | npt.NDArray[np.uint64]:
        if len(raw) < _HEAD.size:
            raise ValueError(f"has {len(raw)} bytes, and {self.num_perm} values of {width} bytes are needed")
        seed, number = _HEAD.unpack_from(raw)
        scheme = "legacy" if number >= 0 else _CODES.get(raw[_HEAD.size] if len(raw) > _HEAD.size else 0)
        rest = len(raw) - abs(number) * (8 if scheme == "affine64" else 4)
        # with the native byte order the values begin at a multiple of their size, with another at once
        if scheme is None or rest not in ((_HEAD.size,) if number >= 0 else (_HEAD.size + 1, 16)):
            raise ValueError(
                f"has {len(raw)} bytes: neither {self.num_perm} values nor a LeanMinHash that was serialized "
                "in little-endian order"
            )
        for what, is_, wanted in (
            ("values", abs(number), self.num_perm),
            ("scheme", scheme, self.scheme),
            ("seed", seed, self.seed),
        ):
            if is_ != wanted:
                raise ValueError(f"was made with {what} {is_}, and this index is of {what} {wanted}")
        return np.frombuffer(raw, f"<u{width}", offset=rest)


def fault(document: Document, foreign: Foreign) -> str | None:
    """What is wrong with the signature that a document brings, and what to do about it; else None."""
    if FIELD not in document.metadata:
        return (
            f"the document brings no signature in a field {FIELD}, and signature is datasketch: make one "
            f"({foreign}), or let dedup make its own in a river of its own (units.dedup.signature=own)"
        )
    try:
        foreign.values(document.metadata[FIELD])
    except ValueError as error:
        return (
            f"the signature in its field {FIELD} {error}: make it as {foreign}, or set "
            "units.dedup.signature_num_perm, signature_seed and signature_scheme for an index that is empty"
        )
    return None


def sketches(documents: Sequence[Document], foreign: Foreign, bands: int, rows: int) -> Sketches:
    """Signatures as they were brought. A document of no shingles meets nobody."""
    values = np.stack([foreign.values(each.metadata[FIELD]) for each in documents])
    places = np.arange(BITS)
    hashed = mix(values[:, places % foreign.num_perm] + _BIT[places // foreign.num_perm], _FINISH)
    packed = np.packbits((hashed >> np.uint64(63)).astype(bool), axis=1)
    head = np.frombuffer(foreign.head, np.uint8)
    fine = np.empty((len(documents), fine_sketch.SIZE), np.uint8)
    fine[:, : len(head)], fine[:, len(head) :] = head, packed[:, SHORT_BITS // 8 :]
    keys = np.zeros((len(documents), 2 * bands), np.uint64)
    largest = np.uint64(2 ** (64 if foreign.scheme == "affine64" else 32) - 1)
    some = (values != largest).any(axis=1)
    keys[:, :bands] = np.where(some[:, None], band_keys(mix(values, _FINISH), bands, rows), 0)
    return Sketches(packed[:, : SHORT_BITS // 8], fine, keys, hashed)
