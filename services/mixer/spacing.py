"""What was mixed of the last tokens of a lane: to keep like documents apart, and no host above its share."""

from __future__ import annotations

import zlib
from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from contracts import Document
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
    """The last documents of a lane, 20 bytes each, as far back as `apart` reaches."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart
        self._mixed: deque[_Mixed] = deque()
        self._end = self._begin = 0  # tokens of the lane, after the last and before the first
        self._ends: dict[int, int] = {}  # key -> where its last document ended
        self._window: deque[_Mixed] = deque()  # those of them that the limits count
        self._counted = 0
        self._hosts: Counter[int] = Counter()
        self._sources: Counter[int] = Counter()

    def allows(self, document: Document) -> bool:
        """Whether it may come next: nothing like it is near, and no limit would be passed."""
        apart = self._apart
        if apart.spacing:
            ended = self._ends.get(_key(document))
            if ended is not None and self._end - ended < apart.spacing:
                return False
        limits, tokens = apart.limits, document.num_tokens
        if limits.host is not None and (host := _host(document)):
            if self._over(self._hosts[host], tokens, limits.host):
                return False
        return limits.source is None or not self._over(
            self._sources[_source(document)], tokens, limits.source
        )

    def add(self, document: Document) -> None:
        """It was mixed."""
        if not self._apart.reach:
            return
        limits = self._apart.limits
        host = _host(document) if limits.host is not None else 0
        source = _source(document) if limits.source is not None else 0
        self._add(_Mixed(_key(document), host, source, document.num_tokens))

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
        self._ends[one.key] = self._end
        while self._mixed and self._end - self._begin - self._mixed[0].tokens >= self._apart.reach:
            old = self._mixed.popleft()
            self._begin += old.tokens
            if self._ends.get(old.key) == self._begin:
                del self._ends[old.key]
        if self._apart.limited:
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


def _key(document: Document) -> int:
    """The first of a cluster went by before there was one, and gave it its uid."""
    return document.cluster or document.uid


def _host(document: Document) -> int:
    """Of its URL, or of its source where it has none; 0 for a file."""
    url = document.metadata["url"] if "url" in document.metadata else document.source
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return 0
    return zlib.crc32(host.encode()) if host else 0


def _source(document: Document) -> int:
    """The file or data set that it was read from."""
    return zlib.crc32(document.source.partition("#")[0].encode())
