"""Another mix in one process, without a server: killed anywhere it goes on, and nothing is there twice."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from services.cli.adopt import adopt
from services.cli.ask import reconcile
from services.cli.carry import Pools, bring, message
from services.cli.named import command_for
from services.local import mixing
from services.local.run import Job, attached
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, ObjectStore, Resources, Settings, VocabularyCard, topics
from services.runtime.clients.log import Log
from services.runtime.journal.cluster import JournalCluster
from services.runtime.loops.transaction import Transactions
from services.runtime.topics import POOL
from services.runtime.topology import BUCKET, Topology
from services.sink.parts import documents, list_parts, verify
from tests.unit.cli.test_carry import BY_LENGTH, OURS, River, _document

SOURCE = Path("/from/another")


class Killed(BaseException):
    """In the place of SIGKILL."""


@pytest.fixture
def river(tmp_path: Path) -> River:
    made = River(ObjectStore((tmp_path / "first").as_uri()), ["en"])
    made.put(*(_document(uid, tokens=3 + uid % 20) for uid in range(1, 60)))
    return made


@pytest.fixture
def mix(river: River, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """Mixes what the other river has into `tmp_path/new`."""
    monkeypatch.setenv("CORPUSWORKS_RECIPE", BY_LENGTH.text)
    monkeypatch.setenv("CORPUSWORKS_UNITS__SINK__SEQUENCE_LENGTH", "32")
    monkeypatch.setenv("CORPUSWORKS_UNITS__SINK__SEAL_TOKENS", "100")
    monkeypatch.setattr("services.cli.carry._BATCH", 25)
    monkeypatch.setattr(mixing, "configure_logs", lambda *_: None)
    monkeypatch.setattr(mixing, "settle_collector", lambda **_: None)
    topology = Topology.load(None, list(BY_LENGTH.buckets)).behind(POOL + BUCKET)
    shares = {phase.name: phase.shares for phase in BY_LENGTH.phases}

    def brought(target: Settings) -> int:
        store, transactions = Resources(target).store, Transactions(target, "mix", "mix")
        VocabularyCard(OURS, 1000, 0, "<end>").keep(store, b"")
        say = partial(message, store=store, limit=target.max_message_bytes)
        with river.broker.log() as here, Log(target) as there:
            done = bring(
                Pools(here, river.store, OURS),
                there,
                Recipe.load(target.recipe),
                say=say,
                commit=lambda said: transactions.commit(said, {}, None),
                lanes=target.lanes,
            )
        return done.documents.total()

    def run(source: Path = SOURCE) -> dict[str, Any]:
        job = Job([], tmp_path / "new", topology, lambda _: shares)
        return mixing.mix(job, source, "its id", Console(file=io.StringIO()), brought)

    return run


def _uses(out: Path) -> Counter[int]:
    return Counter(found.record.uid for found in documents(ObjectStore(out.as_uri())))


def test_one_that_is_killed_anywhere_goes_on_and_packs_each_once(
    mix: Callable[[], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: documents that are lost, or brought over or packed twice, and a half that looks finished."""
    commit, through = JournalCluster.commit, 0

    def dies(self: JournalCluster, *arguments: Any) -> None:
        nonlocal through
        through += 1
        if through % 7 == 0:
            raise Killed
        commit(self, *arguments)

    monkeypatch.setattr(JournalCluster, "commit", dies)
    kills = 0
    while True:
        try:
            report = mix()
            break
        except Killed:
            kills += 1
            assert not (tmp_path / "new" / "report.json").exists()
    assert kills > 3
    assert _uses(tmp_path / "new") == dict.fromkeys(range(1, 60), 1)
    assert verify(ObjectStore((tmp_path / "new").as_uri())) == []
    assert report["unaccounted"] == 0
    assert report["waiting"] == {}


def test_the_same_again_brings_what_is_new(
    mix: Callable[[], dict[str, Any]], river: River, tmp_path: Path
) -> None:
    assert mix()["kept"] == 59
    river.put(_document(60, tokens=30))
    assert mix()["kept"] == 1
    assert _uses(tmp_path / "new") == dict.fromkeys(range(1, 61), 1)


def test_what_is_known_elsewhere_is_not_asked_here(mix: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    """Prevents: a wait for a Redis that this river does not have, or the answer of somebody else's."""
    mix()
    with (
        attached(tmp_path / "new") as settings,
        pytest.raises(ConfigurationError, match="mixed from another river: duplicates are known there"),
    ):
        _ = Resources(settings).redis


def test_texts_are_asked_for_where_they_are(mix: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    """Prevents: an empty file and `0 documents` from a folder that has 59 in its parts."""
    mix()
    out, wanted = tmp_path / "new", tmp_path / "all.jsonl"
    done = CliRunner().invoke(command_for(["export"]), ["export", str(out), "--to", str(wanted)])
    assert f"corpusworks export {SOURCE}" in str(done.exception)
    assert not wanted.exists()
    done = CliRunner().invoke(command_for(["report"]), ["report", str(out)])
    assert done.output.startswith(f"documents of {SOURCE}; ")


def test_a_lost_journal_is_not_taken_for_a_river_of_servers(
    mix: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    """Prevents: a `status` that starts a Kafka, and a `mix` that takes the folder for an older one then."""
    mix()
    out = tmp_path / "new"
    (out / "state" / "journal").unlink()
    with attached(out) as settings, Log(settings) as log:
        assert log.topics() == set()
    with pytest.raises(ConfigurationError, match="parts of another river"):
        mix()
    with attached(out) as settings, Log(settings) as log:
        assert topics.SEALED in log.topics()  # so that `parts adopt` can be called


def test_a_journal_that_was_lost_is_made_up_for(
    mix: Callable[[], dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: parts that are adopted, and a proof that knows of none: `0 in parts`."""
    mix()
    out = tmp_path / "new"
    packed = _uses(out)
    (out / "state" / "journal").unlink()
    with pytest.raises(ConfigurationError, match="parts of another river"):
        mix()
    number, parts = len(packed), len(list_parts(ObjectStore(out.as_uri())))
    for announced in (parts, 0):
        adopt(out)
        assert capsys.readouterr().err.startswith(f"{announced} parts announced anew")
        # The refused call has brought its documents over already: they wait, as copies.
        assert f"{2 * number} documents: {number} in parts, {number} waiting" in _proven(out, capsys)
    mix()
    assert _uses(out) == packed
    assert f" {number} in parts, 0 waiting, 0 in flight, {number} rejected" in _proven(out, capsys)
    assert verify(ObjectStore(out.as_uri())) == []


def test_both_proofs_count_the_documents_alike(
    mix: Callable[[], dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: `0 documents: 59 in parts`, of a river in which nothing was ingested."""
    mix()
    for thorough in (False, True):
        capsys.readouterr()
        reconcile(tmp_path / "new", thorough)
        assert capsys.readouterr().err.startswith("59 documents: 59 in parts, 0 waiting")


def _proven(out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    reconcile(out)
    return capsys.readouterr().err


def test_a_folder_of_a_former_version_is_refused(mix: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    """Prevents: a second log beside the one that knows what is packed."""
    mix()
    (tmp_path / "new" / "state" / "kafka").mkdir()
    with pytest.raises(ConfigurationError, match="choose a new folder"):
        mix()
