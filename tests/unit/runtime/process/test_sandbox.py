"""The sandbox against real child processes and documents that attack them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from contracts import Document, Rejection
from services.runtime import ConfigurationError, DependencyDown
from services.runtime.process.frames import Item, Outcome, sliced
from services.runtime.process.sandbox import SLOW, Sandbox, Stopped
from tests.unit.runtime.conftest import ROOT

FINE = "a quiet document"


@pytest.fixture(scope="module")
def poisonable(shared_river: Path) -> Iterator[Sandbox]:
    """One sandbox for all the poisons: starting a worker is what these tests would wait for."""
    box = Sandbox(["poisoned"], [], slice_size=10, slice_bytes=10_000, time_limit_s=20.0)
    yield box
    box.stop()


@pytest.fixture
def sandbox(river: Path) -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes, and ends them."""
    with contextlib.ExitStack() as stack:

        def make(*names: str, **options: object) -> Sandbox:
            defaults: dict[str, object] = {"slice_size": 10, "slice_bytes": 10_000, "time_limit_s": 20.0}
            made = Sandbox(names or ("poisoned",), ["zh", "en"], **(defaults | options))  # type: ignore[arg-type]
            stack.callback(made.stop)
            return made

        yield make


def item(text: str, offset: int = 0) -> Item:
    document = Document(id=text, uid=offset + 1, text=text)
    return Item(document.SerializeToString(), "docs.parsed", 0, offset)


def items(*texts: str, first: int = 0) -> list[Item]:
    return [item(text, first + number) for number, text in enumerate(texts)]


def through(
    box: Sandbox, batch: Sequence[Item], committed: dict[tuple[str, int], int] | None = None
) -> list[Outcome]:
    box.submit(batch, committed or {})
    return box.collect()


