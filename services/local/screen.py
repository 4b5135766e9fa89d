"""What a person sees at the end of a run, and of a river that runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.ledger.shares import REMEDY

if TYPE_CHECKING:
    from services.ledger.status import Status

_SHOWN_SOURCES = 10
_SHOWN_REASONS = 3
_MOST_DROPS = 12  # rows
_MOST_NAMED = 12  # languages, categories


def show_report(found: dict[str, Any], out: Path, console: Console) -> None:
    """report.json for people; what they must see first."""
    if found["num_lost_sources"]:
        shown = found["lost_sources"][:_SHOWN_SOURCES]
        more = found["num_lost_sources"] - len(shown)
        console.print(
            f"[red]Every record became a dead letter: {escape(', '.join(shown))}"
            + (f" and {more} more" if more else "")
            + f"\nWhy: corpusworks dlq list --out {escape(str(out))}",
            soft_wrap=True,
            highlight=False,
        )
    for path, (dead, records) in list(found["mostly_dead"].items())[:_SHOWN_SOURCES]:
        console.print(
            f"[red]{dead} of {records} records of {escape(path)} died", soft_wrap=True, highlight=False
        )
    if found["num_lost_sources"] or found["mostly_dead"] or found["too_many_dead"]:
        for why, number in list(found["dead_letters_by_reason"].items())[:_SHOWN_REASONS]:
            console.print(f"[red]  {number} times {escape(why)}", soft_wrap=True, highlight=False)
    table = Table(
        title=f"Run {found['run']}: {found['documents_in']} documents in {found['seconds']:.0f} s",
        title_justify="left",
    )
    table.add_column("what became of them")
    table.add_column("documents", justify="right")
    table.add_row("kept, in parts", str(found["kept"]))
    for name, number in _folded(found["dropped"]):
        table.add_row(f"dropped by {name}", str(number))
    for reason, number in found["duplicates_by_reason"].items():
        table.add_row(f"duplicate: {reason}", str(number))
    table.add_row("dead letters", str(found["dead_letters"]))
    for reason, number in found["skipped_files"].items():
        table.add_row(f"file passed over: {reason}", f"({number})")
    for bucket, number in found["waiting"].items():
        table.add_row(f"waiting: {bucket}", str(number))
    console.print(table)
    console.print(f"{found['tokens']} tokens in {found['parts']} parts; mix: {_mix(found['mix'])}")
    phases = [phase for phase in found["phases"] if phase["tokens"]]
    for phase in phases if len(phases) > 1 else ():
        console.print(f"phase {phase['phase']}: {phase['tokens']} tokens; mix: {_mix(phase['mix'])}")
    spent = "  ".join(f"{stage} {seconds:.1f}" for stage, seconds in found["cpu_seconds"].items())
    console.print(f"CPU seconds: {spent}")
    _show_memory(found, console)
    show_shares(found["shares"], out, console)
    if found["unaccounted"]:
        console.print(
            f"[red]{found['unaccounted']} documents unaccounted for: corpusworks reconcile --out {out}"
        )
    console.print(f"report: {out / 'report.json'}")


def _show_memory(found: dict[str, Any], console: Console) -> None:
    """Nothing of a run before it was measured, or of one too short for it."""
    held = sorted(found.get("memory_bytes", {}).items(), key=lambda item: -item[1])
    if held:
        most = found["memory_bytes_together"]
        console.print(
            "MB of memory at most: "
            + "  ".join(f"{stage} {num_bytes / 1e6:.0f}" for stage, num_bytes in held)
            + (f"; all together {most / 1e6:.0f}" if most else "")
        )


def _folded(dropped: dict[str, dict[str, int]]) -> list[tuple[str, int]]:
    """The drops by unit and reason; where there are many, the rare reasons of each unit as one."""
    rows = [(number, unit, reason) for unit, reasons in dropped.items() for reason, number in reasons.items()]
    shown = {(unit, reason) for _, unit, reason in sorted(rows, reverse=True)[:_MOST_DROPS]}
    if len(rows) == len(shown) + 1:
        shown = {(unit, reason) for _, unit, reason in rows}
    found = []
    for unit, reasons in dropped.items():
        rest = {reason: number for reason, number in reasons.items() if (unit, reason) not in shown}
        found += [(f"{unit}: {reason}", n) for reason, n in reasons.items() if reason not in rest]
        if rest:
            found.append((f"{unit}: {len(rest)} more reasons", sum(rest.values())))
    return found


def _mix(mix: dict[str, dict[str, Any]]) -> str:
    return "  ".join(
        f"{bucket} {share['actual']:.0%}"
        + (f" (target {share['target']:.0%})" if share["target"] is not None else "")
        for bucket, share in mix.items()
    )


def show_shares(rows: Sequence[dict[str, Any]], out: Path, console: Console) -> None:
    """Where the scorer keeps more or less of a group than it should, and what to run."""
    off = [row for row in rows if row["off"]]
    for row in off:
        name = "/".join(row[part] or "unknown" for part in ("language", "format", "category"))
        console.print(
            f"[yellow]the scorer kept {row['kept']:.1%} of {row['documents']} documents of {name}, "
            f"not {row['target']:.1%}"
        )
    if off:
        console.print(f"mend it: {REMEDY.format(out=out)}", soft_wrap=True)


def show_status(found: Status, console: Console) -> None:
    """The river at a glance."""
    table = Table("service", "messages waiting")
    for name, waiting in found.waiting.items():
        table.add_row(name, str(waiting))
    console.print(table)
    pools = "  ".join(f"{bucket} {waiting}" for bucket, waiting in found.pools.items())
    tokens = "  ".join(f"{bucket} {number}" for bucket, number in sorted(found.tokens.items()))
    console.print(f"messages in the pools: {pools}")
    console.print(f"{found.num_parts} parts; tokens: {tokens or 0}")
    back = f" ({found.redriven} of them put back)" if found.redriven else ""
    again = f", {found.used_again} further uses" if found.used_again else ""
    console.print(f"{found.came} documents came; {found.in_parts} in parts{again}")
    for name, counts in (("languages", found.languages), ("categories", found.categories)):
        if most := counts.most_common(_MOST_NAMED):
            console.print(f"{name}: " + "  ".join(f"{each or 'unknown'} {number}" for each, number in most))
    for (unit, reason), number in found.dropped.most_common():
        console.print(f"dropped by {unit}: {reason} {number}")
    console.print(f"rejected: {found.dropped.total()}  dead letters: {found.dead}{back}")
