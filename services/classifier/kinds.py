"""What it says of a text that its page calls itself a thread, documentation, a shop: a table of counts.

Of pages whose category people named, the table says how many declare which kind (services/parse leaves it in
the feature page_kind.<kind>). By Bayes' rule the text's probability of each category is multiplied by how
often pages of it declare the kind, against how often pages of no category that the judge knows do. The factor
of a category that was not counted is 1.

A factor is 1 at least: what a page says speaks for a category and against none, or pages that call
themselves articles would leave the categories that were counted for those that were not (seen: offers of
services as speeches and papers). It is `bound` at most, so where the text is surer than bound to 1 no page
overrules it.

A judge is surer of pages than it is right: most texts that it was taught are no pages. So where a page
declares a kind the text's probabilities are first raised to the power `text_weight`, at most 1, and made to
sum to 1 again: a temperature, as Guo et al. 2017 fit it (arXiv:1706.04599), by the likelihood of the pages
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from contracts.features import PAGE_KIND
from services.inference import Table

OTHERS = ""  # the category of pages that are of none
# Of the pages in the shipped table's count whose text is taken for another category than they declare, the
# page is right in 79 of 80 where the text is less sure than 0.99, and in one of four above.
BOUND = 100.0
PRIOR = 5.0  # pages that declare as pages of other categories do, added to each count

Row = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PageKinds(Table):
    """pages: counted, by category, OTHERS among them. declared: how many say so, by kind and category.
    text_weight: the power of the text's probabilities; 1 leaves them as they are.

    Raises ValueError for counts that cannot be.
    """

    FILE: ClassVar[str] = "page_kinds.json"
    CALLED: ClassVar[str] = "table of page kinds"
    MADE_BY: ClassVar[str] = "corpusworks judge kinds"

    pages: Mapping[str, int]
    declared: Mapping[str, Mapping[str, int]]
    bound: float = BOUND
    text_weight: float = 1.0
    factors: Mapping[str, Mapping[str, float]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.pages or any(count < 1 for count in self.pages.values()):
            raise ValueError("pages: at least one category, and a page of each")
        if not 1 < self.bound < float("inf"):
            raise ValueError(f"bound: a number above 1 is needed, not {self.bound}")
        if not 0 < self.text_weight <= 1:
            raise ValueError(f"text_weight: a number above 0 and at most 1 is needed, not {self.text_weight}")
        for kind, counts in self.declared.items():
            if wrong := [c for c, n in counts.items() if not 0 <= n <= self.pages.get(c, 0)]:
                raise ValueError(f"declared: more pages of {wrong[0]!r} declare {kind} than were counted")
        object.__setattr__(self, "factors", {kind: self._factors(kind) for kind in self.declared})

    @property
    def content(self) -> Mapping[str, Any]:
        """See Table."""
        return {
            "bound": self.bound,
            "text_weight": self.text_weight,
            "pages": dict(sorted(self.pages.items())),
            "declared": {kind: dict(sorted(n.items())) for kind, n in sorted(self.declared.items())},
        }

    @classmethod
    def made_of(cls, content: Mapping[str, Any]) -> PageKinds:
        """See Table."""
        return cls(**content)

    def weighed(self, row: Row, labels: Sequence[str], kind: str) -> Row:
        """Probabilities of the labels, given that the page declares this kind; "" and one not counted say
        nothing.
        """
        factors = self.factors.get(kind)
        if factors is None:
            return row
        weighed = row**self.text_weight * np.array([factors.get(label, 1.0) for label in labels], np.float32)
        return np.asarray(weighed / weighed.sum(), np.float32)

    def _factors(self, kind: str) -> dict[str, float]:
        counts = self.declared[kind]
        own = max(self.pages, key=lambda c: counts.get(c, 0))
        others = [category for category in self.pages if category != own]
        usual = (sum(counts.get(c, 0) for c in others) + 0.5) / (sum(self.pages[c] for c in others) + 1)

        def share(category: str) -> float:
            return (counts.get(category, 0) + PRIOR * usual) / (self.pages.get(category, 0) + PRIOR)

        base = max(usual, share(OTHERS))
        return {
            category: min(self.bound, max(1.0, share(category) / base))
            for category in self.pages
            if category != OTHERS
        }


def kind_of(features: Mapping[str, float]) -> str:
    """The kind that parse found declared; "" for none."""
    return next((name.removeprefix(PAGE_KIND) for name in features if name.startswith(PAGE_KIND)), "")
