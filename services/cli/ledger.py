"""`ledger`: how each document was used, and what became of those that were not; no server is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out
from services.cli.parts import wrong_parts
from services.local.store import store_in
from services.runtime import ObjectStore, load_settings

if TYPE_CHECKING:
    from contracts import PartSealed
    from services.ledger.uses import Summary, Use, Uses

app = typer.Typer(no_args_is_help=True, help="How each document was used; no server is needed.")

_ASKED = {"documents": ("id", "uid"), "drops": ("id", "uid", "unit", "reason", "detail")}


@app.command("doc")
def ledger_doc(document: str, out: Out = None) -> None:
    """Every use of a document, by its id or its uid (16 hex digits): JSON, a line for each that is so named.

    outcome: in_parts; dropped, with why under `drops`; or waiting, for one that is in a pool and in no part.
    """
    from services.archive.lookup import find, is_uid
    from services.archive.tables import TABLES
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
    found = _accounts(archived, uses)
    for account in found:
        print(json.dumps(account, ensure_ascii=False))
    if not found:
        fail(f"no document {document!r} in the parts or the archive", EXIT_WRONG)


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


def _accounts(archived: dict[str, list[dict[str, Any]]], uses: Sequence[Use]) -> list[dict[str, Any]]:
    """One for each uid, in the order in which they were found."""
    found: dict[str, dict[str, Any]] = {}
    seen = [(row["uid"], row["id"]) for rows in archived.values() for row in rows]
    for uid, name in [*((use.uid, use.id) for use in uses), *seen]:
        found.setdefault(uid, {"id": name, "uid": uid, "uses": [], "outcome": "waiting"})
    for row in archived["drops"]:
        account = found[row["uid"]]
        drops = account.setdefault("drops", [])
        drops.append({"unit": row["unit"], "reason": row["reason"], "detail": row["detail"]})
        account["outcome"] = "dropped"
    for use in uses:
        found[use.uid]["outcome"] = "in_parts"
        found[use.uid]["uses"].append(
            {
                "part": use.part,
                "sequence": use.sequence,
                "spans": use.spans,
                "phase": use.phase,
                "pass": use.number,
                "recipe": use.recipe,
                "steps": [],  # until a trainer writes train.events
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
