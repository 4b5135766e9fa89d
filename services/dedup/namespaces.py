"""Namespaces: corpora in one index that are apart, or of which one gives way to another.

A namespace has its own keys: those of a document are turned by a number that follows from its namespace, and
for the main one is 0. So nothing is stored that says where a document belongs, and who was met under which
keys is known by the keys. Documents of one namespace never meet those of another, unless it is `against` it:
then they look there too, without entering anything, and the other's documents look back. Of such a pair the
one of the other namespace is always the better, whichever came first, so the outcome is a property of the
set here as well.

With ttl_days a namespace is one for each stretch of so many days (of the imports' beginnings): what is
posted again in a later one counts anew. A pair of two namespaces counts within a stretch of either as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import xxhash

from contracts import Document
from services.dedup.shingles import Words
from services.dedup.sketch import KEY_BITS

MAIN = "corpus"
_DAY_S = 86_400
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_KEY = (1 << KEY_BITS) - 1


@dataclass(frozen=True)
class Namespace:
    """name: `corpus` is the one of all documents that no other names.

    of: patterns of sources, URLs or hosts (`s3://bench/*`, `*.example.com`). Of several namespaces that hold
        the first one takes a document.
    against: other namespaces; a document that is like one of theirs drops.
    reference: its documents are there to be compared with: none of them goes on, and every other namespace
        is against it.
    ttl_days: its documents are compared within stretches of so many days; 0: with all that ever came.
    Raises ValueError saying what is wrong.
    """

    # pydantic reads this: a mistyped key must not silently do nothing
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    of: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    reference: bool = False
    ttl_days: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"namespaces: a name of small letters, digits, - and _, not {self.name!r}")
        if (self.name == MAIN) != (not self.of):
            raise ValueError(
                f"namespaces: {self.name} needs patterns in `of`"
                if self.name != MAIN
                else f"namespaces: {MAIN} is of all that no other names: leave `of` out"
            )
        if self.reference and (self.against or self.name == MAIN):
            raise ValueError(
                f"namespaces: {self.name} is a reference: it is against no other, and not {MAIN}"
            )
        if not 0 <= self.ttl_days <= 36_500:
            raise ValueError(f"namespaces: ttl_days from 0 to 36500 is possible, not {self.ttl_days}")


class Abroad(NamedTuple):
    """Another namespace in which a document looks round. above: its documents are the better ones.

    stretches: days in each by which a pair of the two counts, of those of the two that have any.
    """

    name: str
    salt: int
    above: bool
    stretches: tuple[int, ...] = ()

    def counts(self, ingested_s: int, other_s: int) -> bool:
        """Whether a pair does. Both: Unix seconds."""
        return all(ingested_s // _DAY_S // days == other_s // _DAY_S // days for days in self.stretches)


class Home(NamedTuple):
    """The namespace of one document, and the others that matter to it. salt: by which its keys are turned."""

    name: str = MAIN
    salt: int = 0
    reference: bool = False
    abroad: tuple[Abroad, ...] = ()

    def keys(self, keys: Words) -> Words:
        """Those of a document as they are in this namespace."""
        return turned(keys, self.salt) if self.salt else keys

    def rare(self, key: int) -> int:
        """The same of a rare key."""
        return (key ^ self.salt) & _KEY

    def exact(self, key: int) -> int:
        """The same of the key of an exact text."""
        return key ^ self.salt


_HOME = Home()


def turned(keys: Words, salt: int) -> Words:
    """Those that are none stay 0. Turned twice they are as they were."""
    return np.where(keys > 0, keys ^ np.uint64(salt & _KEY), np.uint64(0))


class Namespaces:
    """Where documents belong. given: as check() takes them."""

    def __init__(self, given: Sequence[Namespace]) -> None:
        main = next((each for each in given if each.name == MAIN), Namespace(MAIN))
        self._given = bool(given)
        self._main = main
        self._named = [
            (re.compile("|".join(map(translate, each.of)), re.IGNORECASE).match, each)
            for each in given
            if each.name != MAIN
        ]
        self._all = {main.name: main} | {each.name: each for each in given}
        self._above = _against(self._all)
        self._homes: dict[tuple[str, tuple[int, ...]], Home] = {}

    def home(self, document: Document) -> Home:
        """Of a document, by its source and the time at which its import began."""
        if not self._given:
            return _HOME
        names = list(_names(document))
        found = next((to for match, to in self._named if any(map(match, names))), self._main)
        days = document.ingested_ms // 1000 // _DAY_S
        stretches = tuple(days // each.ttl_days if each.ttl_days else -1 for each in self._all.values())
        key = found.name, stretches
        if key not in self._homes:
            if len(self._homes) > 10_000:
                self._homes.clear()
            self._homes[key] = self._made(found, dict(zip(self._all, stretches, strict=True)))
        return self._homes[key]

    def _made(self, own: Namespace, stretches: Mapping[str, int]) -> Home:
        abroad = [
            Abroad(
                name,
                _salt(name, stretches[name]),
                name in self._above[own.name],
                tuple(days for days in (own.ttl_days, each.ttl_days) if days),
            )
            for name, each in self._all.items()
            if name in self._above[own.name] or own.name in self._above[name]
        ]
        return Home(own.name, _salt(own.name, stretches[own.name]), own.reference, tuple(abroad))


def check(given: Sequence[Namespace]) -> None:
    """Raises ValueError: two of one name, one that is not there, a circle, patterns that are none."""
    names = [each.name for each in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"namespaces: {', '.join(twice)} is there twice")
    known = {MAIN, *names}
    for each in given:
        if strange := [other for other in each.against if other not in known or other == each.name]:
            raise ValueError(f"namespaces: {each.name} cannot be against {', '.join(strange)}")
    above = _against({MAIN: Namespace(MAIN)} | {each.name: each for each in given})
    for name in above:
        reached, ahead = set[str](), list(above[name])
        while ahead:
            if (one := ahead.pop()) not in reached:
                reached.add(one)
                ahead += above[one]
        if name in reached:
            raise ValueError(f"namespaces: {name} is against itself in the end, by way of others")


def looked_in(given: Sequence[Namespace]) -> dict[str, list[str]]:
    """By namespace, the others in which its documents look round; those that look in none are left out."""
    above = _against({MAIN: Namespace(MAIN)} | {each.name: each for each in given})
    found = {
        name: [other for other in above if other in above[name] or name in above[other]] for name in above
    }
    return {name: others for name, others in found.items() if others}


def _against(all_: Mapping[str, Namespace]) -> dict[str, frozenset[str]]:
    references = {name for name, each in all_.items() if each.reference}
    return {
        name: frozenset(each.against) | (frozenset() if each.reference else references)
        for name, each in all_.items()
    }


def _salt(name: str, stretch: int) -> int:
    if name == MAIN and stretch < 0:
        return 0
    return xxhash.xxh3_64_intdigest(f"{name}\0{stretch}".encode())


def _names(document: Document) -> Iterator[str]:
    """By which a pattern may call it."""
    yield document.source
    url = document.metadata.get("url", document.source)
    yield url
    try:
        yield urlsplit(url).hostname or ""
    except ValueError:
        return
