"""What other thresholds would do to documents whose measures are known: who would go, who come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from contracts.features import WAIVED
from services.rules.config import RulesConfig
from services.rules.table import RULES, bind
from services.runtime import meant

# What the bounds of the table go by.
_OTHERS = ("ngram_leniency_spaced", "ngram_leniency_zh", "sample_words", "sample_lines")


@dataclass(frozen=True)
class Known:
    """A document of the archive. reason: why the rules dropped it; "" where they let it pass."""

    uid: str
    language: str
    format: str
    reason: str
    features: Mapping[str, float]


@dataclass(frozen=True)
class Change:
    """A document whose fate changes. reason: why it would be dropped now; "" where it would stay."""

    document: Known
    reason: str


def changed(config: RulesConfig, settings: Mapping[str, float]) -> RulesConfig:
    """The config with other bounds, NAME or NAME[ITEM]. Raises ValueError naming one that there is not."""
    items = {f"{rule.bound}[{rule.item}]": rule for rule in RULES if rule.item is not None}
    bounds = [*sorted({rule.bound for rule in RULES if rule.item is None}), *_OTHERS, *items]
    if unknown := sorted(set(settings) - set(bounds)):
        near = meant(unknown[0], bounds) or "; `config show rules` has them"
        raise ValueError(f"there is no bound {', '.join(unknown)}{near}")
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if (rule := items.get(name)) is None:
            values[name] = value
        else:
            before = values.get(rule.bound, getattr(config, rule.bound))
            values[rule.bound] = tuple(value if at == rule.item else old for at, old in enumerate(before))
    return replace(config, **values)


def changes(config: RulesConfig, documents: Iterable[Known]) -> Iterator[Change]:
    """Those that the config would judge differently. Drops that no bound made (language, empty) stand, and so
    does a person's waiver.
    """
    rules = cache(partial(bind, config))
    by_bounds = {rule.reason for rule in RULES}
    for document in documents:
        if (document.reason and document.reason not in by_bounds) or document.features.get(WAIVED):
            continue
        bounds = rules(document.language, document.format)
        try:
            broken = [bound for bound in bounds if bound.passed_by(dict(document.features))]
        except KeyError:  # from before there was such a measure
            continue
        reason = broken[0].rule.reason if broken else ""
        if bool(reason) != bool(document.reason):
            yield Change(document, reason)
