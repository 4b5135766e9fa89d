"""`status`, `trace`, `reconcile`: what the river knows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import Out, topology_of
from services.cli.uid import meant_uid
from services.runtime import ConfigurationError, ObjectStore, Resources

if TYPE_CHECKING:
    from services.ledger import Discrepancies
    from services.ledger.trace import Sighting
    from services.runtime import Settings

app = typer.Typer()


@app.command()
def status(out: Out = None) -> None:
    """What waits where, and what there is."""
    from rich.console import Console

    from services.ledger.status import status as status_of
    from services.local.run import attached
    from services.local.screen import show_status
    from services.runtime.logs import quiet

    quiet()
    with attached(out) as settings:
        show_status(status_of(settings, topology_of(settings)), Console())


@app.command()
def trace(
    document: Annotated[
        str, typer.Argument(help="Its id or uid; of what is archived also its path, source, URL or title.")
    ],
    out: Out = None,
    *,
    all_topics: Annotated[
        bool,
        typer.Option(
            "--all-topics", help="Read every topic from its start: each stage that it went through."
        ),
    ] = False,
) -> None:
    """Everything the river knows of one document, a line for each place it was seen.

    That is what the archive holds of it and what is not archived yet. Of a folder on which nothing runs the
    archive alone is asked, and after a `run` that ended its dead letters; else the servers are started for a
    document that it does not know, or by --all-topics.
    """
    from services.archive.query import Damaged
    from services.ledger.trace import merged, not_archived
    from services.ledger.trace import trace as trace_document
    from services.local.run import attached

    found: list[Sighting] = []
    try:
        if out is not None and not all_topics and (store := _store_at_rest(out)) is not None:
            found, _ = _archived(store, document)
            if found:
                print(
                    "from the archive: nothing runs here, and what an interrupted run has left is not asked",
                    file=sys.stderr,
                )
            found = found or _letters(out, document)
        if not found and not (out is not None and not all_topics and _is_whole(out)):
            with attached(out) as settings:
                topology = topology_of(settings)
                since = None if all_topics else not_archived(settings, topology)
                # After the offsets: what moves into the archive meanwhile is seen twice, and not missed.
                known, uids = _archived(Resources(settings).store, document)
                found = merged(known, trace_document(settings, topology, document, since, uids))
    except Damaged as error:
        fail(error, EXIT_WRONG)
    for sighting in found:
        row = {"at_ms": sighting.at_ms, "topic": sighting.topic, "partition": sighting.partition}
        print(json.dumps(row | {"offset": sighting.offset} | sighting.what, ensure_ascii=False))
    if not found:
        fail(
            f"no document {document!r} in the archive, the topics or the parts{meant_uid(document)}",
            EXIT_WRONG,
        )


def _is_whole(out: Path) -> bool:
    """Nothing runs and nothing is under way: archive and dead letters are all that there is."""
    from services.local.letters import kept

    return _store_at_rest(out) is not None and kept(out) is not None


def _letters(out: Path, document: str) -> list[Sighting]:
    from services.ledger.trace import Sighting
    from services.local.letters import kept

    return [
        Sighting(
            row["topic"],
            row["partition"],
            row["offset"],
            row["logged"],
            {
                "uid": row["uid"],
                "source": row["source"],
                "stage": row["unit"],
                "exception.message": row["reason"],
            },
        )
        for row in kept(out) or ()
        if document in (row["letter"], row["uid"], row["id"], row["source"])
    ]


def _store_at_rest(out: Path) -> ObjectStore | None:
    """The store of a folder with parts that nothing runs on, and of which a server alone could tell more."""
    from services.local.folder import running
    from services.local.store import JOURNAL, STATE, store_in

    if running(out / STATE) is not None or (out / STATE / JOURNAL).exists():
        return None
    try:
        return store_in(str(out))
    except ConfigurationError:
        return None


def _archived(store: ObjectStore, document: str) -> tuple[list[Sighting], set[int]]:
    """What the archive holds of a document, and the uids that have its id."""
    from services.archive.lookup import find
    from services.archive.named import uids
    from services.archive.tables import TABLES
    from services.ledger.trace import ARCHIVED, PLACE, archived, merged

    rows = [
        (name, row)
        for wanted in uids(store, document) or [document]
        for name, columns in ARCHIVED.items()
        for row in find(store, TABLES[name], wanted, (*columns, *PLACE))
    ]
    return merged([archived(name, row) for name, row in rows], ()), {int(row["uid"], 16) for _, row in rows}


@app.command()
def reconcile(
    out: Out = None,
    thorough: Annotated[
        bool,
        typer.Option(
            help="Read every document and every part, and hold all ids in memory: proves also that no copy "
            "was dropped without its original, and no further use stands in two parts."
        ),
    ] = False,
) -> None:
    """Prove that every document ingested is accounted for; exit 1 with the ids that are not."""
    from services.local.run import attached
    from services.runtime.logs import quiet

    quiet()
    with attached(out) as settings:
        whole = _reconcile_thoroughly(settings) if thorough else _reconcile(settings)
    if not whole:
        raise typer.Exit(EXIT_WRONG)


def _reconcile(settings: Settings) -> bool:
    """By tallies: it costs what is new and what waits."""
    from services.ledger.proof import prove

    proof = prove(settings, topology_of(settings))
    _list(proof.found)
    for name in proof.absent:
        print(json.dumps({"part_without_records": name}))
    number, rejudged = proof.tallied.number, sum(proof.tallied.rejudged.values())
    print(
        f"{number('CAME')} documents: {number('PART')} in parts, {len(proof.under_way.waiting)} waiting, "
        f"{len(proof.under_way.in_flight)} in flight, {number('DROPPED') - rejudged} rejected, "
        f"{number('DEAD') + rejudged - number('REVIVED')} dead letters; "
        f"{len(proof.found.missing)} missing, {len(proof.found.twice)} twice",
        file=sys.stderr,
    )
    if proof.unread_ranges:
        print(
            f"{proof.unread_ranges} more of 1,024 ranges do not add up; their ids come once these are mended "
            "or with --thorough",
            file=sys.stderr,
        )
    if proof.undecided:
        print(
            f"{proof.undecided} of 1,024 ranges do not add up, and documents moved there whenever they were "
            "read: ask again when less comes in",
            file=sys.stderr,
        )
    return bool(proof)


def _reconcile_thoroughly(settings: Settings) -> bool:
    from services.ledger import reconcile as reconcile_account
    from services.ledger import take_account

    account = take_account(settings, topology_of(settings))
    found = reconcile_account(account)
    _list(found)
    in_parts = len({uid for uid, _, _ in account.parts})
    print(
        f"{len(account.names)} documents: {in_parts} in parts, {len(account.waiting)} waiting, "
        f"{len(account.in_flight)} in flight, {len(account.rejected)} rejected, "
        f"{len(account.dead)} dead letters; {len(found.missing)} missing, {len(found.twice)} twice",
        file=sys.stderr,
    )
    return not found


def _list(found: Discrepancies) -> None:
    for kind, uids in (("missing", found.missing), ("twice", found.twice)):
        for uid, name in uids.items():
            print(json.dumps({kind: name, "uid": f"{uid:016x}"}, ensure_ascii=False))
