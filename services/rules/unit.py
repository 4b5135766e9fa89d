"""The rules unit: normalise, decide the format and the language, measure everything, drop by a short list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

from contracts import Document
from services.rules.config import RulesConfig
from services.rules.counts import Group, applying, group_of, judged
from services.rules.formats import decide_format
from services.rules.keywords import Keywords
from services.rules.language import UNKNOWN, Language, Predict, detect_language, load_model
from services.rules.measures import MEASURES
from services.rules.normalise import damaged_characters, normalise, strip_urls, url_characters
from services.rules.page import Page
from services.rules.patterns import pattern_repeats
from services.rules.repetition import ngram_shares
from services.rules.table import ADDED, RULES, TEXT, Bound, bind
from services.runtime import Drop, Emit, Judge, Reject, Resources, Unit, Verdict

# Measures are taken on this much of a text; a book's first million characters say enough, and the time
# and memory of one document stay bounded (1 s, 250 MB).
_MAX_MEASURED = 1_000_000

Binder = Callable[[str, str], tuple[Bound, ...]]


def build(config: RulesConfig, resources: Resources) -> Judge:
    """Load the language model and the keyword lists. Raises ConfigurationError for a list that is wrong."""
    return partial(
        judge,
        config=config,
        predict=load_model(),
        keywords=Keywords(config.keyword_files) if config.keyword_files else None,
        rules=cache(partial(bind, config)),
    )


def judge(
    documents: Sequence[Document],
    *,
    config: RulesConfig,
    predict: Predict,
    keywords: Keywords | None,
    rules: Binder,
) -> list[Verdict]:
    """A verdict for each document. Sets text, language, language_confidence, format and features in place."""
    verdicts = [_judge_one(document, config, predict, keywords, rules) for document in documents]
    return _counted(documents, verdicts, config, rules)


def _counted(
    documents: Sequence[Document], verdicts: Sequence[Verdict], config: RulesConfig, rules: Binder
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
            counts += applying(group, rules(document.language, document.format))
        found.append(replace(verdict, counted=counts))
    return found


def _judge_one(
    document: Document, config: RulesConfig, predict: Predict, keywords: Keywords | None, rules: Binder
) -> Verdict:
    received = document.text
    text = normalise(received)
    if not text or text.isspace():
        document.text = ""
        return Drop("empty", measured=0, threshold=1, detail="no visible character")
    page = Page(text[:_MAX_MEASURED])
    document.format = decide_format(page, document.media_type, document.source)
    measures = {
        "damaged_share": damaged_characters(received) / len(received),
        "url_share": url_characters(page.text) / page.size,
    }
    if config.strip_urls and document.format == "prose" and measures["url_share"]:
        text = strip_urls(text)
        page = Page(text[:_MAX_MEASURED])
    if text != received:
        document.text = text
    language = _language(page, document.format, config, predict)
    document.language, document.language_confidence = language.code, language.confidence
    measures |= measure(page, keywords)
    document.features.update(measures)
    return _verdict(document, language, measures, config, rules(language.code, document.format))


def measure(page: Page, keywords: Keywords | None = None) -> dict[str, float]:
    """Every measure of a page, by name."""
    measures = {name: function(page) for name, function in MEASURES.items()} | ngram_shares(page)
    measures |= {name: float(rule.measure(page.text)) for name, rule in ADDED.items()}
    # What stands on end repeats its longest n-gram; most texts repeat none.
    measures["pattern_repeats"] = pattern_repeats(page) if measures["dup_10_gram"] else 0.0
    different = keywords.count_different(page.lower) if keywords else 0
    measures["keywords_per_line"] = different / max(1, len(page.lines))
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
        f" {'<' if bound.is_minimum else '>'} {bound.rule.bound} {bound.threshold:g}"
        for bound in broken
    ]
    first = broken[0]
    return Drop(first.rule.reason, measures[first.rule.measure], first.threshold, "; ".join(details))


SERVICE = Unit(
    name="rules",
    config=RulesConfig,
    build=build,
    drop_reasons=frozenset(
        {"empty", "language"} | {rule.reason for rule in RULES} | {rule.reason for rule in ADDED.values()}
    ),
)
