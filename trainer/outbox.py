"""What training says, written behind its back: nothing that goes wrong here ever stops a step.

A thread of its own writes. Where the store is away or full, what is to be said is kept and tried again, up to
a bound; it is told once that this is so, and once that it is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Outbox(Generic[T]):
    """Takes items in order, and hands them to `send` in batches. No method raises."""

    def __init__(
        self,
        what: str,
        send: Callable[[list[T]], None],
        *,
        every: int,
        every_s: float,
        bound: int = 100_000,
        retry_s: float = 5.0,
    ) -> None:
        """what: its name in messages. send: writes all of the items or raises; it is asked with them again.

        every, every_s: written when so many wait, or the oldest that long. bound: more are not kept; what
        was said first stays. retry_s: from a failure to the next attempt.
        """
        self._what = what
        self._send = send
        self._every = every
        self._every_s = every_s
        self._bound = bound
        self._retry_s = retry_s
        self._items: list[T] = []
        self._since = 0.0  # when the oldest of the items came
        self._not_before = 0.0  # the next attempt
        self._asked = False
        self._at_once = False  # by a flush, which does not wait for retry_s
        self._begun = self._failed = 0  # number of the newest attempt, and of the newest that failed
        self._closed = False
        self._failing = False
        self.failures = 0
        self.lost = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)
        self._thread.start()

    def add(self, items: Iterable[T]) -> None:
        """Take some more; those that no longer have room are counted in `lost`."""
        with self._changed:
            for item in items:
                if len(self._items) < self._bound:
                    self._since = self._since if self._items else time.monotonic()
                    self._items.append(item)
                else:
                    self.lost += 1
            self._changed.notify_all()

    def hurry(self) -> None:
        """Have what is there written soon, without waiting for it."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Have everything written now; whether it was, within this time and at the first attempt from now on.

        One that is under way may fail over what is past.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._asked, self._at_once, self._not_before = True, True, 0.0
            begun = self._begun
            self._changed.notify_all()
            while self._items and self._failed <= begun and self._thread.is_alive():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return not self._items

    def close(self, timeout_s: float = 30.0) -> bool:
        """Flush, and end the thread; whether everything was written."""
        done = self.flush(timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s if done else 0.0)
        if not done:
            _say(f"{self._what}: {len(self._items)} entries were not written")
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due():
                    if self._closed:
                        return
                    self._changed.wait(self._wait_s())
                items = list(self._items)
                self._asked = self._at_once = False
                self._begun += 1
            number = len(items)
            error = self._attempt(items)
            with self._changed:
                if error is None:
                    del self._items[:number]
                    self._since = time.monotonic()
                else:
                    self.failures += 1
                    self._failed = self._begun
                    self._not_before = 0.0 if self._at_once else time.monotonic() + self._retry_s
                self._tell(error)
                self._changed.notify_all()

    def _due(self) -> bool:
        if not self._items:
            return False
        now = time.monotonic()
        full = len(self._items) >= self._every or now - self._since >= self._every_s
        return (full or self._asked) and now >= self._not_before

    def _wait_s(self) -> float | None:
        if not self._items:
            return None
        now = time.monotonic()
        waits = 0.0 if self._asked or len(self._items) >= self._every else self._since + self._every_s - now
        return max(waits, self._not_before - now, 0.0)

    def _attempt(self, items: list[T]) -> Exception | None:
        try:
            self._send(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
            return error
        return None

    def _tell(self, error: Exception | None) -> None:
        if error is not None and not self._failing:
            _say(
                f"{self._what} cannot be written ({error}); training goes on, and it is tried again every "
                f"{self._retry_s:g} s"
            )
        elif error is None and self._failing:
            lost = f"; {self.lost} entries are lost" if self.lost else ""
            _say(f"{self._what} is written again{lost}")
        self._failing = error is not None


def _say(message: str) -> None:
    with suppress(Exception):  # a log handler with a full disk of its own
        logger.warning(message)
