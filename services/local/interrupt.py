"""Ctrl-C and SIGTERM: what a command of ours does about them, from its first line to its last.

As long as it holds nothing, it ends at once: an exception out of the middle of an import, where most of the
first seconds go, may be swallowed there or become another. Once it holds a folder or children, an exception
unwinds it. The first milliseconds belong to the interpreter: until `take` is called, Python answers Ctrl-C
with a traceback of its own, and SIGTERM ends the process without a word.

Imports next to nothing, so that it can come before everything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_INTERRUPTED = 130
_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_came = False
_MESSAGE = "corpusworks: interrupted; the same command goes on from here\n"


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM: everything that was started is stopped on the way out."""


def take() -> None:
    """From now on a signal ends this process quietly. Called by a command's first line."""
    for number in _NUMBERS:
        signal.signal(number, _leave)


def hold() -> None:
    """From now on a signal raises Interrupted; not where `take` was not called."""
    for number in _NUMBERS:
        if signal.getsignal(number) is _leave:
            signal.signal(number, _unwind)


@contextlib.contextmanager
def later() -> Iterator[None]:
    """A signal that comes inside is answered behind it: an import that met it might swallow it.

    In the main thread alone, as all of Python's handlers are set there.
    """
    came: list[int] = []
    former = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def ignore() -> None:
    """From now on a signal changes nothing: the process ends by itself in a moment."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def leave() -> None:
    """End this process now, with one line on standard error: Python's own way out can be disturbed."""
    ignore()
    with contextlib.suppress(OSError):
        os.write(2, _MESSAGE.encode())
    os._exit(EXIT_INTERRUPTED)


def _leave(_number: int, _frame: FrameType | None) -> None:
    leave()


def came() -> bool:
    """Whether Interrupted was raised: what came out in its stead is of no interest."""
    return _came


def again() -> None:
    """Raises Interrupted in the main thread where it came and was swallowed. For what waits.

    Foreign code that runs between may catch everything, and further signals are ignored by then.
    """
    if _came and threading.current_thread() is threading.main_thread():
        raise Interrupted


def _unwind(_number: int, _frame: FrameType | None) -> None:
    global _came  # noqa: PLW0603 - of the process, as its signals are
    ignore()  # a second Ctrl-C would leave things behind
    _came = True
    raise Interrupted
