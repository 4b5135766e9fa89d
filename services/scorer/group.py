"""The documents that are ranked among each other, and the raw score by which they are. Pure.

A group is (source, format, language, category). The source names what made the scores, with its version:
"judge@3", "formats@1". Raw scores of two models are not comparable, so a new version of a model needs
quantiles of its own and never meets those of the old. What is prose in Markdown stands among prose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from contracts import Document
from services.scorer import formats
from services.scorer.keep import ranked_as


class Group(NamedTuple):
    """Of a document all four are known. In a calibration None stands for any: a wider group."""

    source: str
    format: str
    language: str | None = None
    category: str | None = None

    def wider(self) -> Iterator[Group]:
        """The group itself, then the documents of its format and language, then those of its format."""
        yield self
        yield self._replace(category=None)
        yield self._replace(language=None, category=None)

    def __str__(self) -> str:
        """zh/prose/news; what is any is left out."""
        parts = (self.language, self.format, self.category)
        return "/".join(part or "unknown" for part in parts if part is not None)


class Scored(NamedTuple):
    """A document's raw score and its group."""

    score: float
    group: Group


def scored(document: Document, model: str, head: str) -> Scored:
    """By its format's own measures, else by what the model left in the features.

    Raises ValueError saying what is missing or wrong.
    """
    if document.format in formats.TERMS:
        source = f"{formats.NAME}@{formats.VERSION}"
        try:
            score = formats.score(document.format, document.features)
        except KeyError as error:
            raise ValueError(
                f"the score of {document.format} needs the feature {error.args[0]}, which rules measures: "
                "run rules before the scorer"
            ) from error
    else:
        feature = f"{model}.{head}"
        if feature not in document.features:  # reading it from a protobuf map would give 0
            raise ValueError(f"the document has no score: no model left the feature {feature}")
        source = f"{model}@{int(document.features.get(f'{model}_version', 0))}"
        score = document.features[feature]
    if not math.isfinite(score):
        raise ValueError(
            f"the score is {score}, by {source}: it is no number, so there is no rank; look at the model's "
            "export, or at the features that came in"
        )
    return Scored(score, Group(source, ranked_as(document.format), document.language, document.category))
