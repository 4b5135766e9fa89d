"""Keep rules: how much of a group stays, as a share or from demand. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

FORMATS = ("prose", "code", "markdown", "latex", "table", "log")
# Muennighoff et al. 2023, "Scaling data-constrained language models": four epochs are worth nearly as much as
# new data.
MAX_EPOCHS = 4.0


@dataclass(frozen=True)
class KeepRule:
    """Whom it is for, and how much of them is kept.

    language, format, category: None matches all. The format prose matches Markdown too, which is prose in
        another dress; a rule for markdown before it can say otherwise.
    share: of the documents, the best by rank; 0..1.
    need, supply, max_epochs: instead of share. What training will take of the group, what comes down the
        river, both in one unit (tokens, say), and how often a document may be used:
        share = need / (supply x max_epochs), at most 1.
    Raises ValueError saying what is wrong.
    """

    # pydantic reads this: a mistyped key must not silently widen a rule to everything
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    language: str | None = None
    format: str | None = None
    category: str | None = None
    share: float | None = None
    need: float | None = None
    supply: float | None = None
    max_epochs: float = MAX_EPOCHS

    def __post_init__(self) -> None:
        for name in ("language", "format", "category"):
            if getattr(self, name) == "":
                raise ValueError(f"keep: {name} is empty; leave it out to match all")
        if self.format is not None and self.format not in FORMATS:
            raise ValueError(f"keep: there is no format {self.format!r}; there are {', '.join(FORMATS)}")
        if (self.share is None) == (self.need is None and self.supply is None):
            raise ValueError("keep: a rule has either share, or need and supply")
        if self.share is not None:
            if not 0 <= self.share <= 1:
                raise ValueError(
                    f"keep: share is {self.share}; it lies in 0..1, such as 0.3 for the best 30 %"
                )
            return
        for name, value in {"need": self.need, "supply": self.supply, "max_epochs": self.max_epochs}.items():
            if value is None or not 0 < value < math.inf:
                raise ValueError(
                    f"keep: {name} is {value}; demand asks for need, supply and max_epochs above 0"
                )
        if self.max_epochs < 1:
            raise ValueError(f"keep: max_epochs is {self.max_epochs}; what is kept is used once at least")

    @property
    def kept(self) -> float:
        """The share, 0..1."""
        if self.share is not None:
            return self.share
        assert self.need is not None
        assert self.supply is not None
        return min(1.0, self.need / (self.supply * self.max_epochs))

    def matches(self, language: str, format_: str, category: str) -> bool:
        """Whether the rule is for this group."""
        return (
            self.language in (None, language)
            and self.format in (None, format_, ranked_as(format_))
            and self.category in (None, category)
        )


def ranked_as(format_: str) -> str:
    """The format among whose documents one of this format is ranked: Markdown is prose with marks."""
    return "prose" if format_ == "markdown" else format_


def share_of(rules: Sequence[KeepRule], language: str, format_: str, category: str) -> float:
    """Of the first rule that matches; 1 where none does: a group that nobody named is kept whole."""
    return next((rule.kept for rule in rules if rule.matches(language, format_, category)), 1.0)
