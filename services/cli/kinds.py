"""The table of what pages say of themselves, from pages whose category people named, and what it is worth."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from contracts import Document, media_types
from services.classifier import SERVICE, ClassifierConfig, PageKinds
from services.classifier.kinds import kind_of
from services.inference import Encoder
from services.runtime import ConfigurationError, Emit, Resources, Settings, configure
from services.runtime.apply import judged
from services.runtime.topology import Topology

_BATCH = 64
_WEIGHTS = tuple(tenth / 10 for tenth in range(10, 1, -1))  # of a page's text, from 1 down
_LEAST = 1e-6  # a category that the text rules out tells as much and no more
ALL, MEAN = "all pages", "mean of categories"


@dataclass(frozen=True)
class Page:
    """row: the probabilities of the categories by the text alone. site: whose pages are counted together.
    language: as the index names it; "" where it does not.
    """

    category: str
    kind: str
    site: str
    row: npt.NDArray[np.float32]
    language: str = ""


class Worth(NamedTuple):
    """Of a language's category: pages, those that declare a kind, and the share named right without and with
    it. Of a language with several categories besides: of all its pages (ALL), and the mean of their shares
    (MEAN), in which few pages of a category count as much as many.
    """

    language: str
    category: str
    pages: int
    declaring: int
    by_text: float
    with_kinds: float


def pages_of(index: Path, settings: Settings, topology: Topology) -> tuple[list[Page], Sequence[str]]:
    """The pages of a JSONL file, and the judge's categories. A line names a `file` beside it, its `category`
    ("" for none that a judge knows), its `url`, and may name its `lang`. A page without text is passed over.

    Raises ConfigurationError.
    """
    config = configure(
        "classifier", ClassifierConfig, dict(SERVICE.offline) | settings.units.get("classifier", {})
    )
    encoder = Encoder.open(str(config.triton_url), config.models, config.model, config.inference)
    head = encoder.description.heads[config.head]
    found = list(_parsed(index, settings, topology))
    pages = []
    for start in range(0, len(found), _BATCH):
        some = found[start : start + _BATCH]
        rows = head.probabilities(encoder.judge([document.text for document, _ in some]).logits[config.head])
        pages += [
            Page(
                str(line["category"]),
                kind_of(document.features),
                _site(document),
                row,
                str(line.get("lang") or ""),
            )
            for (document, line), row in zip(some, rows, strict=True)
        ]
    return pages, head.labels


def counted(pages: Sequence[Page], labels: Sequence[str]) -> PageKinds:
    """The table, with the weight of a text by which the pages' categories are likeliest. Raises
    ConfigurationError where no page is counted.
    """
    declared: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for page in pages:
        if page.kind:
            declared[page.kind][page.category] += 1
    try:
        table = PageKinds(Counter(page.category for page in pages), declared)
    except ValueError as error:
        raise ConfigurationError(f"no table can be made of {len(pages)} pages: {error}") from error
    tables = [replace(table, text_weight=weight) for weight in _WEIGHTS]
    return max(tables, key=lambda each: _likelihood(each, pages, labels))


def _likelihood(table: PageKinds, pages: Sequence[Page], labels: Sequence[str]) -> float:
    """Logarithm; of the pages that say what they are, and are of a category that the judge knows."""
    return sum(
        math.log(max(_LEAST, table.weighed(page.row, labels, page.kind)[labels.index(page.category)]))
        for page in pages
        if page.kind and page.category in labels
    )


def worth(pages: Sequence[Page], labels: Sequence[str]) -> list[Worth]:
    """By language and category: the pages of each half of the sites, weighed by a table of the other half."""
    found: defaultdict[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for half in (0, 1):
        others = [page for page in pages if _half(page) != half]
        table = counted(others, labels) if others else None
        for page in pages:
            if _half(page) == half and page.category in labels:
                row = table.weighed(page.row, labels, page.kind) if table is not None else page.row
                by_text, weighed = (labels[int(each.argmax())] == page.category for each in (page.row, row))
                found[page.language, page.category].append((bool(page.kind), by_text, weighed))
    by_category = [
        Worth(*key, len(rows), *np.sum(rows, 0)[:1].tolist(), *np.mean(rows, 0)[1:].tolist())
        for key, rows in sorted(found.items())
    ]
    return by_category + _overall(by_category)


def _overall(rows: Sequence[Worth]) -> list[Worth]:
    """ALL and MEAN of each language that has several categories."""
    found = []
    for language in dict.fromkeys(row.language for row in rows):
        of = [row for row in rows if row.language == language]
        pages, declaring = sum(row.pages for row in of), sum(row.declaring for row in of)
        for name, weights in ((ALL, [row.pages for row in of]), (MEAN, [1] * len(of))):
            shares = np.average([row[-2:] for row in of], axis=0, weights=weights)
            found += [Worth(language, name, pages, declaring, *shares.tolist())] if len(of) > 1 else []
    return found


def _parsed(index: Path, settings: Settings, topology: Topology) -> Iterator[tuple[Document, dict[str, Any]]]:
    lines = _lines(index)
    documents = (
        Document(
            id=str(number),
            body=(index.parent / line["file"]).read_bytes(),
            media_type=media_types.HTML,
            metadata={"url": line.get("url") or ""},
        )
        for number, line in enumerate(lines)
    )
    for document, verdict in judged(["parse"], documents, Resources(settings), topology):
        if isinstance(verdict, Emit):
            yield document, lines[int(document.id)]


def _lines(index: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            if line["category"] is None or not (index.parent / line["file"]).is_file():
                raise ValueError(f"no category, or no such file: {str(line)[:200]}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{index}: a line names a `file` beside it and a `category`: {error}"
        ) from error
    return lines


def _site(document: Document) -> str:
    return urlsplit(document.metadata["url"]).netloc or document.id


def _half(page: Page) -> int:
    return hashlib.md5(page.site.encode(), usedforsecurity=False).digest()[0] & 1
