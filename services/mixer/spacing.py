"""What was mixed of the last tokens of a lane: to keep like documents apart, and no host above its share."""

from __future__ import annotations

import zlib
from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from contracts import Document
from services.mixer.kin import Joined, Kin, key_of
from services.mixer.recipe import Limits

_ROW = np.dtype([("key", "<u8"), ("host", "<u4"), ("source", "<u4"), ("tokens", "<u4")])


class _Mixed(NamedTuple):
    key: int
    host: int
    source: int
    tokens: int


@dataclass(frozen=True)
class Apart:
    """spacing: tokens between documents of a cluster; 0: none. limits: see there."""

    spacing: int
    limits: Limits

    @property
    def limited(self) -> bool:
        """There is a limit."""
        return self.limits.host is not None or self.limits.source is not None

    @property
    def reach(self) -> int:
        """Tokens that are remembered."""
        return max(self.spacing, self.limits.window if self.limited else 0)


class Recent:
    """The last documents of a lane, 20 bytes each, as far back as `apart` reaches.

    kin: which keys are one; its owner tells join() of each change.
    """

    def __init__(self, apart: Apart, kin: Kin) -> None:
        self._apart = apart
        self._kin = kin
        self._reach, self._limited = apart.reach, apart.limited
        self._mixed: deque[_Mixed] = deque()
        self._end = self._begin = 0  # tokens of the lane, after the last and before the first
        self._ends: dict[int, int] = {}  # key -> where its last document ended
        self._window: deque[_Mixed] = deque()  # those of them that the limits count
        self._counted = 0
        self._hosts: Counter[int] = Counter()
        self._sources: Counter[int] = Counter()

    @property
    def apart(self) -> bool:
        """Whether a document can be kept back at all."""
        return self._reach > 0

    @property
    def end(self) -> int:
        """Tokens since it was begun."""
        return self._end

    def free_at(self, document: Document) -> int:
        """The `end` from which it may come; not before, whatever is mixed until then.

        It may come next where that is `end` now: nothing like it is near, and no limit would be passed.
        """
        spacing = self._apart.spacing
        if spacing:
            ended = self._ends.get(self._kin.find(key_of(document)))
            if ended is not None and self._end - ended < spacing:
                return ended + spacing
        if self._limited and self._passes_a_limit(document):
            return self._end + 1
        return self._end

    def _passes_a_limit(self, document: Document) -> bool:
        limits, tokens = self._apart.limits, document.num_tokens
        if (
            limits.host is not None
            and (host := _host(document))
            and self._over(self._hosts[host], tokens, limits.host)
        ):
            return True
        return limits.source is not None and self._over(
            self._sources[_source(document)], tokens, limits.source
        )

    def add(self, document: Document) -> None:
        """It was mixed."""
        if not self._reach:
            return
        limits = self._apart.limits
        host = _host(document) if limits.host is not None else 0
        source = _source(document) if limits.source is not None else 0
        self._add(_Mixed(key_of(document), host, source, document.num_tokens))

    def join(self, joined: Joined) -> None:
        """Two keys have become one."""
        if (ended := self._ends.pop(joined.key, None)) is not None:
            self._ends[joined.into] = max(ended, self._ends.get(joined.into, 0))

    def pack(self) -> bytes:
        """What `unpack` needs."""
        return np.array([tuple(one) for one in self._mixed], _ROW).tobytes()

    def unpack(self, packed: bytes) -> None:
        """Go on from what another has packed; of a remainder that is no row nothing is taken."""
        rows = np.frombuffer(packed[: len(packed) // _ROW.itemsize * _ROW.itemsize], _ROW)
        for row in rows.tolist():
            self._add(_Mixed(*row))

    def _over(self, counted: int, tokens: int, share: float) -> bool:
        """A single document that is longer than the share is let through where nothing else was counted."""
        return bool(counted) and counted + tokens > share * self._apart.limits.window

    def _add(self, one: _Mixed) -> None:
        self._mixed.append(one)
        self._end += one.tokens
        self._ends[self._kin.find(one.key)] = self._end
        while self._mixed and self._end - self._begin - self._mixed[0].tokens >= self._reach:
            old = self._mixed.popleft()
            self._begin += old.tokens
            if self._ends.get(key := self._kin.find(old.key)) == self._begin:
                del self._ends[key]
        if self._limited:
            self._count(one)

    def _count(self, one: _Mixed) -> None:
        self._window.append(one)
        self._counted += one.tokens
        self._hosts[one.host] += one.tokens
        self._sources[one.source] += one.tokens
        while self._counted > self._apart.limits.window:
            old = self._window.popleft()
            self._counted -= old.tokens
            for counter, key in ((self._hosts, old.host), (self._sources, old.source)):
                counter[key] -= old.tokens
                if counter[key] <= 0:
                    del counter[key]


def _host(document: Document) -> int:
    """Of its URL, or of its source where it has none; 0 for a file."""
    url = document.metadata.get("url", document.source)
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return 0
    return zlib.crc32(host.encode()) if host else 0


def _source(document: Document) -> int:
    """The file or data set that it was read from."""
    return zlib.crc32(document.source.partition("#")[0].encode())
