"""What is junk among its like: the logit that one good text in a hundred exceeds, by language and category.

A head reads short messages, mails, reviews and news with different eyes: what says "sells something" of a
chat says little of a shop's page. So each (language, category) has a limit of its own, measured on good
texts; a category with too few has its language's, and a language that nobody measured none, so nothing of
it is junk.

With n good texts the limit is the k-th highest of their logits, k = loss * (n + 1) rounded down: a further
text of their kind exceeds it with a chance of `loss` at most, whatever the distribution (split conformal
prediction, Vovk et al. 2005). Below 1 / loss - 1 texts there is no such k. That holds for texts of the
sources that were measured; of others the head is less sure. So no category's limit is below its language's
(what lies above the encyclopedias that were seen, and among the posts, is another encyclopedia), and a
language's is one that only a third as many of its texts exceed: of the few Chinese group chats among all that
made the shipped table 4.6 % lay past the limit of 1 %, and 1.3 % past that of a third (151; they chose it).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from contracts import Document
from services.inference import Table

HEAD = "junk"  # of the model
FEATURE = "junk"  # 1 past the limit, 0 within
LOSS = 0.01
_UNSEEN = 1 / 3  # of the loss: for a language, whose limit sources stand under that nobody measured


class Group(NamedTuple):
    """category: "" for all of the language."""

    language: str
    category: str = ""


class Limit(NamedTuple):
    """logit: above it a document is junk. documents: good ones, of which it was measured."""

    logit: float
    documents: int


@dataclass(frozen=True)
class Limits(Table):
    """Raises ValueError for a loss that cannot be, or a logit that is no number."""

    FILE: ClassVar[str] = "junk.json"
    CALLED: ClassVar[str] = "table of junk limits"
    MADE_BY: ClassVar[str] = "corpusworks judge junk"

    groups: Mapping[Group, Limit]
    loss: float = LOSS

    def __post_init__(self) -> None:
        if not 0 < self.loss < 1:
            raise ValueError(f"loss: a share between 0 and 1, not {self.loss}")
        if wrong := [group for group, limit in self.groups.items() if not math.isfinite(limit.logit)]:
            raise ValueError(f"the logit of {wrong[0]} is no number")

    def of(self, language: str, category: str) -> Limit | None:
        """None where nobody measured the language."""
        return self.groups.get(Group(language, category)) or self.groups.get(Group(language))

    @property
    def content(self) -> Mapping[str, Any]:
        """See Table."""
        rows = [
            {"language": g.language} | ({"category": g.category} if g.category else {}) | limit._asdict()
            for g, limit in sorted(self.groups.items())
        ]
        return {"loss": self.loss, "groups": rows}

    @classmethod
    def made_of(cls, content: Mapping[str, Any]) -> Limits:
        """See Table."""
        groups = {
            Group(row["language"], row.get("category", "")): Limit(float(row["logit"]), int(row["documents"]))
            for row in content["groups"]
        }
        return cls(groups, float(content["loss"]))


def logit_of(document: Document, model: str) -> float | None:
    """What the model's head left; None where it has none, or was not asked."""
    feature = f"{model}.{HEAD}"
    return document.features[feature] if feature in document.features else None  # noqa: SIM401 - a map of numbers


def measured(good: Iterable[tuple[Group, float]], least: int, loss: float = LOSS) -> Limits:
    """Limits of good documents' logits, each with its language and category.

    least: documents that a group needs. Raises ValueError where none has enough.
    """
    logits: defaultdict[Group, list[float]] = defaultdict(list)
    for group, logit in good:
        logits[group].append(logit)
        logits[Group(group.language)].append(logit)
    enough = max(least, math.ceil(1 / loss) - 1)
    found = {
        group: _limit(each, loss if group.category else loss * _UNSEEN)
        for group, each in logits.items()
        if len(each) >= enough
    }
    if not found:
        raise ValueError(f"no language has {enough} good documents with the feature of the head {HEAD}")
    return Limits(
        {group: _at_least(limit, found[Group(group.language)]) for group, limit in found.items()}, loss
    )


def _at_least(limit: Limit, whole: Limit) -> Limit:
    return limit._replace(logit=max(limit.logit, whole.logit))


def _limit(logits: list[float], loss: float) -> Limit:
    place = max(1, math.floor(loss * (len(logits) + 1)))
    return Limit(float(f"{sorted(logits, reverse=True)[place - 1]:.4g}"), len(logits))
