"""The judgement: a raw score for each document, its rank in its group, and the drop of what ranks too low."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from contracts import Document
from contracts.features import WAIVED
from services.inference import Encoder
from services.runtime import Count, Drop, Emit, Reject, Verdict
from services.scorer import formats
from services.scorer.calibration import Calibration, Ranked
from services.scorer.config import ScorerConfig
from services.scorer.group import Scored, scored
from services.scorer.junk import FEATURE, Limits, logit_of
from services.scorer.keep import share_of

DROP_REASONS = frozenset({"low_rank", "junk"})
logger = structlog.get_logger(__name__)


class Scorer:
    """The judge of the unit: a verdict follows from the document alone; at most one inference a batch."""

    def __init__(
        self,
        calibration: Calibration,
        open_encoder: Callable[[], Encoder],
        config: ScorerConfig,
        limits: Limits | None = None,
    ) -> None:
        self._calibration = calibration
        self._limits = limits  # of junk; without them nothing is called so
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
        scores = [name for name, each in self._encoder.description.heads.items() if each.kind == "score"]
        for i, document in enumerate(documents):
            for name in scores:
                document.features[f"{self._config.model}.{name}"] = float(judged.logits[name][i, 0])
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
        junk, counted = self._junk(document)
        if junk is not None:
            return replace(junk, observed=observed, counted=counted)
        if ranked.kept or document.features.get(WAIVED):
            return Emit(document, observed=observed, counted=counted)
        explained = self._explain(found, ranked, share)
        return Drop("low_rank", ranked.place, 1 - share, explained, observed=observed, counted=counted)

    def _junk(self, document: Document) -> tuple[Drop | None, tuple[Count, ...]]:
        """The drop, where junk is to be dropped; sets the feature, and counts what was asked."""
        document.features.pop(FEATURE, None)  # of an earlier table
        logit = logit_of(document, self._config.model)
        limit = self._limits.of(document.language, document.category) if self._limits else None
        if logit is None or limit is None:
            return None, ()
        past = logit > limit.logit
        document.features[FEATURE] = float(past)
        labels = (document.language, document.category, "yes" if past else "no")
        counted = (Count("scorer_junk_documents", labels),)
        if not past or self._config.junk != "drop" or document.features.get(WAIVED):
            return None, counted
        detail = (
            f"more like junk than all but {self._limits.loss if self._limits else 0:.1%} of good "
            f"{document.language} {document.category or 'text'}: logit {logit:.4g}, limit {limit.logit:g} of "
            f"{limit.documents} documents"
        )
        return Drop("junk", logit, limit.logit, detail), counted

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
