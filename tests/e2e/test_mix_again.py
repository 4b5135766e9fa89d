"""What is tokenized, mixed again in another folder; drops that are judged again; a living river."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from services.runtime import ObjectStore
from services.sink.parts import documents as packed
from tests.corpus import write_jsonl
from tests.e2e.commands import ask, corpusworks, left_running, run, start
from tests.e2e.crashing import EXIT_CRASHED
from tests.e2e.crashing_carry import BATCH, BATCHES

pytestmark = [pytest.mark.soak, pytest.mark.stack]

STRICT = {"CORPUSWORKS_UNITS__RULES__MIN_WORDS": "60"}
RECIPE = """
buckets: {code: format == "code", long: num_tokens > 300, other: "true"}
phases: [{name: second, weights: {long: 3, other: 1}}]
"""


def _tokens(out: Path) -> dict[str, list[int]]:
    """Of every document in parts, by its id."""
    return {found.record.id: found.tokens.tolist() for found in packed(ObjectStore(out.as_uri()))}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A river at rest that has dropped some for being short, two twins among them."""
    folder = tmp_path_factory.mktemp("first")
    source = write_jsonl(folder / "made.jsonl", 90)
    report = run(folder / "out", source, settings=STRICT)
    assert report["dropped"]["rules"]["too_short"] > 2
    assert report["duplicates"] > 0
    return folder / "out"


def test_another_mix_has_the_same_documents_and_a_whole_folder(first: Path, tmp_path: Path) -> None:
    """Prevents: documents that are lost, doubled or tokenized anew on their way to another mix."""
    new, recipe = tmp_path / "new", tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    done = corpusworks("mix", "--from", first, "--out", new, "--recipe", recipe)
    assert done.code == 0, done.err
    before, now = _tokens(first), _tokens(new)
    report = json.loads((new / "report.json").read_text())
    assert now.items() <= before.items()
    assert report["unaccounted"] == 0
    assert report["kept"] == len(now) > 20
    assert report["kept"] + sum(report["waiting"].values()) == len(before)
    assert set(report["waiting"]) == {"code"}  # it has no weight here
    assert {part["phase"] for part in ask("parts", "list", new).rows} == {"second"}
    assert ask("parts", "verify", new).code == 0
    assert ask("reconcile", "--out", new).code == 0
    assert ask("reconcile", "--thorough", "--out", new).code == 0
    assert ask("ledger", "doc", next(iter(now)), "--out", new).code == 0
    assert '"pool.code"' in ask("trace", next(iter(before.keys() - now.keys())), "--out", new).out

    again = corpusworks("mix", "--from", first, "--out", new, "--recipe", recipe)
    assert (again.code, "0 documents brought over" in again.out) == (0, True), again.err
    assert _tokens(new) == now
    refused = ask("run", first, "--out", new)
    assert (refused.code, "those of" in refused.err) == (2, True)
    assert left_running(new) == left_running(first) == []


def test_a_mix_that_is_killed_twice_goes_on_by_the_same_command(first: Path, tmp_path: Path) -> None:
    """Prevents: documents that are lost, or brought over or packed twice, when another mix is cut off."""
    new, recipe = tmp_path / "new", tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    mix = ("mix", "--from", first, "--out", new, "--recipe", recipe)
    told = ""
    for module in (
        "crashing_carry",
        "crashing",
    ):  # in what it brings over; behind a part, before its announcement
        mixing = start(*mix, module=f"tests.e2e.{module}")
        told, said = mixing.communicate(timeout=120)
        assert mixing.returncode == EXIT_CRASHED, said
        assert left_running(new) == left_running(first) == []
        assert not (new / "report.json").exists()
    brought = int(re.findall(r"(\d+) documents brought over", told)[0])

    done = corpusworks(*mix)
    assert (done.code, "0 documents brought over" in done.out) == (0, True), done.err
    before, report = _tokens(first), json.loads((new / "report.json").read_text())
    packed_now = Counter(row["id"] for row in ask("parts", "decode", new).rows)
    assert set(packed_now.values()) == {1}
    assert packed_now.keys() <= before.keys()
    waiting = sum(report["waiting"].values())
    assert len(packed_now) + waiting == len(before) == brought + BATCH * BATCHES
    assert ask("parts", "verify", new).code == 0
    assert ask("reconcile", "--thorough", "--out", new).code == 0


def test_drops_go_back_once_and_end_once(first: Path) -> None:
    """Prevents: a changed bound that mends nothing, or documents that are there twice for it."""
    dropped = ask("audit", "list", first, "--reason", "too_short", "--limit", "0", "--json").rows
    which = ("rejudge", "--out", first, "--unit", "rules", "--reason", "too_short")
    told = ask(*which, "--dry-run")
    assert told.out == f"{len(dropped)} dropped documents go back to docs.parsed\n"
    done = corpusworks(*which)
    assert done.code == 0, done.err
    report = json.loads((first / "report.json").read_text())
    assert (report["documents_in"], report["unaccounted"]) == (len(dropped), 0)
    assert report["kept"] > 0
    again = ask(*which)
    said = f"0 dropped documents go back to docs.parsed; {len(dropped)} were put back before"
    assert said in again.out.splitlines()  # on a busy machine between lines of what it waits for
    assert ask("reconcile", "--out", first).code == 0
    assert ask("reconcile", "--thorough", "--out", first).code == 0
    back = sorted({row["id"] for row in dropped} & _tokens(first).keys())
    assert len(back) >= report["kept"] - 1
    sightings = ask("trace", back[0], "--out", first).out
    assert "too_short" in sightings
    assert '"part"' in sightings


def test_a_living_river_takes_an_import_by_its_folder(tmp_path: Path) -> None:
    """Prevents: a river whose address is a password and four ports that change with every start."""
    out = tmp_path / "out"
    ports = []
    for seed in (3, 4):
        up = start("up", "--out", out)
        assert up.stdout is not None
        assert any(f"corpusworks import PATH… --out {out}" in line for line in up.stdout)
        lock = json.loads((out / "state" / "stack.lock").read_text())
        ports.append(lock["environment"]["CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS"])
        source = write_jsonl(tmp_path / f"{seed}.jsonl", 12, seed=seed)
        done = corpusworks("import", source, "--out", out)
        assert done.code == 0, done.err
        of_the_folder = {"CORPUSWORKS_PARTITIONS": (out / "state" / "partitions").read_text().strip()}
        another_store = {"CORPUSWORKS_STORE_URL": tmp_path.as_uri()}
        elsewhere = corpusworks(
            "import", source, settings=lock["environment"] | of_the_folder | another_store
        )
        assert (elsewhere.code, "store is" in elsewhere.err) == (2, True), elsewhere.err
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
    assert ports[0] == ports[1]
    assert f"{2 * 12} documents" in ask("reconcile", "--out", out).err
    assert left_running(out) == []
