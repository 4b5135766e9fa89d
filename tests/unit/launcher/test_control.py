"""Turn by turn: what a launcher does with its job as parts and events come, and when it dies between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from contracts import TrainEvent
from services.launcher.backends.pytorchjob import PYTORCH_JOB, PyTorchJob
from services.launcher.cluster import Conflict
from services.launcher.config import LauncherConfig, PhaseConfig
from services.launcher.control import Control
from services.launcher.events import load_course
from services.launcher.former import load_former
from services.launcher.manifest import QUEUE
from services.launcher.policy import PolicyConfig, Reason, State, Wanted
from services.runtime import CorpusworksError, DependencyDown
from tests.unit.launcher.memory_cluster import MemoryCluster
from tests.unit.launcher.store import RUN, catalogue, memory, say, step

POLICY = PolicyConfig(
    start_tokens=100,
    resume_tokens=50,
    starve_tokens=10,
    starve_after_s=60,
    retries=1,
    retry_after_s=0,
    keep_s=0,
)
CONFIG = LauncherConfig(
    run=RUN, image="trainer:1", config_map="train", policy=POLICY, phases={"anneal": PhaseConfig(workers=2)}
)


class World:
    """A launcher, its store and its cluster; time goes when it is told."""

    def __init__(self) -> None:
        self.store, self.cluster, self.now = memory(), MemoryCluster(PYTORCH_JOB), 0.0
        self.forwarded: list[int] = []
        self.config = CONFIG
        self.control = self.launcher()

    def launcher(self, topic: str = "river") -> Control:
        """Another one, that knows nothing."""
        return Control(
            self.config, self.store, "s3://corpus", PyTorchJob(self.cluster, RUN), forward=self._forward,
            topic=topic, clock=lambda: self.now,
        )  # fmt: skip

    def turn(self) -> tuple[Wanted, Reason]:
        return self.control.turn()[:2]

    @property
    def job(self) -> State:
        return PyTorchJob(self.cluster, RUN).look().state

    def condition(self, name: str, message: str = "") -> None:
        """What the operator says."""
        said = {"type": name, "status": "True", "reason": name, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
        self.cluster.patch(PYTORCH_JOB, RUN, {"status": {"conditions": [said]}}, "training-operator")

    def collect(self) -> None:
        self.cluster.collect(PYTORCH_JOB, RUN)

    @property
    def workers(self) -> int:
        found = self.cluster.get(PYTORCH_JOB, RUN)
        assert found is not None
        return sum(replica["replicas"] for replica in found["spec"]["pytorchReplicaSpecs"].values())

    def _forward(self, events: Iterable[TrainEvent]) -> None:
        self.forwarded += [event.number for event in events]


@pytest.fixture
def world() -> World:
    return World()


def test_a_whole_run(world: World) -> None:
    assert world.turn() == (Wanted.ABSENT, Reason.WAITING)
    catalogue(world.store, 0, (60, "stable"))
    assert world.turn() == (Wanted.ABSENT, Reason.WAITING)
    catalogue(world.store, 1, (60, "stable"))
    assert world.turn() == (Wanted.RUNNING, Reason.ENOUGH)
    assert world.job is State.RUNNING
    say(world.store, 0, TrainEvent(kind="start"), step(1, 110, 0, 1))
    world.now += 59
    assert world.turn() == (Wanted.RUNNING, Reason.TRAINING)
    world.now += 60
    assert world.turn() == (Wanted.SUSPENDED, Reason.STARVED)
    assert world.job is State.SUSPENDED
    say(world.store, 2, TrainEvent(kind="end", step=1, detail="stopped"))
    catalogue(world.store, 2, (49, "stable"))
    assert world.turn() == (Wanted.SUSPENDED, Reason.STARVED)
    catalogue(world.store, 3, (1, "stable"))
    assert world.turn() == (Wanted.RUNNING, Reason.ENOUGH)
    assert world.job is State.RUNNING
    say(world.store, 3, step(2, 170, 3), TrainEvent(kind="end", step=2, detail="done"))
    assert world.turn() == (Wanted.AS_IS, Reason.ENDED)
    world.condition("Succeeded")
    assert world.turn() == (Wanted.ABSENT, Reason.ENDED)
    assert world.turn() == (Wanted.AS_IS, Reason.LEAVING)
    world.collect()
    assert world.turn() == (Wanted.ABSENT, Reason.ENDED)
    assert world.cluster.created == [RUN]
    assert world.forwarded == [0, 1, 2, 3, 4]
    said = [(event["type"], event["reason"]) for event in world.cluster.events]
    assert said == [
        ("Normal", "EnoughTokens"), ("Normal", "Training"), ("Warning", "Starved"),
        ("Normal", "EnoughTokens"), ("Normal", "RunEnded"), ("Normal", "RunEnded"),
    ]  # fmt: skip


def begun(world: World, *parts: tuple[int, str]) -> None:
    catalogue(world.store, 0, *parts)
    world.turn()
    assert world.job is State.RUNNING


def test_another_phase_gets_another_job_when_the_former_is_gone(world: World) -> None:
    """Prevents: two jobs that write the same checkpoints; a phase trained as the one before."""
    begun(world, (100, "stable"), (10, "anneal"))
    assert world.workers == 1
    say(world.store, 0, step(1, 99, 0))
    assert world.turn() == (Wanted.REPLACED, Reason.CHANGED)
    assert world.job is State.LEAVING
    assert world.turn() == (Wanted.AS_IS, Reason.LEAVING)
    world.collect()
    assert world.turn() == (Wanted.RUNNING, Reason.CHANGED), "though ten tokens alone would not begin a run"
    assert world.workers == 2
    assert world.turn()[0] is Wanted.RUNNING
    assert world.cluster.created == [RUN, RUN]


def test_a_job_that_fails_is_made_anew_as_a_whole_and_not_for_ever(world: World) -> None:
    begun(world, (100, "stable"))
    for attempt in (0, 1):
        world.condition("Failed", "the trainer says why")
        found = PyTorchJob(world.cluster, RUN).look()
        assert (found.attempt, found.why) == (attempt, "the trainer says why")
        if attempt == 0:
            assert world.turn() == (Wanted.REPLACED, Reason.FAILED)
            world.collect()
            assert world.turn()[0] is Wanted.RUNNING
    assert world.turn() == (Wanted.AS_IS, Reason.GAVE_UP)
    say(world.store, 0, step(1, 60, 0))
    assert world.turn() == (Wanted.REPLACED, Reason.FAILED), "it came further"
    world.collect()
    world.turn()
    assert PyTorchJob(world.cluster, RUN).look().attempt == 0


def test_a_launcher_that_dies_is_followed_by_one_that_goes_on(world: World) -> None:
    """Prevents: what one launcher knows and its successor does not, at any turn of a run."""
    begun(world, (100, "stable"))
    say(world.store, 0, TrainEvent(kind="start"), step(1, 99, 0))
    for _ in range(3):
        world.control = world.launcher()
        assert world.turn()[0] is Wanted.RUNNING
    world.now += 61
    assert world.turn() == (Wanted.SUSPENDED, Reason.STARVED)
    world.control = world.launcher()
    assert world.turn() == (Wanted.SUSPENDED, Reason.STARVED)
    assert world.cluster.created == [RUN]
    assert world.forwarded == [0, 1], "each event once, since each turn kept its place"


def test_attempts_are_counted_on_by_whoever_leads_next(world: World) -> None:
    """Prevents: a trainer that never starts and is tried for ever, since launchers end between its jobs."""
    begun(world, (100, "stable"))
    world.condition("Failed", "the trainer says why")
    assert world.turn() == (Wanted.REPLACED, Reason.FAILED)
    world.control = world.launcher()
    assert world.turn() == (Wanted.AS_IS, Reason.LEAVING)
    world.collect()
    world.control = world.launcher()
    assert world.turn()[0] is Wanted.RUNNING
    assert PyTorchJob(world.cluster, RUN).look().attempt == 1
    world.control = world.launcher()
    world.condition("Failed", "the trainer says why")
    assert world.turn() == (Wanted.AS_IS, Reason.GAVE_UP)


def test_a_job_of_another_phase_is_made_by_whoever_leads_next(world: World) -> None:
    """Prevents: a run that waits for as much as a start takes, since who removed its job has ended."""
    begun(world, (100, "stable"), (10, "anneal"))
    say(world.store, 0, step(1, 99, 0))
    assert world.turn() == (Wanted.REPLACED, Reason.CHANGED)
    world.collect()
    world.control = world.launcher()
    assert world.turn() == (Wanted.RUNNING, Reason.CHANGED)
    assert world.workers == 2


def test_what_was_made_anew_is_forgotten_by_whoever_leads_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a job that a person removes later, and that comes back since one was to be made once."""
    begun(world, (100, "stable"), (10, "anneal"))
    say(world.store, 0, step(1, 99, 0))
    world.turn()
    world.collect()
    with monkeypatch.context() as patched:
        patched.setattr(world.control, "_forget", lambda: None)  # it ends right after it made the job
        world.turn()
    assert load_former(world.store, RUN) is not None
    world.control = world.launcher()
    assert world.turn() == (Wanted.RUNNING, Reason.TRAINING)
    assert load_former(world.store, RUN) is None


