"""The closing report of a run.

documents_in = kept + dropped + duplicates + dead_letters + waiting: the left side is counted where
documents enter, the right side where they end, so `unaccounted` is 0 or something is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from services.ledger.account import Account

# Drops that mean "the corpus has this already".
_DUPLICATE_UNIT = "dedup"
_SUPERSEDED = "superseded"
_MAX_NAMED = 100  # sources in the report


def report(
    account: Account,
    carried_over: int,
    targets: Mapping[str, float],
    seconds: float,
    cpu_seconds: Mapping[str, float],
    *,
    lost: Sequence[str] = (),
) -> dict[str, Any]:
    """What report.json holds.

    carried_over: documents that an earlier run left under way, to which those dead letters are added that
    were put back meanwhile. targets: share of tokens by bucket. lost: sources that gave dead letters alone.
    """
    duplicates: Counter[str] = Counter()
    dropped: dict[str, dict[str, int]] = {}
    for (unit, reason), number in sorted(account.drops.items()):
        if unit == _DUPLICATE_UNIT or reason == _SUPERSEDED:
            duplicates[reason] += number
        else:
            dropped.setdefault(unit, {})[reason] = number
    kept = sum(number for (_, _, use), number in account.parts.items() if use <= 1)  # each once
    waiting = Counter(account.waiting.values())
    if account.in_flight:
        waiting["(in flight)"] = account.in_flight.total()
    dead = sum(account.dead.values()) + account.unreadable
    total = sum(account.tokens.values())
    num_dropped = sum(sum(reasons.values()) for reasons in dropped.values())
    documents_in = account.raw.total() + account.unreadable + carried_over + account.returned
    ended = kept + num_dropped + duplicates.total() + dead + waiting.total()
    return {
        "documents_in": documents_in,
        "carried_over": carried_over + account.returned,
        "kept": kept,
        "dropped": dropped,
        "duplicates": duplicates.total(),
        "duplicates_by_reason": dict(duplicates),
        "dead_letters": dead,
        "num_lost_sources": len(lost),
        "lost_sources": list(lost[:_MAX_NAMED]),
        "skipped_files": dict(sorted(account.skipped.items())),
        "waiting": dict(sorted(waiting.items())),
        "unaccounted": documents_in - ended,
        "tokens": total,
        "parts": len(account.sealed),
        "mix": {
            bucket: {
                "target": round(target, 4),
                "actual": round(account.tokens[bucket] / total, 4) if total else 0.0,
                "tokens": account.tokens[bucket],
            }
            for bucket, target in targets.items()
        },
        "seconds": round(seconds, 2),
        "cpu_seconds": {stage: round(value, 2) for stage, value in cpu_seconds.items()},
    }
