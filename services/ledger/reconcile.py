"""Proves that every ingested document is accounted for, and no document is in the parts twice, id by id.

By an account, which holds every id in memory (`corpusworks reconcile --thorough`); proof.py adds up tallies.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from services.ledger.account import Account

# A copy of what the index, or a part of an earlier river, had already: its end, not the document's.
ALREADY_SEEN = {("dedup", "already_seen"), ("sink", "already_in_part")}


@dataclass(frozen=True)
class Discrepancies:
    """uid -> id. missing: ingested, and nowhere. twice: in parts twice in one use, or ended twice."""

    missing: dict[int, str] = field(default_factory=dict)
    twice: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.twice)


def reconcile(account: Account) -> Discrepancies:
    """Every document in a part, waiting, in flight, rejected with a reason or a dead letter; none twice."""
    ends = account.ends()
    uses: Counter[tuple[int, int]] = Counter()
    for (uid, _, use), times in account.parts.items():
        uses[uid, use] += times
    in_parts = {uid for uid, _ in uses}
    twice_in_one_use = {uid for (uid, _), times in uses.items() if times > 1}
    found = Discrepancies()
    for uid, times_ingested in account.raw.items():
        seen = ends[uid] + account.in_flight[uid]
        own = seen - sum(drop in ALREADY_SEEN for drop in account.rejected.get(uid, []))
        # A copy is of something: where all were dropped as copies, the document is a duplicate of itself.
        if seen < times_ingested or (account.whole and own == 0):
            found.missing[uid] = account.names[uid]
        if own > times_ingested or (uid in in_parts and uid in account.waiting) or uid in twice_in_one_use:
            found.twice[uid] = account.names[uid]
    return found
