"""What kind of page a page says it is: by schema.org's types, the head, the software and the address.

Each of these is one witness, since one piece of software writes all of the words in it. The kind with most
witnesses is the page's, and two kinds with as many are none: a page that contradicts itself says nothing.
That a page is an article counts for news, and alone where nothing else is said, because software says it of
shops and threads as well. A page that says nothing is asked for the parts that only posts have: in all pages
to look for them would cost more than it tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.parse.html.about import About
from services.parse.html.kinds import (
    ADDRESSES,
    GENERATORS,
    METAS,
    NAMES,
    OPEN_GRAPH,
    PARTS,
    QUESTIONS,
    TYPES,
)

_LETTERS = re.compile(r"[a-z]+")
_WORD = re.compile(r"[a-z_.!]+[a-z!]")
_LONGEST_ADDRESS = 500
_SITE = re.compile(r"https?://[^/?#]*/?$")


@dataclass(frozen=True, slots=True)
class Declared:
    """kind: one of kinds.KINDS, or "". witnesses: for each that says so, the word by which it does."""

    kind: str = ""
    witnesses: tuple[str, ...] = ()


NOTHING = Declared()


def declared(said: About, page: str, address: str = "") -> Declared:
    """NOTHING where the page says nothing, or two things. page: its source. address: where it was got, which
    counts where it is of the web and the page names none itself, or only that of its site.
    """
    types = [word for each in said.types for word in _LETTERS.findall(each.lower())]
    if "faqpage" in types:
        types = [word for word in types if word not in QUESTIONS]
    witnesses = (
        _first(types, TYPES),
        _first([said.open_graph.lower().strip()], OPEN_GRAPH) | _first(said.metas, METAS),
        _first(_generators(said.generators), GENERATORS) | _first(said.names.lower().split(), NAMES),
        _of_address(_own(said.address, address)),
    )
    votes: dict[str, list[str]] = {}
    for each in witnesses:
        for kind, word in each.items():
            votes.setdefault(kind, []).append(word)
    return _elected(votes or {PARTS[part]: [part] for part in PARTS if part in page})


def _elected(votes: dict[str, list[str]]) -> Declared:
    article = votes.pop("article", [])
    if not votes:
        return Declared("article", tuple(article)) if article else NOTHING
    if "news" in votes:
        votes["news"] += article
    first, *others = sorted(votes, key=lambda kind: -len(votes[kind]))
    if others and len(votes[others[0]]) == len(votes[first]):
        return NOTHING
    return Declared(first, tuple(votes[first]))


def _first(words: Iterable[str], kinds: dict[str, str]) -> dict[str, str]:
    """By kind, the first word that speaks of it."""
    found: dict[str, str] = {}
    for word in words:
        if (kind := kinds.get(word)) is not None:
            found.setdefault(kind, word)
    return found


def _generators(values: Iterable[str]) -> list[str]:
    return [word[0] for value in values if (word := _WORD.match(value.lower().strip()))]


def _own(named: str, got: str) -> str:
    """Some themes name the site's first page on each page, which says nothing of this one; Discuz! writes its
    own address without the site.
    """
    if not named or _SITE.match(named):
        return got if got.startswith("http") else ""
    return named if "://" in named else f"/{named}"


def _of_address(address: str) -> dict[str, str]:
    address = f"{address[:_LONGEST_ADDRESS].lower()}/"
    for kind, pattern in ADDRESSES:
        if (found := pattern.search(address)) is not None:
            return {kind: found[0]}
    return {}
