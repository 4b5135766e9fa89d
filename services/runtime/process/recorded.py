"""What was read before, of any number of sources, in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import xxhash

from contracts import IngestProgress
from services.runtime.contracts.source import Taken

_RECENT = 50_000  # entries that wait for their place in the sorted ones


class Recorded:
    """The progress of sources, the last that was noted of each; see Known.

    A source that is complete costs 16 bytes: digests of 64 bits of its name and of its fingerprint, both of
    which would have to collide for it to be left out. Those that are not complete are held whole.
    """

    def __init__(self, progress: Iterable[IngestProgress] = (), began_ms: int | None = None) -> None:
        self.began_ms = began_ms
        self.passed: set[str] = set()  # left alone this time, although they are not complete
        self._begun: dict[str, IngestProgress] = {}
        self._complete = _Digests()
        for each in progress:
            self.note(each)

    def note(self, progress: IngestProgress) -> None:
        """How far a source is now."""
        name = _digest(progress.source)
        if progress.complete:
            self._begun.pop(progress.source, None)
            self._complete[name] = _digest(progress.fingerprint)
        else:
            self._begun[progress.source] = progress
            if self._complete[name]:
                self._complete[name] = 0

    def is_complete(self, source: IngestProgress) -> bool:
        """Whether it was read to its end, as it is now."""
        return self._complete[_digest(source.source)] == _digest(source.fingerprint)

    def take(self, sources: Sequence[IngestProgress]) -> Taken:
        """See Known: nobody else reads."""
        return Taken(
            [self._from(s) for s in sources if s.source not in self.passed and not self.is_complete(s)]
        )

    def _from(self, source: IngestProgress) -> IngestProgress:
        before = self._begun.get(source.source)
        same = before is not None and before.fingerprint == source.fingerprint
        return before if before is not None and same else source


class _Digests:
    """A map of digests, 0 where there is none: sorted arrays, and what has come since."""

    def __init__(self) -> None:
        self._keys, self._values = array("Q"), array("Q")
        self._recent: dict[int, int] = {}

    def __getitem__(self, key: int) -> int:
        if key in self._recent:
            return self._recent[key]
        at = bisect_left(self._keys, key)
        return self._values[at] if at < len(self._keys) and self._keys[at] == key else 0

    def __setitem__(self, key: int, value: int) -> None:
        self._recent[key] = value
        if len(self._recent) > max(_RECENT, len(self._keys) // 16):
            self._settle()

    def _settle(self) -> None:
        import numpy as np  # not while a command starts

        recent = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
        values = np.fromiter(self._recent.values(), np.uint64, len(self._recent))
        keys = np.frombuffer(self._keys, np.uint64)
        old = ~np.isin(keys, recent)
        values = np.concatenate([np.frombuffer(self._values, np.uint64)[old], values])
        keys = np.concatenate([keys[old], recent])
        order = np.argsort(keys)
        self._keys, self._values = array("Q", keys[order].tobytes()), array("Q", values[order].tobytes())
        self._recent = {}


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) or 1