def test_a_note_that_is_damaged_is_named(world: World) -> None:
    for text in (b"{", b'{"failed": true}', b"[]"):
        world.store.put(f"train/{RUN}/former.json", text)
        with pytest.raises(CorpusworksError, match=r"former\.json is damaged"):
            world.launcher()


def test_another_river_is_told_everything(world: World) -> None:
    """Prevents: a Kafka that was made anew and never hears of the spikes that were before it."""
    say(world.store, 0, TrainEvent(kind="start"), step(1, 99))
    world.turn()
    world.control = world.launcher("another")
    world.turn()
    assert world.forwarded == [0, 1, 0, 1]
    assert load_course(world.store, RUN).topic == "another"


def test_kafka_that_is_away_keeps_the_place(world: World) -> None:
    say(world.store, 0, TrainEvent(kind="start"))

    def away(_events: Iterable[TrainEvent]) -> None:
        raise DependencyDown("Kafka", "gone")

    control = Control(
        CONFIG, world.store, "s3://corpus", PyTorchJob(world.cluster, RUN), forward=away, topic="river"
    )
    for _ in range(2):
        with pytest.raises(DependencyDown):
            control.turn()
    world.turn()
    assert world.forwarded == [0]


def test_what_a_person_suspended_stays_so(world: World) -> None:
    """Prevents: a launcher that takes a field from whoever set it."""
    begun(world, (100, "stable"))
    held = {"spec": {"runPolicy": {"suspend": True}}}
    world.cluster.patch(PYTORCH_JOB, RUN, held, "kubectl-patch")
    assert world.turn() == (Wanted.AS_IS, Reason.HELD)
    assert world.job is State.SUSPENDED
    assert "kubectl-patch" in world.cluster.events[-1]["message"]
    num_events = len(world.cluster.events)
    assert world.turn() == (Wanted.AS_IS, Reason.HELD)
    assert len(world.cluster.events) == num_events, "said once"


