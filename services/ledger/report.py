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
# Share of tokens by bucket, by phase.
Targets = Mapping[str, Mapping[str, float]]
_MAX_NAMED = 100  # sources in the report


def report(
    account: Account,
    carried_over: int,
    targets: Targets,
    seconds: float,
    cpu_seconds: Mapping[str, float],
    *,
    lost: Sequence[str] = (),
    sick: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """What report.json holds.

    carried_over: documents that an earlier run left under way, to which those dead letters are added that
    were put back meanwhile. targets: share of tokens by phase and bucket, the phases in order. lost: sources
    that gave dead letters alone; sick: those that gave more of them than they may, with letters and records.
    """
    duplicates: Counter[str] = Counter()
    dropped: dict[str, dict[str, int]] = {}
    for (unit, reason), number in sorted(account.drops.items()):
        if unit == _DUPLICATE_UNIT or reason == _SUPERSEDED:
            duplicates[reason] += number
        else:
            dropped.setdefault(unit, {})[reason] = number
    # What is used again was kept when it was used first.
    kept = sum(times for (_, _, use), times in account.parts.items() if use <= 1)
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
        "mostly_dead": {path: list(numbers) for path, numbers in (sick or {}).items()},
        "skipped_files": dict(sorted(account.skipped.items())),
        "waiting": dict(sorted(waiting.items())),
        "unaccounted": documents_in - ended,
        "tokens": total,
        "parts": len(account.sealed),
        "mix": _mix(account.tokens, _expected(account, targets)),
        "phases": _phases(account, targets),
        "seconds": round(seconds, 2),
        "cpu_seconds": {stage: round(value, 2) for stage, value in cpu_seconds.items()},
    }


def _phases(account: Account, targets: Targets) -> list[dict[str, Any]]:
    """Those of the recipe, and those of an earlier one that have tokens: of these no target is known."""
    names = dict.fromkeys([*targets, *(phase for phase, _ in sorted(account.mixed))])
    found = []
    for name in names:
        tokens = Counter(
            {bucket: number for (phase, bucket), number in account.mixed.items() if phase == name}
        )
        mix = _mix(tokens, targets.get(name) or dict.fromkeys(sorted(tokens)))
        found.append({"phase": name, "tokens": tokens.total(), "mix": mix})
    return found


def _expected(account: Account, targets: Targets) -> Mapping[str, float | None]:
    """What each bucket should be of all tokens, by how many of them each phase has; of none: the first's."""
    taken = Counter[str]()
    for (phase, _), tokens in account.mixed.items():
        taken[phase] += tokens if phase in targets else 0
    if not taken.total():
        taken = Counter(dict.fromkeys(list(targets)[:1], 1))
    buckets = dict.fromkeys(bucket for shares in targets.values() for bucket in shares)
    weighed = {
        bucket: [taken[phase] * shares.get(bucket, 0.0) for phase, shares in targets.items()]
        for bucket in buckets
    }
    return {bucket: sum(parts) / taken.total() for bucket, parts in weighed.items()}


def _mix(tokens: Counter[str], shares: Mapping[str, float | None]) -> dict[str, dict[str, Any]]:
    total = tokens.total()
    return {
        bucket: {
            "target": None if target is None else round(target, 4),
            "actual": round(tokens[bucket] / total, 4) if total else 0.0,
            "tokens": tokens[bucket],
        }
        for bucket, target in shares.items()
    }
