"""The judgement: a raw score for each document, its rank in its group, and the drop of what ranks too low."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from contracts import Document
from services.inference import Encoder
from services.runtime import Drop, Emit, Reject, Verdict
from services.scorer import formats
from services.scorer.calibration import Calibration, Ranked
from services.scorer.config import ScorerConfig
from services.scorer.group import Scored, scored
from services.scorer.keep import share_of

DROP_REASONS = frozenset({"low_rank"})
_WAIVED = "waived"  # among the features: a person has found the text good, and the rules that it is this one
logger = structlog.get_logger(__name__)


class Scorer:
    """The judge of the unit: a verdict follows from the document alone; at most one inference a batch."""

    def __init__(
        self, calibration: Calibration, open_encoder: Callable[[], Encoder], config: ScorerConfig
    ) -> None:
        self._calibration = calibration
        self._open_encoder = open_encoder  # after a classifier with the same model none is needed
        self._encoder: Encoder | None = None
        self._config = config
        self._warned: set[str] = set()

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """One verdict for each document. Sets score, rank and calibration in place.

        Raises DependencyDown (Triton), ConfigurationError (no such model).
        """
        self._infer([document for document in documents if self._lacks_score(document)])
        return [self._verdict(document) for document in documents]

    def _lacks_score(self, document: Document) -> bool:
        feature = f"{self._config.model}.{self._config.head}"
        return document.format not in formats.TERMS and feature not in document.features

    def _infer(self, documents: Sequence[Document]) -> None:
        """The score that no classifier left, as it would have left it."""
        if not documents:
            return
        if self._encoder is None:
            self._encoder = self._open_encoder()
        judged = self._encoder.judge([document.text for document in documents])
        for document, (score,) in zip(documents, judged.logits[self._config.head].tolist(), strict=True):
            document.features[f"{self._config.model}.{self._config.head}"] = score
            document.features[f"{self._config.model}_version"] = judged.version

    def _verdict(self, document: Document) -> Verdict:
        if not document.uid:
            return Reject("the document has no uid: it must come through ingest, which sets it")
        try:
            found = scored(document, self._config.model, self._config.head)
        except ValueError as error:
            return Reject(str(error))
        group = found.group
        share = share_of(self._config.keep, document.language, document.format, document.category)
        ranked = self._calibration.rank(group, found.score, document.uid, share)
        document.score, document.rank = found.score, ranked.rank
        document.calibration = self._calibration.version
        if ranked.by is None:
            self._warn(group.source)
        observed = {f"scorer_place_{_kind(document)}": (ranked.place,)} if ranked.by == group else {}
        if ranked.kept or document.features.get(_WAIVED):
            return Emit(document, observed=observed)
        explained = self._explain(found, ranked, share)
        return Drop("low_rank", ranked.place, 1 - share, explained, observed=observed)

    def _explain(self, found: Scored, ranked: Ranked, share: float) -> str:
        among = "documents that nobody has measured"
        if ranked.by is not None:
            among = f"{self._calibration.groups[ranked.by].documents} documents of {ranked.by}"
        detail = (
            f"rank {ranked.rank:.3f} among {among} (score {found.score:.4g} by {found.group.source}, "
            f"calibration {self._calibration.version}); kept is the best {share:.1%} of {found.group}"
        )
        return detail + (", by lot among equal scores" if ranked.by_lot else "")

    def _warn(self, source: str) -> None:
        if source in self._warned or self._calibration.knows(source):
            return
        self._warned.add(source)
        logger.warning(
            f"calibration {self._calibration.version} knows no score of {source}: all of its documents are "
            "kept, with rank 0.5, until `corpusworks judge calibrate` has made a table and "
            "units.scorer.calibration names it"
        )


def _kind(document: Document) -> str:
    """Under which a place is counted: metrics have few names."""
    if document.format == "code":
        return "code"
    return document.language if document.language in ("zh", "en") else "other"
