"""Looks now and then whether what was agreed on at the start still holds."""

from __future__ import annotations

import time
from collections.abc import Callable

from kafka import TopicPartition

from services.runtime.clients.broker import Consumer
from services.runtime.topics import AGREED

_EVERY_S = 5.0
_PLACE = TopicPartition(AGREED, 0)


class Watch:
    """Costs one question for an end of a log every few seconds; what stands is read when that has moved."""

    def __init__(self, check: Callable[[], None], every_s: float = _EVERY_S) -> None:
        """check: raises Outdated where it does not hold any more."""
        self._check = check
        self._every_s = every_s
        self._looked = time.monotonic()
        self._end: int | None = None

    def begin(self, consumer: Consumer) -> None:
        """Before the first check: what is agreed on from now on is news. Raises KafkaError."""
        self._looked = time.monotonic()
        self._end = consumer.end_offsets([_PLACE]).get(_PLACE)

    def look(self, consumer: Consumer) -> None:
        """Raises Outdated, KafkaError, DependencyDown."""
        if time.monotonic() - self._looked < self._every_s:
            return
        self._looked = time.monotonic()
        end = consumer.end_offsets([_PLACE]).get(_PLACE)
        if end != self._end:
            self._check()
            self._end = end
