"""The rules unit: normalise, mask personal data, tell format and language, measure, drop by a short list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import compress

from contracts import Document
from contracts.features import WAIVED
from services.rules.batch import prepare
from services.rules.config import RulesConfig
from services.rules.counts import Group, applying, group_of, judged
from services.rules.keywords import Keywords, Lookup, Watched, require
from services.rules.language import UNKNOWN, Language, Predict, detect_language, load_model
from services.rules.measures import MEASURES
from services.rules.page import Page
from services.rules.patterns import pattern_repeats
from services.rules.pii import Masker, load_finder
from services.rules.repetition import ngram_shares
from services.rules.table import ADDED, RULES, TEXT, Bound, bind
from services.rules.waivers import BY_JUDGE, is_waived
from services.rules.waivers import NAME as WAIVER
from services.rules.work import Work, begin, by_size, clean, mask
from services.runtime import Drop, Emit, Judge, ObjectStore, Reject, Resources, Settings, Unit, Verdict


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


def needs(config: RulesConfig, _settings: Settings) -> None:
    """The tagger of names and the lists of words. Raises ConfigurationError."""
    if config.ner:
        load_finder(config.ner)
    require(config.keyword_files)


def judge(documents: Sequence[Document], *, config: RulesConfig, means: Means) -> list[Verdict]:
    """A verdict for each document. Sets text, language, language_confidence, format and features in place."""
    keywords = means.keywords.current() if means.keywords else None
    verdicts: list[Verdict] = []
    for some in by_size(documents):
        verdicts += [
            _unless_waived(document, verdict, means)
            for document, verdict in zip(some, _judge_some(some, config, means, keywords), strict=True)
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


def _judge_some(
    documents: Sequence[Document], config: RulesConfig, means: Means, keywords: Keywords | None
) -> list[Verdict]:
    """What numpy does is done for all of them at once, since on one of a few kB its calls cost more."""
    works = begin(documents)
    is_full = [bool(work.text) for work in works]
    full = list(compress(works, is_full))
    prepare([work.page for work in full])
    for work in full:
        clean(work, config)
    prepare([work.page for work in full])
    mask(full, means.masker)
    prepare([work.page for work in full])
    prepare([work.page.own_words for work in full])
    found = [_told(work, config, means, keywords) for work in full]
    shares = ngram_shares([work.page.own_words for work in full])
    verdicts = map(partial(_judged, config=config, means=means), full, found, shares)
    return [
        next(verdicts) if is_one else _empty(document)
        for document, is_one in zip(documents, is_full, strict=True)
    ]


def _empty(document: Document) -> Drop:
    document.text = ""
    return Drop("empty", measured=0, threshold=1, detail="no visible character")


def _told(work: Work, config: RulesConfig, means: Means, keywords: Keywords | None) -> Lookup:
    """The language of the document is set; what of the lists for it is in the text."""
    document = work.document
    language = _language(work.page, document.format, config, means.predict)
    document.language, document.language_confidence = language.code, language.confidence
    found = keywords.look_up(work.text, language.code) if keywords else Lookup({}, None)
    if found.masked is not None:
        work.becomes(found.masked)
    return found


def _judged(
    work: Work, found: Lookup, shares: dict[str, float], *, config: RulesConfig, means: Means
) -> Verdict:
    document = work.document
    if work.text != work.received:
        document.text = work.text
    measures = work.measures | measure(work.page, shares) | found.measures(len(work.page.lines))
    document.features.update(measures)
    if found.worst is not None:
        return Drop("keywords", len(found.words[found.worst]), found.worst.at_least, found.told())
    verdict = _verdict(document, measures, config, means.rules(document.language, document.format))
    if isinstance(verdict, Drop) and verdict.reason == "keywords":
        return replace(verdict, detail=f"{verdict.detail}; {found.told()}")
    return verdict


def _unless_waived(document: Document, verdict: Verdict, means: Means) -> Verdict:
    """A person's word stands over a rule's, and over what the judge would say; the measures stay."""
    if isinstance(verdict, Reject) or WAIVER not in document.metadata:
        return verdict
    reason = verdict.reason if isinstance(verdict, Drop) else BY_JUDGE
    if not is_waived(document, reason, means.store):
        return verdict
    document.features[WAIVED] = 1.0
    return Emit(document)


def measure(page: Page, shares: Mapping[str, float]) -> dict[str, float]:
    """Every measure of a page, by name. shares: of the n-grams of its own words."""
    measures = {name: function(page) for name, function in MEASURES.items()}
    measures |= shares
    measures |= {name: float(rule.measure(page.text)) for name, rule in ADDED.items()}
    # What stands on end repeats its longest n-gram, if not in a fenced block; most texts repeat none.
    may_repeat = measures["dup_10_gram"] or page.own_words is not page
    measures["pattern_repeats"] = pattern_repeats(page) if may_repeat else 0.0
    return measures


def _language(page: Page, format_: str, config: RulesConfig, predict: Predict) -> Language:
    """Unknown for code, whose language is no natural one. A Chinese manual is Chinese also where its listings
    have more words than it has characters.
    """
    if format_ == "code":
        return Language(UNKNOWN, 0.0)
    detect = partial(
        detect_language, predict=predict, expected=config.languages, sure=config.min_language_confidence
    )
    language = detect(page)
    if page.own_words is page or language.code == "zh":
        return language
    own = detect(page.own_words)
    return language if own.code == UNKNOWN else own


def _verdict(
    document: Document, measures: dict[str, float], config: RulesConfig, rules: tuple[Bound, ...]
) -> Verdict:
    language = document.language
    foreign = language not in config.languages
    # What is too short to tell stays; a page that is no known language is none.
    if (
        foreign
        and document.format in TEXT
        and (language != UNKNOWN or measures["words"] > config.sample_words)
    ):
        allowed = ", ".join(config.languages)
        return Drop(
            "language", document.language_confidence, None, f"language {language}; kept are {allowed}"
        )
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
    needs=needs,
)
