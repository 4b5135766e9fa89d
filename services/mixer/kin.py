"""Which keys of documents are one: of clusters that grew together after documents had gone out with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contracts import Document

_PACK_AT = 50_000

Words = npt.NDArray[np.uint64]


class Joined(NamedTuple):
    """A key that is another's from now on."""

    key: int
    into: int


class Kin:
    """A forest over keys, 16 bytes a link: sorted arrays, and a small dict of late-comers.

    The least key of a tree is its root, so it does not matter in which order links come, nor how often. A
    link is never removed: documents with the key may be on their way for as long as the river stands.
    """

    def __init__(self, keys: Words | None = None, parents: Words | None = None) -> None:
        self._keys = np.empty(0, np.uint64) if keys is None else keys
        self._parents = np.empty(0, np.uint64) if parents is None else parents
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def find(self, key: int) -> int:
        """The key of all that are one with it; itself where nobody is. About 1 µs."""
        while (parent := self._parent(key)) is not None:
            key = parent
        return key

    def relabel(self, document: Document) -> None:
        """Say of a document to which cluster it belongs by what is known now."""
        key = key_of(document)
        if (root := self.find(key)) != key:
            document.cluster = root

    def join(self, one: int, other: int) -> Joined | None:
        """Make them one; which root gave way, None where they were one."""
        into, key = sorted((self.find(one), self.find(other)))
        if key == into:
            return None
        self._recent[key] = into
        if len(self._recent) >= _PACK_AT:
            self.packed()
        return Joined(key, into)

    def packed(self) -> tuple[Words, Words]:
        """Keys in rising order, and their parents."""
        keys = np.concatenate([self._keys, np.fromiter(self._recent.keys(), np.uint64, len(self._recent))])
        parents = np.concatenate(
            [self._parents, np.fromiter(self._recent.values(), np.uint64, len(self._recent))]
        )
        order = np.argsort(keys)
        self._keys, self._parents, self._recent = keys[order], parents[order], {}
        return self._keys, self._parents

    def _parent(self, key: int) -> int | None:
        if (found := self._recent.get(key)) is not None:
            return found
        if not len(self._keys):
            return None
        at = int(self._keys.searchsorted(np.uint64(key)))
        return int(self._parents[at]) if at < len(self._keys) and self._keys[at] == key else None


def key_of(document: Document) -> int:
    """By which it is known whom it is like, as far as that was known when it went out."""
    return document.cluster or document.uid
