"""What is wrong with a setting, in words: the nearest right name, and pydantic's findings in one sentence."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydantic

_NEAR = 0.6  # of difflib's ratio: a letter missing, two exchanged, a word left out
_PART = 0.95  # what the last part alone is worth of that: `sequence_length` is meant for sink.sequence_length


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known dotted name that is most like this one, in whole or in its last part; None: none is near."""
    given = _plain(name)
    scored = [(_likeness(given, _plain(one)), one) for one in known]
    best = max(scored, key=lambda each: each[0], default=(0.0, ""))
    return best[1] if best[0] >= _NEAR else None


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def meant_path(path: Path | str) -> str:
    """`; did you mean …?` with what lies there and is called most like it, or nothing."""
    path = Path(path)
    here = path.parent
    while not here.is_dir() and here != here.parent:
        path, here = here, here.parent
    try:
        known = os.listdir(here)
    except OSError:
        return ""
    by_letters = {name.lower(): name for name in known}
    near = difflib.get_close_matches(path.name.lower(), by_letters, n=1)
    return f"; did you mean {here / by_letters[near[0]]}?" if near else ""


def sentence(error: pydantic.ValidationError, known: Iterable[str] = ()) -> str:
    """All that it found, without the values (one may be a password). known: the names that there are."""
    names = list(known)
    return "; ".join(
        _said(found["type"], list(found["loc"]), found["msg"], names) for found in error.errors()
    )


def _said(kind: str, place: Sequence[object], message: str, known: Sequence[str]) -> str:
    name = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return f"there is no setting {name}{meant(name, known)}"
    said = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{name}: {said}" if name else said


def _likeness(given: str, one: str) -> float:
    whole = _ratio(given.replace(".", "_"), one.replace(".", "_"))
    return max(whole, _PART * _ratio(given.rpartition(".")[2], one.rpartition(".")[2]))


def _ratio(left: str, right: str) -> float:
    short, long = sorted((left, right), key=len)
    if len(short) > 3 and long.startswith(short):  # a word left out at its end
        return max(0.8, difflib.SequenceMatcher(None, left, right).ratio())
    return difflib.SequenceMatcher(None, left, right).ratio()


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
