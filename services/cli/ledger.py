"""`ledger`: how each document was used, and what became of those that were not; no server is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out
from services.cli.parts import wrong_parts
from services.cli.uid import meant_uid
from services.local.store import store_in
from services.runtime import ConfigurationError, ObjectStore, load_settings

if TYPE_CHECKING:
    from contracts import PartSealed
    from services.ledger.steps import StepLogs, Steps
    from services.ledger.uses import Summary, Use, Uses

app = typer.Typer(no_args_is_help=True, help="How each document was used; no server is needed.")

_ASKED = {"documents": ("id", "uid"), "drops": ("id", "uid", "unit", "reason", "detail")}


Run = Annotated[str | None, typer.Option("--run", help="Of training; needed where there are several.")]


@app.command("doc")
def ledger_doc(document: str, out: Out = None, run: Run = None) -> None:
    """Every use of a document, by its id or its uid (16 hex digits): JSON, a line for each that is so named.

    outcome: in_parts; dropped, with why under `drops`; or waiting, for one that is in a pool and in no part.
    steps: of training, that took a sequence with it; `undone`, where there are any: those that a run went
    back over. Where several runs have taken it and no --run is given, `runs` has the same for each.
    """
    from services.archive.lookup import find, is_uid
    from services.archive.tables import TABLES
    from services.ledger.steps import StepLogs
    from services.ledger.uses import USE_COLUMNS, archived_use, in_order, uses_of
    from services.sink.parts import list_parts

    store = _store(out)
    with _wrong():
        parts = list_parts(store)
        rest = _not_archived(store, parts)  # first: what is archived meanwhile is found twice and told once
        archived = {name: find(store, TABLES[name], document, columns) for name, columns in _ASKED.items()}
        known = [archived_use(row) for row in find(store, TABLES["uses"], document, USE_COLUMNS)]
        uids = {row["uid"] for rows in archived.values() for row in rows} | {use.uid for use in known}
        uids |= {document} if is_uid(document) else set()
        more = uses_of(store, rest, ids={document}, uids=uids)
        uses = in_order([*known, *more], parts)
    logs = StepLogs(store, _warn)
    if run is not None:
        _known(logs, run)
    found = _accounts(archived, uses, _steps(logs, uses, parts, run))
    for account in found:
        print(json.dumps(account, ensure_ascii=False))
    if not found:
        fail(f"no document {document!r} in the parts or the archive{meant_uid(document)}", EXIT_WRONG)


@app.command("summary")
def ledger_summary(out: Out = None, as_json: AsJson = False) -> None:
    """Uses and tokens by phase and bucket, documents and tokens counted once, and repeats."""
    from services.ledger.uses import summarise
    from services.sink.parts import list_parts

    store = _store(out)
    with _wrong():
        found = summarise(_all_uses(store, list_parts(store)))
    if as_json:
        row = asdict(found) | {"uses": found.uses, "tokens": found.tokens}
        taken = found.taken.items()
        row["taken"] = [{"phase": phase, "bucket": bucket, **asdict(each)} for (phase, bucket), each in taken]
        print(json.dumps(row, ensure_ascii=False))
    else:
        _show(found)


@app.command("step")
def ledger_step(
    number: Annotated[int, typer.Argument(metavar="N", min=0)],
    run: Run = None,
    out: Out = None,
    as_json: AsJson = False,
    text: Annotated[bool, typer.Option("--text", help="And how each begins.")] = False,
) -> None:
    """The documents of a training step, those of the sequences with the highest loss first."""
    from services.cli.step import documents_of, show
    from services.ledger.steps import StepLogs

    store = _store(out)
    logs = StepLogs(store, _warn)
    run = _known(logs, run)
    taken = logs.of_step(run, number)
    if not taken:
        first, last = logs.range(run)
        fail(f"run {run} has no step {number} in its log, which has those from {first} to {last}", EXIT_WRONG)
    with _wrong():
        rows = documents_of(store, taken, text=text)
    if as_json:
        for row in rows:
            print(json.dumps({"run": run} | row, ensure_ascii=False))
    else:
        show(run, number, taken, rows)


def _known(logs: StepLogs, run: str | None) -> str:
    """The run that is meant. Ends the command where there is none, or it is not clear which."""
    runs = ", ".join(logs.runs)
    if not logs.runs:
        fail(
            "no run has a step log here: train first (`corpusworks train`), or give another --out", EXIT_WRONG
        )
    if run is None and len(logs.runs) > 1:
        raise ConfigurationError(f"there are several runs; choose one with --run: {runs}")
    if run is not None and run not in logs.runs:
        fail(f"no run {run!r} has a step log here; there are: {runs}", EXIT_WRONG)
    return run or logs.runs[0]


def _warn(line: str) -> None:
    print(f"corpusworks: {line}", file=sys.stderr)


def _steps(
    logs: StepLogs, uses: Sequence[Use], parts: Sequence[PartSealed], run: str | None
) -> list[dict[str, Any]]:
    """Of each use what its account has of training."""
    from services.ledger.steps import sequences_of

    lengths = {part.name: part.sequence_length for part in parts}
    places = [
        [(use.part, at) for at in sequences_of(use.spans, lengths[use.part])]
        if use.part in lengths
        else [(use.part, use.sequence)]
        for use in uses
    ]
    found = logs.of_sequences({place for some in places for place in some}, run) if logs.runs else {}
    return [_of_training([found.get(place, {}) for place in some]) for some in places]


def _of_training(found: Sequence[Mapping[str, Steps]]) -> dict[str, Any]:
    """found: the steps by run of each sequence that a use lies in."""
    runs: dict[str, dict[str, list[int]]] = {}
    for name in sorted({name for by_run in found for name in by_run}):
        some = [by_run[name] for by_run in found if name in by_run]
        runs[name] = {"steps": sorted({step for each in some for step in each.steps})}
        if undone := sorted({step for each in some for step in each.undone}):
            runs[name]["undone"] = undone
    told: dict[str, Any] = {"steps": sorted({step for each in runs.values() for step in each["steps"]})}
    if undone := sorted({step for each in runs.values() for step in each.get("undone", [])}):
        told["undone"] = undone
    return told | ({"runs": runs} if len(runs) > 1 else {})


@contextmanager
def _wrong() -> Iterator[None]:
    """A part or a file of the archive that is damaged ends the command with one line and exit 1."""
    from services.archive.query import Damaged
    from services.ledger.uses import BrokenRecords

    try:
        with wrong_parts():
            yield
    except (BrokenRecords, Damaged) as error:
        fail(error, EXIT_WRONG)


def _store(out: Any) -> ObjectStore:
    return store_in(str(out) if out is not None else load_settings().store_url)


def _not_archived(store: ObjectStore, parts: Sequence[PartSealed]) -> list[PartSealed]:
    """Parts of which the archive has no uses yet."""
    from services.archive.query import listed
    from services.archive.tables import TABLES

    known = listed(store, TABLES["uses"])
    return [part for part in parts if part.name not in known]


def _all_uses(store: ObjectStore, parts: Sequence[PartSealed]) -> Iterator[Uses]:
    """Those in the archive, and then those of the parts that were not among them."""
    from services.archive.query import batches
    from services.archive.tables import TABLES
    from services.ledger.uses import Uses, recorded

    columns = ("uid", "phase", "bucket", "num_tokens")
    seen: set[str] = set()
    for batch in batches(store, TABLES["uses"], (*columns, "part")):
        seen |= set(batch["part"].unique().to_pylist())
        yield Uses(*(batch[name].to_pylist() for name in columns))
    yield from recorded(store, [part for part in parts if part.name not in seen])


def _accounts(
    archived: dict[str, list[dict[str, Any]]], uses: Sequence[Use], steps: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One for each uid, in the order in which they were found. steps: of each use."""
    found: dict[str, dict[str, Any]] = {}
    seen = [(row["uid"], row["id"]) for rows in archived.values() for row in rows]
    for uid, name in [*((use.uid, use.id) for use in uses), *seen]:
        found.setdefault(uid, {"id": name, "uid": uid, "uses": [], "outcome": "waiting"})
    for row in archived["drops"]:
        account = found[row["uid"]]
        drops = account.setdefault("drops", [])
        drops.append({"unit": row["unit"], "reason": row["reason"], "detail": row["detail"]})
        account["outcome"] = "dropped"
    for use, of_training in zip(uses, steps, strict=True):
        found[use.uid]["outcome"] = "in_parts"
        found[use.uid]["uses"].append(
            {
                "part": use.part,
                "sequence": use.sequence,
                "spans": use.spans,
                "phase": use.phase,
                "pass": use.number,
                "recipe": use.recipe,
                **of_training,
            }
        )
    return list(found.values())


def _show(found: Summary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("phase", "bucket"):
        table.add_column(heading)
    for heading in ("uses", "tokens", "share of the phase"):
        table.add_column(heading, justify="right")
    for (phase, bucket), each in found.taken.items():
        whole = sum(other.tokens for (name, _), other in found.taken.items() if name == phase)
        share = f"{each.tokens / whole:.1%}" if whole else ""
        table.add_row(phase, bucket, f"{each.uses:,}", f"{each.tokens:,}", share)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{found.uses:,} uses of {found.unique:,} documents, {found.tokens:,} tokens, "
        f"{found.unique_tokens:,} of them unique; {found.repeated:,} documents more than once, "
        f"none more than {found.most} times"
    )
