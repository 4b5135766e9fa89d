"""All personal data of a text: every finder once over it, and of two that overlap the more telling one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.rules.page import HAN, Page
from services.rules.pii import cues
from services.rules.pii.addresses import addresses_of_version_6, emails, hidden_emails, is_nobodys
from services.rules.pii.digits import spelled
from services.rules.pii.numbers import numbers, spelled_in_han
from services.rules.pii.places import (
    ACCOUNT_WORDS,
    CUES,
    announced,
    marked,
    plates,
    runs_of_digits,
)  # fmt: skip
from services.rules.pii.span import Span
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

# The more telling first: of two that overlap it is the one that stays.
KINDS = (
    "email", "id_card", "iban", "bank_card", "ssn", "passport", "licence", "plate", "ip", "phone",
    "employee", "qq", "wechat", "name",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def find(page: Page, kinds: Collection[str], *, is_code: bool = False) -> list[Span]:
    """Spans of these kinds in order, none over another. Linear in the length of the text.

    is_code: addresses that stand for one (user@example.com, git@host) are part of it, and no one's.
    """
    text, words, marks = page.text, announced(page), marked(page)
    found = [*emails(text), *hidden_emails(text, words.get(AT, []))]
    found = [span for span in found if not (is_code and is_nobodys(span.value))]
    for start, end in runs_of_digits(marks):
        found += numbers(text, start, end)
        found += spelled_in_han(text, start, end)
    places, colons = words.get(ACCOUNT, []), list[int]()
    if page.counts[HAN]:
        found += cues.plates(text, plates(page, marks))
        for at in marks.of(CUES).tolist():
            if text[at] in ":：":
                colons.append(at)
            elif text[at : at + 2] in ACCOUNT_WORDS:
                places.append(at)
    found += (Span(start, end, "phone", value) for start, end, value in spelled(text, words.get(SPELLED, [])))
    found += addresses_of_version_6(text)
    if places:
        found += cues.accounts(text, places)
    found = sorted(span for span in found if span.kind in kinds)
    if "name" in kinds:
        found += cues.names(text, found, words.get(NAME, []), colons)
    return apart(found) if found else []


def apart(found: Iterable[Span]) -> list[Span]:
    """In order of place; of those that overlap the first in KINDS, then the longer one."""
    ordered = sorted(found, key=lambda span: (span.start, _RANK[span.kind], -span.end))
    kept: list[Span] = []
    for span in ordered:
        if kept and span.start < kept[-1].end:
            if _stands_before(kept[-1], span):
                continue
            kept.pop()
        kept.append(span)
    return kept


def _stands_before(one: Span, other: Span) -> bool:
    rank, size = _RANK[one.kind], one.end - one.start
    return (rank, -size) <= (_RANK[other.kind], other.start - other.end)
