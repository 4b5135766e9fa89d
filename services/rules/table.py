"""The rules that drop: measure, reason, bound, where it applies. To add one: a line here, a measure there.

A drop carries the reason of the first rule that it meets, so the more telling ones come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Literal

from services.rules.config import RulesConfig
from services.rules.repetition import DUPLICATE_NGRAMS, TOP_NGRAMS
from services.runtime import TextRule, extension

Group = Literal["any", "zh", "en", "spaced"]  # spaced: words are separated by spaces; not Chinese
_LIST = 0.5  # of the lines; more list items are a list: a change log has no function words
_WORDS = 0.8  # with a letter, of the words (Gopher); fewer are a table of figures, in a mail or a problem
TEXT = frozenset({"prose", "markdown"})
CODE = frozenset({"code"})
ALL = frozenset({"prose", "markdown", "code", "latex", "table", "log"})


@dataclass(frozen=True, slots=True)
class Rule:
    """Drops with `reason` when `measure` passes the config's `bound`: above a max_, below a min_.

    item: which number of a bound that has one for each n. sample: words, own ones (outside listings and
    quotes) or lines; the rule judges only texts with at least the config's sample_words or sample_lines.
    running: judges running text, which a list or table is not. by_chance: a share of lines that a few who say
    the same make: a post that is quoted.
    """

    measure: str
    reason: str
    bound: str
    formats: frozenset[str] = TEXT
    group: Group = "any"
    item: int | None = None
    sample: Literal["", "words", "own_words", "lines"] = ""
    by_chance: bool = False
    running: bool = False


RULES = (
    Rule("words", "too_short", "min_words", ALL),
    Rule("damaged_share", "damaged", "max_damaged_share", ALL),
    Rule("keywords_per_line", "keywords", "max_keywords_per_line", ALL),
    Rule("mean_line_length", "line_length", "max_code_mean_line_length", CODE),
    Rule("max_line_length", "line_length", "max_code_line_length", CODE),
    Rule("alnum_share", "few_letters", "min_code_alnum_share", CODE),
    Rule("generated", "generated", "max_code_generated", CODE),
    Rule("max_run_length", "long_run", "max_run_length"),
    Rule("url_share", "urls", "max_url_share"),
    Rule("hash_per_word", "symbols", "max_hash_per_word", frozenset({"prose"}), sample="words"),
    Rule("lorem_ipsum", "filler", "max_lorem_ipsum"),
    Rule("menu_line_share", "menu", "max_menu_line_share", sample="lines"),
    Rule("bullet_line_share", "list", "max_bullet_line_share", sample="lines"),
    Rule("ellipsis_line_share", "teasers", "max_ellipsis_line_share", sample="lines"),
    Rule(
        "mean_word_length",
        "word_length",
        "min_mean_word_length",
        group="spaced",
        sample="words",
        running=True,
    ),
    Rule("mean_word_length", "word_length", "max_mean_word_length", group="spaced", sample="words"),
    Rule("mean_line_length", "line_length", "min_mean_line_length_zh", group="zh", sample="lines"),
    Rule("pattern_repeats", "repeated_pattern", "max_pattern_repeats"),
    Rule("pattern_repeats", "repeated_pattern", "max_pattern_repeats_of_data", ALL - TEXT),
    Rule("dup_line_share", "repeated_lines", "max_dup_line_share", sample="lines", by_chance=True),
    Rule("dup_line_char_share", "repeated_lines", "max_dup_line_char_share", sample="lines", by_chance=True),
    Rule("dup_paragraph_share", "repeated_lines", "max_dup_paragraph_share", sample="lines", by_chance=True),
    Rule(
        "dup_paragraph_char_share",
        "repeated_lines",
        "max_dup_paragraph_char_share",
        sample="lines",
        by_chance=True,
    ),
    Rule("dup_5_gram", "repeated_ngrams", "max_repetition", sample="words"),
    Rule("dup_5_gram", "repeated_ngrams", "max_extreme_repetition"),
    *(
        Rule(f"{kind}_{n}_gram", "repeated_ngrams", f"max_{kind}_ngrams_{group}", TEXT, group, item, "words")
        for group in ("spaced", "zh")
        for kind, sizes in (("top", TOP_NGRAMS), ("dup", DUPLICATE_NGRAMS))
        for item, n in enumerate(sizes)
    ),
    Rule("stop_words", "stop_words", "min_stop_words", group="en", sample="own_words", running=True),
    Rule(
        "stop_character_share",
        "stop_words",
        "min_stop_character_share",
        group="zh",
        sample="own_words",
        running=True,
    ),
)

# Those that installed packages add, by the name of their measure; they come after ours.
ADDED = extension.added(extension.RULES, TextRule)


def group_of(language: str) -> frozenset[str]:
    """The groups of rules a language belongs to; of an unknown one only what holds for any."""
    if language in ("zh", "und"):
        return frozenset({"any", language})
    return frozenset({"any", "spaced", language})


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule with its threshold out of a config."""

    rule: Rule
    threshold: float
    is_minimum: bool
    num_sample: int

    def passed_by(self, measures: dict[str, float]) -> bool:
        """Whether the measures pass the bound, which is to say that the rule drops."""
        value = measures[self.rule.measure]
        if value >= self.threshold if self.is_minimum else value <= self.threshold:
            return False  # told first: most rules pass most texts
        if self.rule.sample and measures[self.rule.sample] < self.num_sample:
            return False
        if self.rule.running and not _is_running(measures):
            return False
        return self.is_minimum or value > self.threshold_of(measures)

    def threshold_of(self, measures: dict[str, float]) -> float:
        """The threshold for these measures. Of a few lines a share that is told by chance must be past the
        bound by its standard error, which is 9 points of 0.3 in 25 lines.
        """
        share = self.threshold
        if not self.rule.by_chance:
            return share
        return share + sqrt(share * (1 - share) / max(1.0, measures["lines"]))


def _is_running(measures: dict[str, float]) -> bool:
    return measures["bullet_line_share"] <= _LIST and measures["alpha_word_share"] >= _WORDS


def bind(config: RulesConfig, language: str, format_: str) -> tuple[Bound, ...]:
    """The rules for a language and format, in the order of the table."""
    groups = group_of(language)
    ours = [_bound(rule, config) for rule in RULES if rule.group in groups and format_ in rule.formats]
    return (*ours, *_added(format_))


def _added(format_: str) -> Iterator[Bound]:
    for name, rule in ADDED.items():
        for threshold, side in ((rule.most, "most"), (rule.least, "least")):
            if isfinite(threshold) and format_ in rule.formats:
                bound = Rule(name, rule.reason, f"{side} of {name}", rule.formats)
                yield Bound(bound, threshold, is_minimum=side == "least", num_sample=0)


def _bound(rule: Rule, config: RulesConfig) -> Bound:
    threshold = getattr(config, rule.bound)
    if rule.item is not None:
        leniency = config.ngram_leniency_zh if rule.group == "zh" else config.ngram_leniency_spaced
        threshold = threshold[rule.item] * leniency
    num_samples = {
        "words": config.sample_words,
        "own_words": config.sample_words,
        "lines": config.sample_lines,
    }
    num_sample = num_samples.get(rule.sample, 0)
    return Bound(rule, float(threshold), rule.bound.startswith("min_"), num_sample)
