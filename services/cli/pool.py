"""`pool`: documents that wait to be mixed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out, topology_of
from services.cli.uid import meant_uid
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.runtime import Settings

app = typer.Typer(no_args_is_help=True, help="Documents that wait to be mixed.")

Uids = Annotated[
    list[str],
    typer.Argument(metavar="UID…", help="16 hex digits each, as `trace` and the parts name them; or -."),
]
Why = Annotated[str, typer.Option("--why", help="Stands beside each document that is dropped for it.")]
_NAMED = 10  # uids in a line


@app.command("quarantine")
def pool_quarantine(uids: Uids, why: Why, out: Out = None) -> None:
    """Keep documents out of every part that is still to come; - reads their uids from standard input."""
    from services.ledger.quarantine import quarantine

    with _known(uids, why, out) as (settings, wanted, told):
        quarantine(settings, wanted, told)
        print(f"{len(wanted)} documents will not be mixed any more; what is in a part already stays there")


@app.command("forget")
def pool_forget(uids: Uids, why: Why, out: Out = None) -> None:
    """As quarantine, and what the pools hold of them is erased; of a drop only names are kept."""
    from services.ledger.quarantine import forget

    with _known(uids, why, out) as (settings, wanted, told):
        forget(settings, wanted, told)
        print(f"{len(wanted)} documents are forgotten by the pools; parts, archive and index still have them")


@app.command("retokenize")
def pool_retokenize(out: Out = None, as_json: AsJson = False) -> None:
    """Give what waits, and what may be used again, the ids of the settings' vocabulary; on a river at rest.

    Interrupted, it is called again and goes on; until it is done nothing of the river starts.
    """
    from services.cli.retokenize import Textless, retokenize
    from services.local.run import attached
    from services.runtime.logs import quiet

    quiet()
    with attached(out) as settings:
        try:
            found = retokenize(settings, topology_of(settings), lambda said: print(said, file=sys.stderr))
        except Textless as error:
            print(*error.uids, sep="\n")
            fail(error, EXIT_WRONG)
    if as_json:
        print(json.dumps(asdict(found)))
    elif found.documents:
        print(
            f"{found.documents:,} documents have the ids of vocabulary {found.vocabulary}: "
            f"{found.tokens_before:,} tokens before, {found.tokens_after:,} now"
        )
    else:
        print(f"nothing in the pools needs the ids of vocabulary {found.vocabulary}")


@contextmanager
def _known(uids: list[str], why: str, out: Path | None) -> Iterator[tuple[Settings, list[int], str]]:
    """Settings, those of the documents that the river has, and the reason; at the end the others are named.

    Raises ConfigurationError, also where it has none of them.
    """
    from services.archive.query import Damaged
    from services.ledger.known import unknown
    from services.local.run import attached

    wanted, told = _asked(uids, why)
    with attached(out) as settings:
        try:
            strange = unknown(settings, topology_of(settings), wanted, _archived_by(settings))
        except Damaged as error:
            fail(error, EXIT_WRONG)
        named = ", ".join(f"{uid:016x}" for uid in strange[:_NAMED])
        named += f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        if len(strange) == len(wanted):
            raise ConfigurationError(f"not in this river: {named}; `trace` shows the uid of a document's id")
        yield settings, [uid for uid in wanted if uid not in set(strange)], told
    if strange:
        fail(f"not in this river, and passed over: {named}", EXIT_WRONG)


def _archived_by(settings: Settings) -> Callable[[int], bool]:
    """Whether a river's archive has a uid: kept, dropped or used."""
    from services.archive.lookup import find
    from services.archive.tables import TABLES
    from services.runtime import Resources

    store = Resources(settings).store
    return lambda uid: any(find(store, table, f"{uid:016x}", ("uid",)) for table in TABLES.values())


def _asked(uids: list[str], why: str) -> tuple[list[int], str]:
    """Documents and reason. Raises ConfigurationError."""
    wanted = _numbers(
        [*(uid for uid in uids if uid != "-"), *(sys.stdin.read().split() if "-" in uids else ())]
    )
    if not why.strip():
        raise ConfigurationError("--why is empty: say for whoever asks later why these documents are dropped")
    return wanted, why.strip()


def _numbers(uids: Iterable[str]) -> list[int]:
    """Each once, in the order given. Raises ConfigurationError."""
    found = dict.fromkeys(uid.lower() for uid in uids)
    if not found:
        raise ConfigurationError("no uid was given")
    for uid in found:
        if not re.fullmatch(r"[0-9a-f]{16}", uid):
            raise ConfigurationError(
                f"{uid!r} is no uid: 16 hex digits are needed, as `trace` shows them{meant_uid(uid)}"
            )
    return [int(uid, 16) for uid in found]
