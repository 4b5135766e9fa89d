"""Dead letters: looked at, put back once, and gone on as if nothing had been."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.ledger import reconcile, report, take_account, trace
from services.ledger.proof import prove
from services.ledger.status import status
from services.runtime import Resources
from services.runtime.topology import DEFAULT
from services.sink.parts import documents, verify
from tests.corpus import documents as made
from tests.e2e.commands import corpusworks
from tests.e2e.home import Home, home

THORNY = {1, 2, 4, 7}


def table(folder: Path) -> Path:
    """Without the judges; one unit that fails before dedup, and one that fails when dedup has seen a text."""
    shipped = yaml.safe_load(DEFAULT.read_text())
    left_out = {"classifier", "scorer"}
    services = {name: row for name, row in shipped["services"].items() if name not in left_out}
    services["early"] = {"run": "tests.units:GATE", "input": "docs.clean", "output": "docs.scored"}
    services["dedup"] = services["dedup"] | {"output": "docs.judged"}
    services["late"] = {"run": "tests.units:LATE_GATE", "input": "docs.judged", "output": "pool.{bucket}"}
    topics = shipped["topics"] | {"docs.judged": {"holds": "Document", "by": "partitions"}}
    processes = [
        ["parse", "rules", "sentences", "early"],
        ["tokenizer", "router", "dedup", "late"],
        ["mixer"],
        ["sink"],
    ]
    (folder / "topology.yaml").write_text(
        yaml.safe_dump({"services": services, "processes": processes, "topics": topics})
    )
    return folder / "topology.yaml"


def sources(folder: Path) -> list[str]:
    """Eight documents, four of them with a thorn, and a line that is none."""
    rows = list(made(8, seed=5, duplicates=0))
    for number in THORNY:
        rows[number]["title"] = "thorny" if number % 2 else "thorny behind dedup"
        rows[number]["text"] += "\n" + rows[number]["title"]
    path = folder / "made.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "no record\n")
    return [str(path)]


def dlq(*arguments: str | Path) -> Result:
    """In this process, against servers that run."""
    return CliRunner().invoke(app, ["dlq", *map(str, arguments)])


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def ended(river: Home) -> tuple[Any, Counter[str]]:
    """The account of all that ever was, in order; and how often each document is in the parts."""
    account = take_account(river.settings, river.river.topology)
    assert not reconcile(account)
    assert prove(river.settings, river.river.topology)
    found = report(account, 0, {}, 0, {})
    assert found["unaccounted"] == 0
    store = Resources(river.settings).store
    assert verify(store) == []
    return account, Counter(record.id for _, record, _ in documents(store))


@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_dead_letters_are_put_back_and_end_like_any_other(tmp_path: Path, stopped: bool) -> None:
    """Prevents: a letter that dedup takes for a copy, one that goes back twice, one that is counted twice."""
    out = tmp_path / "out"
    out.mkdir()
    settings = {"CORPUSWORKS_TOPOLOGY": str(table(tmp_path))}
    (out / "obstacle").touch()
    with home(out, settings) as river:
        river.river.start()
        river.settle([river.river.ingest(sources(tmp_path))])
        account, in_parts = ended(river)
        assert (account.dead.total(), account.unreadable, len(in_parts)) == (4, 1, 4)
        first = _look(out)
        if not stopped:
            assert dlq("redrive", first, "--out", out).exit_code == 0
            _go_on(river, first)
    if stopped:
        put_back = corpusworks("dlq", "redrive", first, "--out", out, settings=settings)
        assert put_back.code == 0, put_back.err
        assert f"the next `run` or `up` on {out} takes them up" in put_back.out
        with home(out, settings) as river:
            river.river.start()
            _go_on(river, first)


def _go_on(river: Home, first: str) -> None:
    """With one letter put back while nothing is mended: it dies again, and lives with all the others then."""
    river.settle([])
    account, in_parts = ended(river)
    assert (account.dead.total(), len(in_parts)) == (4, 4), "it died again: one letter more, one put back"
    assert status(river.settings, river.river.topology).redriven == 1
    before = river.river.marks()
    _mend(river.out, first)
    river.settle([])
    since = take_account(river.settings, river.river.topology, since=before)
    found = report(since, 0, {}, 0, {})
    assert (found["unaccounted"], found["carried_over"], found["kept"]) == (0, 4, 4)
    account, in_parts = ended(river)
    assert (account.dead.total(), account.unreadable, account.in_flight.total()) == (0, 1, 0)
    assert sorted(in_parts.values()) == [1] * 8
    _says_where_it_was(river, in_parts)


def _look(out: Path) -> str:
    """List and show; the id of a letter of the unit behind dedup."""
    found = rows(dlq("list", "--json", "--out", out))
    assert Counter(row["stage"] for row in found) == {"gate": 2, "late_gate": 2, "ingest": 1}
    assert all(row["redriven"] is None for row in found)
    assert len(rows(dlq("list", "--json", "--stage", "gate", "--out", out))) == 2
    assert len(rows(dlq("list", "--json", "--topic", "docs.raw", "--out", out))) == 3
    late = rows(dlq("list", "--json", "--error", "THORNY behind", "--out", out))
    assert [row["stage"] for row in late] == ["late_gate"] * 2
    lines = dlq("list", "--out", out)
    assert lines.stdout.count("cannot be handled: thorny") == 4
    assert "5 dead letters, 5 of them not put back" in lines.stderr
    shown = dlq("show", late[0]["letter"], "--out", out).stdout
    assert "Traceback" in shown
    assert "thorny behind dedup" in dlq("show", late[0]["letter"], "--json", "--out", out).stdout
    nothing = dlq("show", "docs.raw.dlq/0/99999", "--out", out)
    assert "there is no dead letter docs.raw.dlq/0/99999" in str(nothing.exception)
    return str(late[0]["letter"])


def _mend(out: Path, first: str) -> None:
    """Take the cause away, and put all back but what was before and what is no document."""
    (out / "obstacle").unlink()
    assert "say which" in str(dlq("redrive", "--out", out).exception)
    done = dlq("redrive", "--all", "--out", out)
    assert done.exit_code == 0
    assert "2 put back into docs.raw\n2 put back into docs.scored" in done.stdout
    assert "the running services take them up" in done.stdout
    assert first not in done.stderr
    assert "put back before, and stay: 1;" in done.stderr
    assert "made.jsonl" in done.stderr
    assert "never became a document: mend it" in done.stderr
    again = dlq("redrive", "--all", "--out", out)
    assert again.exit_code == 1, "nothing goes back twice"


def _says_where_it_was(river: Home, names: Counter[str]) -> None:
    name = sorted(names)[1]
    steps = [sighting.what for sighting in trace(river.settings, river.river.topology, name)]
    letters = [what for what in steps if "exception.message" in what]
    assert letters
    assert all(what["put_back_at_ms"] for what in letters)
    assert any("redriven" in what for what in steps)
