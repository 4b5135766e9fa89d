"""`judge junk`: good documents' logits of the head junk, and what a table of limits does with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from contracts import Document
from services.runtime import configure, load_settings
from services.scorer import ScorerConfig
from services.scorer.junk import Group, Limits, logit_of

_FIELD = "junk"  # of a record: 1 where a person says that it is


class Judged(NamedTuple):
    """A document's like, what the head says of it, and what a person says."""

    group: Group
    logit: float
    is_junk: bool


class Told(NamedTuple):
    """Of a group: its limit, whether it is its own, and documents, good and junk: all and those past it."""

    language: str
    category: str
    limit: float | None
    own: bool
    good: int
    good_past: int
    junk: int
    junk_past: int


def judged(documents: Iterable[Document]) -> list[Judged]:
    """Those that the head was asked about."""
    config = configure("scorer", ScorerConfig, load_settings().units.get("scorer", {}))
    found = []
    for document in documents:
        logit = logit_of(document, config.model)
        if logit is not None:
            said = document.metadata.get(_FIELD, "0") not in ("", "0", "0.0", "false")
            found.append(Judged(Group(document.language, document.category), logit, said))
    return found


def worth(found: Sequence[Judged], made: Limits) -> list[Told]:
    """What the table does with the documents, by group."""
    by_group: defaultdict[Group, list[Judged]] = defaultdict(list)
    for each in found:
        by_group[each.group].append(each)
    rows = []
    for group, of in sorted(by_group.items()):
        limit = made.of(*group)
        past = [limit is not None and each.logit > limit.logit for each in of]
        numbers = [
            sum(
                chosen
                for chosen in (
                    each.is_junk == kind and (p or not only) for each, p in zip(of, past, strict=True)
                )
            )
            for kind in (False, True)
            for only in (False, True)
        ]
        rows.append(Told(*group, limit.logit if limit else None, group in made.groups, *numbers))
    return rows