def test_kueue_decides_alone(world: World) -> None:
    world.config = replace(CONFIG, queue="team")
    world.control = world.launcher()
    catalogue(world.store, 0, (100, "stable"))
    world.turn()
    found = world.cluster.get(PYTORCH_JOB, RUN)
    assert found is not None
    assert found["metadata"]["labels"][QUEUE] == "team"
    assert "suspend" not in found["spec"]["runPolicy"]
    say(world.store, 0, step(1, 99, 0))
    world.turn()
    world.now += 61
    assert world.turn() == (Wanted.AS_IS, Reason.QUEUED)
    world.cluster.patch(PYTORCH_JOB, RUN, {"spec": {"runPolicy": {"suspend": True}}}, "kueue")
    catalogue(world.store, 1, (100, "stable"))
    assert world.turn() == (Wanted.AS_IS, Reason.QUEUED)
    assert world.job is State.SUSPENDED


def test_a_write_that_comes_too_late_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(world, (100, "stable"))
    say(world.store, 0, step(1, 99, 0))
    world.turn()
    world.now += 61

    def changed(*_: object) -> None:
        raise Conflict("the object has been modified")

    with monkeypatch.context() as patched:
        patched.setattr(world.cluster, "apply", changed)
        assert world.turn() == (Wanted.SUSPENDED, Reason.STARVED)
        assert world.job is State.RUNNING
    world.turn()
    assert world.job is State.SUSPENDED


def test_nothing_is_written_without_permission(world: World) -> None:
    """Prevents: a launcher that lost its lease and still makes, suspends or tells."""

    class Lost(Exception):
        pass

    def lost() -> None:
        raise Lost

    catalogue(world.store, 0, (100, "stable"))
    control = Control(CONFIG, world.store, "s3://corpus", PyTorchJob(world.cluster, RUN), permit=lost)
    with pytest.raises(Lost):
        control.turn()
    assert world.cluster.created == []
    say(world.store, 0, step(1, 99, 0))
    with pytest.raises(Lost):
        control.turn()
    assert load_course(world.store, RUN).next == 0
