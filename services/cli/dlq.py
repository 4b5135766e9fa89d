"""`dlq`: dead letters, what each says, and how they go back into the river."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out, topology_of
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.ledger.letters import Letter

app = typer.Typer(no_args_is_help=True, help="Look at dead letters, and put them back into the river.")

Topic = Annotated[str, typer.Option("--topic", help="Only those of a topic: docs.raw, pool.zh …")]
Stage = Annotated[str, typer.Option("--stage", help="Only those of a unit.")]
Error = Annotated[str, typer.Option("--error", "--reason", help="Only those whose message holds this text.")]
_HEAD = 1000  # characters of a text


@app.command("list")
def dlq_list(
    topic: Topic = "", stage: Stage = "", error: Error = "", as_json: AsJson = False, out: Out = None
) -> None:
    """Every dead letter: its id, when, in which unit, which document, why, and whether it was put back."""
    from services.ledger.account import of_every_recipe
    from services.ledger.letters import Selection, letters
    from services.local.run import attached
    from services.runtime.clients.log import Log

    number = waiting = 0
    with attached(out) as settings, Log(settings) as log:
        topology = of_every_recipe(topology_of(settings), log)
        for letter in letters(log, topology, Selection(topic=topic, stage=stage, error=error)):
            number += 1
            waiting += letter.redriven_ms is None
            print(json.dumps(_row(letter), ensure_ascii=False) if as_json else _lines(letter))
    print(f"{number} dead letters, {waiting} of them not put back", file=sys.stderr)


@app.command("show")
def dlq_show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` names it.")],
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """The whole of one: what was said of it, the stack, and the head of its text."""
    from services.ledger.letters import find
    from services.local.run import attached

    with attached(out) as settings:
        found = find(settings, topology_of(settings), letter)
    row = _row(found) | {"said": dict(found.said), "bytes": len(found.value), "head": _head(found)}
    if as_json:
        print(json.dumps(row, ensure_ascii=False))
        return
    print(_lines(found))
    for name, value in found.said.items():
        if not name.startswith("exception."):
            print(f"    {name}: {value}")
    print(f"\n{found.said.get('exception.stacktrace', '').rstrip()}\n\n{row['head']}")


@app.command("redrive")
def dlq_redrive(  # noqa: PLR0917 - typer names them
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="As `dlq list` has them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not put back yet.")] = False,
    topic: Topic = "",
    stage: Stage = "",
    error: Error = "",
    again: Annotated[bool, typer.Option("--again", help="Those too that were put back before.")] = False,
    out: Out = None,
) -> None:
    """Put dead letters back into the topics that they were read from, each once."""
    from services.ledger.letters import Selection
    from services.ledger.redrive import redrive
    from services.local.letters import forget
    from services.local.run import attached

    if not (letters or everything or topic or stage or error):
        raise ConfigurationError("say which: their ids, --topic, --stage, --error, or --all")
    running = _running(out)
    with attached(out) as settings:
        if out is not None:
            forget(out)  # what is written down of them is about to change
        wanted = Selection(tuple(letters or ()), topic, stage, error)
        done = redrive(settings, topology_of(settings), wanted, again=again)
    for name, why in done.left:
        print(f"{name} stays: {why}", file=sys.stderr)
    for name, number in sorted(done.put_back.items()):
        print(f"{number} put back into {name}")
    if done.before:
        print(
            f"put back before, and stay: {done.before}; --again to insist, if those messages were lost "
            "(else there will be two of each)",
            file=sys.stderr,
        )
    if not done.put_back:
        fail("nothing was put back", EXIT_WRONG)
    print(
        "the running services take them up"
        if running
        else f"the next `run` or `up` on {out} takes them up: corpusworks run --out {out}"
    )


def _running(out: Path | None) -> bool:
    from services.local.folder import running
    from services.local.store import STATE

    return out is None or ((out / STATE).is_dir() and running(out / STATE) is not None)


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "letter": letter.id,
        "at": _when(letter.at_ms),
        "stage": letter.stage,
        "id": letter.name,
        "uid": f"{letter.document.uid:016x}" if letter.document else None,
        "error": letter.error,
        "redriven": None if letter.redriven_ms is None else _when(letter.redriven_ms),
    }


def _lines(letter: Letter) -> str:
    row = _row(letter)
    who = f"{row['id']} (uid {row['uid']})" if row["uid"] else row["id"] or "not a document"
    state = f"  put back {row['redriven']}" if row["redriven"] else ""
    error = row["error"].splitlines() or [""]
    return f"{row['letter']}  {row['at']}  {row['stage']}  {who}{state}\n    {error[0]}"


def _head(letter: Letter) -> str:
    document = letter.document
    if document is None:
        return letter.value[:_HEAD].decode(errors="backslashreplace")
    return document.text[:_HEAD] or document.body[:_HEAD].decode(errors="replace")


def _when(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))
