"""What is counted of each document that the rules judge, so that a rule that hits one group shows live.

A rule's share of drops in a language and format is held against its share in all groups that it applies to:
one that Chinese pages alone can break is no bias for being broken by Chinese pages alone. Which groups those
are is told by counts of 0.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from services.rules.language import UNKNOWN
from services.rules.table import Bound
from services.runtime import Count

OTHER = "other"  # every language that is not kept: their number must not be that of the metric's series

Group = tuple[str, str]


def group_of(language: str, format_: str, kept: Collection[str]) -> Group:
    """The labels of a document: language and format."""
    return (language if language in kept or language == UNKNOWN else OTHER), format_


@cache
def judged(group: Group, reason: str = "") -> Count:
    """One document. reason: why it drops."""
    return Count("rules_judged_documents", (*group, reason))


def applying(group: Group, rules: Collection[Bound]) -> list[Count]:
    """That these rules apply to the group, whether or not one is ever broken there."""
    reasons = sorted({bound.rule.reason for bound in rules})
    return [Count("rules_judged_documents", (*group, reason), 0) for reason in reasons]
