"""The rules unit: normalise, mask personal data, tell format and language, measure, drop by a short list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from contracts import Document
from services.rules.blobs import without_blobs
from services.rules.config import RulesConfig
from services.rules.counts import Group, applying, group_of, judged
from services.rules.formats import decide_format
from services.rules.keywords import Keywords, Lookup, Watched
from services.rules.language import UNKNOWN, Language, Predict, detect_language, load_model
from services.rules.measures import MEASURES
from services.rules.mojibake import mend, unmended
from services.rules.normalise import (
    damaged_characters,
    normalise,
    normalise_code,
    strip_urls,
    url_characters,
)
from services.rules.page import Page
from services.rules.patterns import pattern_repeats
from services.rules.pii import Masker, load_finder
from services.rules.repetition import ngram_shares
from services.rules.scaffolding import without_scaffolding
from services.rules.table import ADDED, RULES, TEXT, Bound, bind
from services.rules.waivers import NAME as WAIVER
from services.rules.waivers import is_waived
from services.runtime import Drop, Emit, Judge, ObjectStore, Reject, Resources, Unit, Verdict

# Measures are taken on this much of a text; a book's first million characters say enough, and the time
# and memory of one document stay bounded (1 s, 250 MB).
_MAX_MEASURED = 1_000_000

# A short text is held to be as long as this: an emoji that was lost does not spoil it.
_LEAST_DAMAGED = 40  # characters


@dataclass(frozen=True)
class Means:
    """What the judge works with, each loaded once. rules: those of a language and format."""

    predict: Predict
    keywords: Watched | None
    masker: Masker
    store: Callable[[], ObjectStore]
    rules: Callable[[str, str], tuple[Bound, ...]]


def build(config: RulesConfig, resources: Resources) -> Judge:
    """Load models and lists. Raises ConfigurationError for one that is wrong or missing."""
    means = Means(
        predict=load_model(),
        keywords=Watched(config.keyword_files, lambda: resources.store) if config.keyword_files else None,
        masker=Masker(
            config.pii_kinds, config.pii_kinds_of_code, load_finder(config.ner) if config.ner else None
        ),
        store=lambda: resources.store,
        rules=cache(partial(bind, config)),
    )
    return partial(judge, config=config, means=means)


def judge(documents: Sequence[Document], *, config: RulesConfig, means: Means) -> list[Verdict]:
    """A verdict for each document. Sets text, language, language_confidence, format and features in place."""
    keywords = means.keywords.current() if means.keywords else None
    verdicts = [
        _unless_waived(document, _judge_one(document, config, means, keywords), means)
        for document in documents
    ]
    return _counted(documents, verdicts, config, means)


def _counted(
    documents: Sequence[Document], verdicts: Sequence[Verdict], config: RulesConfig, means: Means
) -> list[Verdict]:
    """Each with what is counted of it; the first of a group also with which rules apply to the group."""
    found: list[Verdict] = []
    met: set[Group] = set()
    for document, verdict in zip(documents, verdicts, strict=True):
        reason = verdict.reason if isinstance(verdict, Drop) else ""
        if isinstance(verdict, Reject) or not document.format:  # no text, so no language and no format
            found.append(verdict)
            continue
        group = group_of(document.language, document.format, config.languages)
        counts = [judged(group, reason)]
        if group not in met:
            met.add(group)
            counts += applying(group, means.rules(document.language, document.format))
        found.append(replace(verdict, counted=counts))
    return found


def _judge_one(document: Document, config: RulesConfig, means: Means, keywords: Keywords | None) -> Verdict:
    received = document.text
    mended = mend(received)
    text = normalise(mended)
    if not text or text.isspace():
        document.text = ""
        return Drop("empty", measured=0, threshold=1, detail="no visible character")
    page = Page(text[:_MAX_MEASURED])
    document.format = decide_format(page, document.media_type, document.source)
    measures = {
        "damaged_share": (damaged_characters(mended) + unmended(text)) / max(len(received), _LEAST_DAMAGED),
        "url_share": url_characters(page.text) / page.size,
    }
    if document.format == "code":
        text = normalise_code(received)
        page = Page(text[:_MAX_MEASURED]) if text != page.text else page
    text, page = _cleaned(text, page, document.format, config=config, masker=means.masker, measures=measures)
    language = _language(page, document.format, config, means.predict)
    document.language, document.language_confidence = language.code, language.confidence
    found = keywords.look_up(text, language.code) if keywords else Lookup({}, None)
    if found.masked is not None:
        text, page = found.masked, Page(found.masked[:_MAX_MEASURED])
    if text != received:
        document.text = text
    measures |= measure(page) | found.measures(len(page.lines))
    document.features.update(measures)
    if found.worst is not None:
        return Drop("keywords", len(found.words[found.worst]), found.worst.at_least, found.told())
    verdict = _verdict(document, language, measures, config, means.rules(language.code, document.format))
    if isinstance(verdict, Drop) and verdict.reason == "keywords":
        return replace(verdict, detail=f"{verdict.detail}; {found.told()}")
    return verdict


def _unless_waived(document: Document, verdict: Verdict, means: Means) -> Verdict:
    """A person's word stands over a rule's; the measures stay as they are."""
    if not isinstance(verdict, Drop) or WAIVER not in document.metadata:
        return verdict
    if not is_waived(document, verdict.reason, means.store):
        return verdict
    document.features["waived"] = 1.0
    return Emit(document)


def _cleaned(
    text: str, page: Page, format_: str, *, config: RulesConfig, masker: Masker, measures: dict[str, float]
) -> tuple[str, Page]:
    """The text and its page without URLs, blobs, scaffolding, personal data; how much goes into measures."""
    if config.strip_urls and format_ == "prose" and measures["url_share"]:
        text = strip_urls(text)
        page = Page(text[:_MAX_MEASURED])
    if format_ in TEXT and (rest := without_blobs(page)) != page.text:
        measures["blob_share"] = 1 - len(rest) / page.size
        text = rest + text[_MAX_MEASURED:]
        page = Page(text[:_MAX_MEASURED])
    if config.strip_scaffolding and format_ in TEXT and (rest := without_scaffolding(page)) != page.text:
        measures["scaffolding_share"] = 1 - len(rest) / page.size
        text = rest + text[_MAX_MEASURED:]
        page = Page(text[:_MAX_MEASURED])
    masked = masker.mask(page if len(text) <= _MAX_MEASURED else Page(text), format_)
    if masked.counts:
        measures |= {f"pii_{kind}": float(number) for kind, number in masked.counts.items()}
        return masked.text, Page(masked.text[:_MAX_MEASURED])
    return text, page


def measure(page: Page) -> dict[str, float]:
    """Every measure of a page, by name."""
    measures = {name: function(page) for name, function in MEASURES.items()} | ngram_shares(page)
    measures |= {name: float(rule.measure(page.text)) for name, rule in ADDED.items()}
    # What stands on end repeats its longest n-gram; most texts repeat none.
    measures["pattern_repeats"] = pattern_repeats(page) if measures["dup_10_gram"] else 0.0
    return measures


def _language(page: Page, format_: str, config: RulesConfig, predict: Predict) -> Language:
    """Unknown for code, whose language is no natural one."""
    if format_ == "code":
        return Language(UNKNOWN, 0.0)
    return detect_language(page, predict, config.languages, config.min_language_confidence)


def _verdict(
    document: Document,
    language: Language,
    measures: dict[str, float],
    config: RulesConfig,
    rules: tuple[Bound, ...],
) -> Verdict:
    foreign = language.code not in config.languages
    # What is too short to tell stays; a page that is no known language is none.
    if (
        foreign
        and document.format in TEXT
        and (language.code != UNKNOWN or measures["words"] > config.sample_words)
    ):
        allowed = ", ".join(config.languages)
        return Drop("language", language.confidence, None, f"language {language.code}; kept are {allowed}")
    broken = [bound for bound in rules if bound.passed_by(measures)]
    if not broken:
        return Emit(document)
    details = [
        f"{bound.rule.measure} {measures[bound.rule.measure]:.4g}"
        f" {'<' if bound.is_minimum else '>'} {bound.rule.bound} {bound.threshold_of(measures):.4g}"
        for bound in broken
    ]
    first = broken[0]
    return Drop(
        first.rule.reason, measures[first.rule.measure], first.threshold_of(measures), "; ".join(details)
    )


SERVICE = Unit(
    name="rules",
    config=RulesConfig,
    build=build,
    drop_reasons=frozenset(
        {"empty", "language"} | {rule.reason for rule in RULES} | {rule.reason for rule in ADDED.values()}
    ),
)
