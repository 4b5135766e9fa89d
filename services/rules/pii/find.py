"""All personal data of a text: every finder once over it, and of two that overlap the more telling one."""

from __future__ import annotations

from services.rules.characters import PROVINCES
from services.rules.page import Page
from services.rules.pii import cues
from services.rules.pii.addresses import addresses_of_version_6, emails, hidden_emails, is_nobodys
from services.rules.pii.digits import spelled
from services.rules.pii.numbers import numbers
from services.rules.pii.places import Marked, announced
from services.rules.pii.span import Span
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

# The more telling first: of two that overlap it is the one that stays.
KINDS = (
    "email", "id_card", "iban", "bank_card", "ssn", "passport", "licence", "plate", "ip", "qq",
    "phone", "employee", "wechat", "name",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def find(page: Page, marks: Marked, kinds: frozenset[str], *, is_code: bool = False) -> list[Span]:
    """Spans of these kinds in order, none over another. Linear in the length of the text.

    is_code: addresses that stand for one (user@example.com, git@host) are part of it, and no one's.
    """
    text, words = page.text, announced(page, kinds, marks.colons)
    found = emails(text, marks.ats)
    if AT in words:
        found += hidden_emails(text, words[AT])
    if is_code:
        found = [span for span in found if not is_nobodys(span.value)]
    for start, end in marks.runs:
        found += numbers(text, start, end)
    accounts = words.get(ACCOUNT, [])
    for at in marks.cues:
        if text[at] in PROVINCES:
            found += cues.plate(text, at)
        else:
            accounts.append(at)
    if accounts:
        found += cues.accounts(text, accounts)
    if SPELLED in words:
        found += spelled(text, words[SPELLED])
    found += addresses_of_version_6(text, marks.colons)
    found = sorted([span for span in found if span.kind in kinds])
    if "name" in kinds:
        found += cues.names(text, found, words.get(NAME, []), marks.colons)
    return apart(found)


def apart(found: list[Span]) -> list[Span]:
    """In order of place; of those that overlap the first in KINDS, then the longer one."""
    found.sort()
    reached = 0
    for start, end, _, _ in found:
        if start < reached:
            break
        reached = end
    else:
        return found
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, _RANK[span.kind], -span.end)):
        if kept and span.start < kept[-1].end:
            if _stands_before(kept[-1], span):
                continue
            kept.pop()
        kept.append(span)
    return kept


def _stands_before(one: Span, other: Span) -> bool:
    rank, size = _RANK[one.kind], one.end - one.start
    return (rank, -size) <= (_RANK[other.kind], other.start - other.end)