def test_a_document_that_takes_long_is_named(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a minute without a word of what is being done, and ten seconds with the wrong one."""
    monkeypatch.setattr("services.runtime.process.sandbox.SLOW_S", 0.3)
    box = sandbox(slice_size=1, time_limit_s=2.5)
    with capture_logs() as logs:
        outcomes = through(box, items(FINE, "hang", f"{FINE} too"))
    said = [entry for entry in logs if entry["event"] == SLOW]
    assert [outcome.outcome for outcome in outcomes] == ["emit", "dead", "emit"]
    assert len(said) >= 3
    assert {(entry["at"], entry["documents"]) for entry in said} == {("hang", 1)}
    assert said[-1]["seconds"] >= said[0]["seconds"]


def test_each_outcome_belongs_to_its_document(poisonable: Sandbox) -> None:
    """Prevents outcomes that slip by one: more items than a slice, drops and rejects among them."""
    texts = [("drop", "reject", f"{FINE} {n}", "raise", f"{FINE}, {n}")[n % 5] for n in range(37)]
    outcomes = through(poisonable, items(*texts))
    expected = {"drop": "drop", "reject": "dead", "raise": "dead"}
    assert [o.outcome for o in outcomes] == [expected.get(text, "emit") for text in texts]
    for offset, (text, outcome) in enumerate(zip(texts, outcomes, strict=True)):
        if outcome.outcome == "emit":
            assert Document.FromString(outcome.value).text == text
            assert outcome.uid == offset + 1
            assert outcome.topic == "docs.clean"
        if outcome.outcome == "drop":
            rejection = Rejection.FromString(outcome.value)
            assert (rejection.unit, rejection.reason) == ("poisoned", "unwanted")
            assert (rejection.measured, rejection.threshold) == (3, 5)
            assert rejection.detail == "three of five"
            assert rejection.document.text == "drop"
            assert rejection.rejected_ms > 1.7e12


@pytest.mark.parametrize(
    ("poison", "says"),
    [
        ("raise", "ValueError: this document cannot be handled"),
        ("die", "exit code 17"),
        ("exit", "exit code 3"),
        ("memory", "MemoryError"),
        ("short", "returned 0 verdicts for 1 documents"),
        ("undeclared", "not in its drop_reasons"),
        ("reject", "not for me"),
        ("odd", "lone surrogate"),
    ],
)
def test_a_poisoned_document_costs_one_dead_letter(poisonable: Sandbox, poison: str, says: str) -> None:
    """Prevents one bad document from taking its neighbours along, or from being lost without a letter."""
    texts = [FINE] * 5 + [poison] + [FINE] * 6
    outcomes = through(poisonable, items(*texts))
    assert [o.outcome for o in outcomes] == ["emit"] * 5 + ["dead"] + ["emit"] * 6
    dead = outcomes[5]
    assert says in dead.error
    assert dead.unit == "poisoned"
    if poison in ("raise", "memory", "short"):
        assert "Traceback" in dead.stack
    for outcome in (*outcomes[:5], *outcomes[6:]):
        # a neighbour that is run again is run on the message as it was, not on what the first try left
        assert Document.FromString(outcome.value).features["seen"] == 1


def test_large_documents_are_fewer_in_a_slice(poisonable: Sandbox) -> None:
    """Prevents a thousand of them from being judged together: gigabytes, and the time limit passed by all."""
    large = "x" * 4000  # and its id, the same
    texts = [FINE, large, "raise", large, *[FINE] * 10, "raise", FINE]
    with capture_logs() as logs:
        outcomes = through(poisonable, items(*texts))
    assert [o.outcome for o in outcomes] == ["dead" if text == "raise" else "emit" for text in texts]
    assert [entry["documents"] for entry in logs if entry["event"] == "slice failed"] == [3, 3]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([30, 30, 30, 10], [3, 1]),
        ([60, 41, 59, 40], [1, 2, 1]),
        ([900, 900, 1, 1], [1, 1, 2]),
        ([1, 900], [1, 1]),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_no_slice_of_several_is_larger_than_the_bound(
    sizes: list[int], expected: list[int], stored: bool
) -> None:
    """Prevents a slice without an end, or an empty one; what lies in the store counts as what does not."""
    held = [(b"", size) if stored else (b"x" * size, 0) for size in sizes]
    batch = [Item(value, "docs.parsed", 0, n, stored=size) for n, (value, size) in enumerate(held)]
    slices = sliced(batch, 3, 100)
    assert [len(each) for each in slices] == expected
    assert [item for each in slices for item in each] == batch


def test_a_document_that_never_returns_delays_by_its_time_limit_only(sandbox: Callable[..., Sandbox]) -> None:
    """Prevents a hang from holding up the partition; starting the worker again is not counted."""
    limit_s = 2.0
    box = sandbox(time_limit_s=limit_s)
    begin = time.monotonic()
    box.start()
    start_s = time.monotonic() - begin
    begin = time.monotonic()
    outcomes = through(box, items(FINE, "hang", FINE))
    took_s = time.monotonic() - begin
    assert [o.outcome for o in outcomes] == ["emit", "dead", "emit"]
    assert "took longer" in outcomes[1].error
    assert "time_limit_s" in outcomes[1].error
    assert took_s >= limit_s
    assert took_s < limit_s + 2 * (2 * start_s + 0.5), "two restarts, with room for a busy machine"


def test_an_unreadable_message_costs_one_dead_letter(poisonable: Sandbox) -> None:
    """Prevents bytes that are no Document from stopping the service."""
    bad = Item(b"\xff\xff\xff not protobuf", "docs.parsed", 0, 1)
    outcomes = through(poisonable, [item(FINE), bad, item(FINE, 2)])
    assert [o.outcome for o in outcomes] == ["emit", "dead", "emit"]
    assert "not a readable Document" in outcomes[1].error


def test_nothing_is_lost_when_the_worker_is_killed_in_mid_batch(
    sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    """Prevents the kill of a worker (by the kernel, by a person) from costing a document."""
    marker = tmp_path / "pid"
    killed: list[int] = []

    def kill() -> None:
        if marker.exists() and marker.read_text() and not killed:
            killed.append(int(marker.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    box = sandbox(slice_size=3, on_tick=kill)
    texts = [FINE] * 4 + [f"once {marker}"] + [FINE] * 4
    outcomes = through(box, items(*texts))
    assert killed, "the worker was not killed: the test shows nothing"
    assert [o.outcome for o in outcomes] == ["emit"] * 9
    assert [Document.FromString(o.value).text for o in outcomes] == texts
    assert [Document.FromString(o.value).features["seen"] for o in outcomes] == [1] * 9


def test_a_document_whose_worker_is_killed_again_and_again_is_innocent(
    sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    """Prevents two kills from outside, of its slice and of itself alone, from costing a dead letter."""
    marker, killed = tmp_path / "pid", 0

    def kill() -> None:
        nonlocal killed
        if killed < 5 and marker.exists() and (pid := marker.read_text()):
            os.kill(int(pid), signal.SIGKILL)
            killed += 1
            marker.unlink(missing_ok=True)

    box = sandbox(slice_size=2, on_tick=kill)
    outcomes = through(box, items(FINE, f"stay {marker}", FINE))
    assert killed == 5
    assert [o.outcome for o in outcomes] == ["emit"] * 3


def test_a_document_that_is_killed_each_time_is_a_dead_letter_at_last(
    sandbox: Callable[..., Sandbox],
) -> None:
    """Prevents a document for which the kernel finds no memory from being tried for ever."""
    box = sandbox(slice_size=2)
    outcomes = through(box, items(FINE, "suicide", FINE))
    assert [o.outcome for o in outcomes] == ["emit", "dead", "emit"]
    assert "SIGKILL, 5 times while it ran this document alone" in outcomes[1].error


def test_a_unit_is_shown_where_the_group_stands_by_each_new_worker(
    sandbox: Callable[..., Sandbox], river: Path
) -> None:
    """Prevents a worker that was started anew from judging before it has compared what it knows."""
    asked: list[int] = []

    def standing() -> dict[tuple[str, int], int]:
        asked.append(0)
        return {("T1", 0): len(asked)}

    def begun(outcomes: Sequence[Outcome]) -> set[str]:
        return {Document.FromString(o.value).metadata["begun"] for o in outcomes}

    box = sandbox("placed", standing=standing)
    box.topic_ids = {"docs.parsed": "T1"}
    (found,) = through(box, items(FINE))
    assert Document.FromString(found.value).metadata["place"] == "docs.parsed T1 0 0 False"
    assert begun([found]) == begun(through(box, items(FINE))) == {"{('T1', 0): 1}"}
    assert box._child is not None
    box._child.kill()
    box._child.wait()
    assert begun(through(box, items(FINE))) == {"{('T1', 0): 2}"}
    box.assigned()
    assert begun(through(box, items(FINE))) == {"{('T1', 0): 3}"}
    (river / "store" / "obstacle").write_text("the index has forgotten")
    box.assigned()
    with pytest.raises(ConfigurationError, match="the index has forgotten"):
        through(box, items(FINE))


def test_a_worker_that_died_between_batches_is_started_again(poisonable: Sandbox) -> None:
    """Prevents the death of an idle worker from making dead letters of the next batch."""
    through(poisonable, items(FINE))
    assert poisonable._child is not None
    os.kill(poisonable._child.pid, signal.SIGKILL)
    outcomes = through(poisonable, items(FINE, FINE))
    assert [o.outcome for o in outcomes] == ["emit", "emit"]


def test_a_dependency_that_is_down_is_not_a_bad_document(poisonable: Sandbox, tmp_path: Path) -> None:
    """Prevents an hour without Redis from filling the dead-letter topic; the same batch passes afterwards."""
    server_is_down = tmp_path / "down"
    server_is_down.touch()
    batch = items(*[FINE] * 12, f"down {server_is_down}", FINE)
    for _ in range(2):
        with pytest.raises(DependencyDown, match="redis does not answer: connection refused") as caught:
            through(poisonable, batch)
        assert caught.value.dependency == "redis"
    server_is_down.unlink()
    assert [o.outcome for o in through(poisonable, batch)] == ["emit"] * 14


def test_a_dependency_that_goes_down_while_suspects_run_alone(poisonable: Sandbox, tmp_path: Path) -> None:
    """Prevents a server that goes away in the middle of an isolation from costing a dead letter."""
    server_is_down = tmp_path / "down"
    server_is_down.touch()
    with pytest.raises(DependencyDown):
        through(poisonable, items("raise", f"down {server_is_down}", FINE))


def test_answers_stay_with_their_batch_after_a_failed_note_of_the_commit(
    sandbox: Callable[..., Sandbox], river: Path
) -> None:
    """Prevents outcomes of one batch from being taken for those of the next (found so: it shifted by one)."""
    obstacle = river / "store" / "obstacle"
    obstacle.write_text("connection refused")
    box = sandbox("positioned")
    with pytest.raises(DependencyDown):
        through(box, items(FINE, FINE), {("docs.routed", 0): 7})
    obstacle.unlink()
    for first, news in ((10, {}), (20, {("docs.routed", 0): 20}), (30, {})):
        outcomes = through(box, items("x", "y", first=first), news)
        documents = [Document.FromString(o.value) for o in outcomes]
        assert [d.features["offset"] for d in documents] == [first, first + 1]
        assert [d.features["told"] for d in documents] == [20 if first >= 20 else 0] * 2


def test_a_dependency_that_is_down_when_the_units_are_built(
    sandbox: Callable[..., Sandbox], river: Path
) -> None:
    """Prevents a start without Redis from looking like a wrong setting, or crashing the parent."""
    obstacle = river / "store" / "obstacle"
    obstacle.touch()
    box = sandbox("refusing")
    with pytest.raises(DependencyDown, match="redis does not answer: connection refused"):
        box.start()
    obstacle.unlink()
    assert [o.outcome for o in through(box, items(FINE))] == ["emit"]


def test_units_that_cannot_be_built_are_a_wrong_configuration(sandbox: Callable[..., Sandbox]) -> None:
    """Prevents an endless restart: the error goes up at the start, naming the unit."""
    with pytest.raises(ConfigurationError, match="broken"):
        sandbox("broken").start()


def test_a_wrong_setting_of_a_unit_reaches_the_parent_as_written(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a wrong setting from showing as 'the worker process died'."""
    monkeypatch.setenv("CORPUSWORKS_UNITS__WORDY__SHARE", "1.5")
    with pytest.raises(ConfigurationError, match=r"(?s)settings of wordy: .*share is 1\.5"):
        sandbox("wordy").start()


def test_a_worker_killed_while_it_starts_is_no_wrong_setting(sandbox: Callable[..., Sandbox]) -> None:
    """Prevents a kill at the wrong moment from stopping the service for good; trying again is right."""
    box = sandbox()

    def kill() -> None:
        assert box._child is not None
        box._child.kill()

    box._tick = kill
    with pytest.raises(DependencyDown, match="SIGKILL"):
        box.start()
    box._tick = lambda: None
    assert [o.outcome for o in through(box, items(FINE))] == ["emit"]


def test_a_batch_is_given_up_when_the_service_must_stop(sandbox: Callable[..., Sandbox]) -> None:
    """Prevents a document that hangs from outlasting the grace period of SIGTERM."""

    def give_up() -> None:
        raise Stopped("the grace period is over")

    box = sandbox()
    box.start()
    box._tick = give_up
    begin = time.monotonic()
    with pytest.raises(Stopped):
        through(box, items("hang"))
    assert time.monotonic() - begin < 5


def test_the_loop_shows_that_it_lives_while_many_short_calls_run(poisonable: Sandbox) -> None:
    """Prevents /livez from failing while suspects run alone, each more quickly than a tick."""
    ticks: list[float] = []
    poisonable.start()
    before, poisonable._tick = poisonable._tick, lambda: ticks.append(time.monotonic())
    through(poisonable, items("raise", *[FINE] * 9))
    poisonable._tick = before
    assert len(ticks) >= 10


def test_a_joined_chain_runs_in_order_and_names_the_unit_that_dropped(
    sandbox: Callable[..., Sandbox],
) -> None:
    """Prevents a chain from blaming its first unit for what its last one did."""
    outcomes = through(sandbox("poisoned", "wordy"), items("two words", "drop", "here are five good words"))
    assert [(o.outcome, o.unit, o.reason) for o in outcomes] == [
        ("drop", "wordy", "too_short"),
        ("drop", "poisoned", "unwanted"),
        ("emit", "wordy", ""),
    ]
    assert outcomes[2].topic == "docs.scored"


def test_a_worker_is_gone_once_it_is_stopped(poisonable: Sandbox) -> None:
    """Prevents a service that was stopped from leaving its worker running."""
    poisonable.start()
    assert poisonable._child is not None
    pid = poisonable._child.pid
    poisonable.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# A service that is killed while its worker is at a document that never returns.
KILLED_SERVICE = """
import os, sys
from contracts import Document
from services.runtime.process.frames import Item
from services.runtime.process.sandbox import Sandbox
box = Sandbox(["poisoned"], [], slice_size=1, slice_bytes=1000, time_limit_s=600)
box.start()
print(box._child.pid, flush=True)
marker = sys.argv[1]
box.submit([Item(Document(uid=1, text=f"once {marker}").SerializeToString(), "docs.parsed", 0, 0)], {})
while not os.path.exists(marker):
    pass
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at a parent's death is Linux's")
def test_a_worker_does_not_outlive_a_service_that_was_killed(river: Path) -> None:
    """Prevents a worker from staying for ever at a document that hangs, with nobody to end it."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_SERVICE, str(river / "marker")],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            pytest.fail("the worker outlived its service")
        time.sleep(0.05)
