"""PromQL out of metric names: one spelling of selectors, rates and shares for panels and alerts.

A scope is what every selector begins with. Panels look at the namespaces that were chosen (`All` matches
metrics without such a label, too: on one machine there is none); alerts look at all and keep them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

CORPUSWORKS = "corpusworks_"
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Scope:
    """within: a matcher that begins every selector. apart: labels that every sum keeps beside its own."""

    within: str = ""
    apart: tuple[str, ...] = ()

    def of(self, name: str, *matchers: str) -> str:
        """A selector of one of our metrics."""
        return self.any(CORPUSWORKS + name, *matchers)

    def any(self, name: str, *matchers: str) -> str:
        """A selector of whoever's metric."""
        told = ",".join(matcher for matcher in (self.within, *matchers) if matcher)
        return f"{name}{{{told}}}" if told else name

    def sum(self, what: str, *by: str) -> str:
        """Over everything but these labels."""
        return self.fold("sum", what, *by)

    def max(self, what: str, *by: str) -> str:
        """Likewise."""
        return self.fold("max", what, *by)

    def fold(self, how: str, what: str, *by: str) -> str:
        """By an aggregation of PromQL."""
        kept = ", ".join((*self.apart, *by))
        return f"{how} by ({kept}) ({what})" if kept else f"{how}({what})"

    def rate(self, name: str, *by: str, where: tuple[str, ...] = (), window: str = RATE) -> str:
        """A second, summed."""
        return self.sum(f"rate({self.of(name, *where)}[{window}])", *by)

    def increase(self, name: str, *by: str, where: tuple[str, ...] = (), window: str) -> str:
        """In a window, summed."""
        return self.sum(f"increase({self.of(name, *where)}[{window}])", *by)

    def on(self, *labels: str) -> str:
        """What to match two sides by."""
        return f"on ({', '.join((*self.apart, *labels))})"

    def quantile(self, share: float, name: str, *by: str, window: str = RATE) -> str:
        """Of a histogram."""
        buckets = self.sum(f"rate({self.of(name + '_bucket')}[{window}])", "le", *by)
        return f"histogram_quantile({share}, {buckets})"


CHOSEN = Scope(within='namespace=~"$namespace"')
EVERYWHERE = Scope(apart=("namespace",))

# Drops that are meant to hit one language: what is not to be kept, and what has none.
MEANT = 'reason!~"language|empty"'


def bias(scope: Scope, window: str) -> str:
    """By rule, language and format: its share of drops there against its share in all groups it applies to.

    1: the rule treats the group as it does all. It applies to the groups of which it has a series, be it at 0
    (services/rules/counts.py).
    """
    drops, seen, applies = _judged(scope, window)
    everywhere = f"({scope.sum(drops, 'reason')} / {scope.sum(applies, 'reason')})"
    here = f"(({drops}) / {scope.on('language', 'format')} group_left () ({seen}))"
    return f"{here} / {scope.on('reason')} group_left () {everywhere}"


def surprise(scope: Scope, window: str) -> str:
    """Likewise: by how many standard errors a group's drops are more than its part of the documents makes
    likely (the score test of services/archive/bias.py).
    """
    drops, _, applies = _judged(scope, window)
    by_reason = f"{scope.on('reason')} group_left ()"
    part = f"({applies} / {by_reason} {scope.sum(applies, 'reason')})"
    found = scope.sum(drops, "reason")
    likely = f"({part} * {by_reason} {found})"
    return f"(({drops}) - {likely}) / sqrt({likely} * (1 - {part}))"


def _judged(scope: Scope, window: str) -> tuple[str, str, str]:
    """Drops by language, format and rule; documents by language and format; these beside each rule."""
    judged = "rules_judged_documents_total"
    drops = scope.increase(judged, "language", "format", "reason", where=('reason!=""', MEANT), window=window)
    seen = scope.increase(judged, "language", "format", window=window)
    return drops, seen, f"(0 * ({drops}) + {scope.on('language', 'format')} group_left () ({seen}))"


def share(scope: Scope, name: str, label: str, window: str) -> str:
    """Of each value of a label in the whole of a counter."""
    whole = f"{scope.on()} group_left ()" if scope.apart else "scalar"
    parts, total = scope.increase(name, label, window=window), scope.increase(name, window=window)
    return f"{parts} / {whole} ({total})" if scope.apart else f"{parts} / scalar({total})"


def deviation(scope: Scope, window: str) -> str:
    """By bucket: its share of the mix less what the recipe's phases asked for, in points of 1."""
    taken, asked = (
        share(scope, name, "bucket", window) for name in ("mixed_tokens_total", "mix_target_tokens_total")
    )
    return f"({taken}) - {scope.on('bucket')} ({asked})"
