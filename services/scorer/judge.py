"""The judgement: a raw score for each document, its rank in its group, and the drop of what ranks too low.

The first judgement of a document stands: when it comes again, it is kept or dropped as before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contracts import Document
from services.inference import Encoder
from services.runtime import Drop, Emit, Reject, Verdict
from services.scorer import formats
from services.scorer.config import ScorerConfig
from services.scorer.group import Group, Ranked, State, rank
from services.scorer.keep import share_of
from services.scorer.store import Fates, Store

DROP_REASONS = frozenset({"low_rank"})
_LOTS = float(1 << 64)  # a uid is a hash: over this a lot in 0..1, the same at every redelivery


@dataclass(frozen=True, slots=True)
class _Case:
    """A document with its raw score."""

    number: int  # in the batch
    document: Document
    score: float


class Scorer:
    """The judge of the unit: at most one inference and one exchange with the store for any batch."""

    def __init__(self, store: Store, open_encoder: Callable[[], Encoder], config: ScorerConfig) -> None:
        self._store = store
        self._open_encoder = open_encoder  # after a classifier with the same model none is needed
        self._encoder: Encoder | None = None
        self._config = config

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """One verdict for each document. Sets score and rank in place.

        Raises DependencyDown (Triton, Redis), ConfigurationError (no such model).
        """
        self._infer([document for document in documents if self._lacks_score(document)])
        verdicts: dict[int, Verdict] = {}
        groups: defaultdict[Group, list[_Case]] = defaultdict(list)
        for number, document in enumerate(documents):
            if not document.uid:
                verdicts[number] = Reject(
                    "the document has no uid: it must come through ingest, which sets it"
                )
                continue
            score, source = self._raw(document)
            if isinstance(score, Reject):
                verdicts[number] = score
            else:
                group = Group(source, document.language, document.format, document.category)
                groups[group].append(_Case(number, document, score))
        if groups:
            # Where nothing is dropped, nobody's fate need be remembered.
            uids = {
                group: [case.document.uid for case in cases] if self._share(group) < 1 else []
                for group, cases in groups.items()
            }
            ranked = self._store.update(uids, lambda group, *known: self._rank(group, groups[group], *known))
            for group, cases in groups.items():
                for i, case in enumerate(cases):
                    verdicts[case.number] = self._verdict(case, group, ranked[group], i)
        return [verdicts[number] for number in range(len(documents))]

    @property
    def _feature(self) -> str:
        return f"{self._config.model}.{self._config.head}"

    def _lacks_score(self, document: Document) -> bool:
        return document.format not in formats.TERMS and self._feature not in document.features

    def _infer(self, documents: Sequence[Document]) -> None:
        """The score that no classifier left, as it would have left it."""
        if not documents:
            return
        if self._encoder is None:
            self._encoder = self._open_encoder()
        judged = self._encoder.judge([document.text for document in documents])
        for document, (score,) in zip(documents, judged.logits[self._config.head].tolist(), strict=True):
            document.features[self._feature] = score
            document.features[f"{self._config.model}_version"] = judged.version

    def _raw(self, document: Document) -> tuple[float | Reject, str]:
        """The raw score, and what made it with its version."""
        if document.format in formats.TERMS:
            source = f"formats@{formats.VERSION}"
            try:
                score = formats.score(document.format, document.features)
            except KeyError as error:
                why = (
                    f"the score of {document.format} needs the feature {error.args[0]}, which rules measures"
                )
                return Reject(f"{why}: run rules before the scorer"), source
        else:
            version = int(document.features.get(f"{self._config.model}_version", 0))
            source = f"{self._config.model}@{version}"
            score = document.features[self._feature]
        if not math.isfinite(score):
            why = f"the score is {score}, by {source}: it is no number, so there is no rank"
            return Reject(f"{why}; look at the model's export, or at the features that came in"), source
        return score, source

    def _share(self, group: Group) -> float:
        return share_of(self._config.keep, group.language, group.format, group.category)

    def _rank(
        self, group: Group, cases: Sequence[_Case], old: State | None, fates: Fates
    ) -> tuple[State, Ranked]:
        return rank(
            np.array([case.score for case in cases]),
            np.array([case.document.uid / _LOTS for case in cases]),
            fates or [None] * len(cases),
            old,
            share=self._share(group),
            k=self._config.k,
            min_below=self._config.min_below,
        )

    def _verdict(self, case: _Case, group: Group, ranked: Ranked, i: int) -> Verdict:
        document, standing, place = case.document, ranked.standings[i], float(ranked.places[i])
        document.score, document.rank = case.score, standing.rank
        if ranked.kept[i]:
            return Emit(document)
        name = "/".join(part or "unknown" for part in (group.language, group.format, group.category))
        detail = (
            f"rank {standing.rank:.3f} of {ranked.count} documents of {name} (score {case.score:.4g} by "
            f"{group.source}); kept is the best {self._share(group):.1%}"
        )
        if place >= ranked.threshold:
            detail += "; it was dropped when it came before, which stands"
        elif standing.rank >= ranked.threshold:
            detail += ", by lot among equal scores"
        return Drop("low_rank", place, ranked.threshold, detail)
