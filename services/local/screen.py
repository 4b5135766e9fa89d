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
    table = Table(
        title=f"{found['documents_in']} documents in {found['seconds']:.0f} s", title_justify="left"
    )
    table.add_column("what became of them")
    table.add_column("documents", justify="right")
    table.add_row("kept, in parts", str(found["kept"]))
    for unit, reasons in found["dropped"].items():
        for reason, number in reasons.items():
            table.add_row(f"dropped by {unit}: {reason}", str(number))
    for reason, number in found["duplicates_by_reason"].items():
        table.add_row(f"duplicate: {reason}", str(number))
    table.add_row("dead letters", str(found["dead_letters"]))
    for reason, number in found["skipped_files"].items():
        table.add_row(f"file passed over: {reason}", f"({number})")
    for bucket, number in found["waiting"].items():
        table.add_row(f"waiting: {bucket}", str(number))
    console.print(table)
    mix = "  ".join(f"{b} {m['actual']:.0%} (target {m['target']:.0%})" for b, m in found["mix"].items())
    console.print(f"{found['tokens']} tokens in {found['parts']} parts; mix: {mix}")
    spent = "  ".join(f"{stage} {seconds:.1f}" for stage, seconds in found["cpu_seconds"].items())
    console.print(f"CPU seconds: {spent}")
    show_shares(found["shares"], out, console)
    if found["unaccounted"]:
        console.print(
            f"[red]{found['unaccounted']} documents unaccounted for: corpusworks reconcile --out {out}"
        )
    console.print(f"report: {out / 'report.json'}")


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
