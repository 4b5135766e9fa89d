"""The unit: text in, its category beside it, and the raw scores of the same look at the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contracts import Document
from services.classifier.config import ClassifierConfig
from services.classifier.kinds import PageKinds, kind_of
from services.inference import Encoder, Judged
from services.runtime import ConfigurationError, Emit, Verdict

OTHER = "other"
_LEAST = 0.05  # a probability below it is not written: it would only fill the message


class Classifier:
    """The judge of the unit: one inference for a batch.

    kinds: what pages say of themselves is weighed by it; None to read the text alone. Raises
    ConfigurationError for a model without the head.
    """

    def __init__(self, encoder: Encoder, config: ClassifierConfig, kinds: PageKinds | None = None) -> None:
        self._encoder = encoder
        self._config = config
        self._kinds = kinds
        heads = encoder.description.heads
        head = heads.get(config.head)
        if head is None or head.kind != "classes":
            raise ConfigurationError(
                f"the model {config.model} has no head {config.head!r} of kind classes; it has: "
                + ", ".join(f"{name} ({each.kind})" for name, each in heads.items())
            )
        self._head = head
        self._scores = tuple(name for name, each in heads.items() if each.kind == "score")

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """Emit, for each document. Raises DependencyDown, ValueError when a logit is not a number.

        Sets category and, in features: category_probability, category.<label> where it is 0.05 or more,
        <model>.<head> for every head of kind score, and <model>_version. Where what the page declares was
        weighed, category_by_text: how probable the same label is by the text alone.
        """
        asked = []
        for document in documents:
            _forget(document)
            if document.format in self._config.formats:
                document.category = self._config.formats[document.format]
                _remember(document, 1.0, {document.category: 1.0})
            else:
                asked.append(document)
        if asked:
            judged = self._encoder.judge([document.text for document in asked])
            rows = self._head.probabilities(judged.logits[self._config.head])
            for i, document in enumerate(asked):
                self._name(document, rows[i])
                self._leave_scores(document, judged, i)
        return [Emit(document) for document in documents]

    def _name(self, document: Document, by_text: npt.NDArray[np.float32]) -> None:
        row = by_text
        if self._kinds is not None and (kind := kind_of(document.features)):
            row = self._kinds.weighed(by_text, self._head.labels, kind)
            document.features["category_by_text"] = float(by_text[row.argmax()])
        best = int(row.argmax())
        document.category = self._head.labels[best] if row[best] >= self._config.min_probability else OTHER
        likely = {self._head.labels[j]: float(row[j]) for j in np.flatnonzero(row >= _LEAST)}
        _remember(document, float(row[best]), likely)

    def _leave_scores(self, document: Document, judged: Judged, i: int) -> None:
        """For the scorer, which then asks nobody."""
        for head in self._scores:
            document.features[f"{self._config.model}.{head}"] = float(judged.logits[head][i, 0])
        document.features[f"{self._config.model}_version"] = judged.version


def _remember(document: Document, best: float, likely: dict[str, float]) -> None:
    document.features["category_probability"] = best
    for label, probability in likely.items():
        document.features[f"category.{label}"] = probability


def _forget(document: Document) -> None:
    """What an earlier version said of a document that comes again."""
    if "category_probability" in document.features:
        stale = [name for name in document.features if name.startswith(("category.", "category_by_text"))]
        for name in stale:
            del document.features[name]
