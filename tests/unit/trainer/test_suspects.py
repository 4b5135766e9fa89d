"""From a spike to what is passed over, told and written: over a tiny model and a store in memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import TrainEvent
from tests.unit.trainer import poison
from tests.unit.trainer.objects import MemoryObjects
from tests.unit.trainer.poison import BUCKETS, Corpus, Replay, spoil, taken
from trainer import events, report, suspects
from trainer.config import StabilityConfig
from trainer.data.batch import Batch
from trainer.events import Events
from trainer.spikes import Rewind
from trainer.suspects import ranges

FIRST = 103
STEPS = [taken(step) for step in range(101, FIRST + 3)]
VERDICT = Rewind(FIRST, (FIRST, FIRST + 1, FIRST + 2), "3 of the last 8 steps were skipped")


@dataclass
class Loader:
    corpus: Corpus
    buckets: Sequence[str] = BUCKETS

    def batches_of(self, indices: Sequence[int]) -> list[Batch]:
        return [self.corpus.batch([index]) for index in indices]


@dataclass
class Run:
    """What explain is given, with a real replay."""

    corpus: Corpus
    store: MemoryObjects = field(default_factory=MemoryObjects)
    said: list[str] = field(default_factory=list)
    prove: bool = True

    def explain(self, state: poison.State) -> list[tuple[int, int]]:
        replay = Replay(state, self.corpus)
        replayer: Any = SimpleNamespace(
            loader=Loader(self.corpus),
            learned=state,
            found=SimpleNamespace(step=state.step),
            place=SimpleNamespace(leads=True),
        )
        config: Any = SimpleNamespace(run="first", stability=replace(StabilityConfig(), prove=self.prove))
        told = Events(self.store, "first")
        found = suspects.explain(
            VERDICT,
            STEPS,  # type: ignore[arg-type]
            _Callable(replay, replayer),  # type: ignore[arg-type]
            config,
            SimpleNamespace(gather=lambda mine: [mine]),  # type: ignore[arg-type]
            store=self.store,
            events=told,
            say=self.said.append,
        )
        assert told.close()
        return found

    def events(self) -> dict[str, TrainEvent]:
        return {event.kind: event for event in events.read(self.store, "first")}

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.store.objects[f"train/first/spikes/step-{FIRST + 2:09d}.json"]
        )
        return found


class _Callable:
    def __init__(self, replay: Replay, rest: Any) -> None:
        self.replay, self.rest = replay, rest

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self.replay(*arguments, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rest, name)


@pytest.fixture(scope="module")
def state() -> poison.State:
    return poison.learnt()


def poisoned() -> Corpus:
    corpus = Corpus()
    for step in VERDICT.steps:
        corpus.spoilt |= spoil(step, "shifted", rows=[1, 4, 9, 12], numbers=[0, 2])
    return corpus


def test_proven_documents_are_quarantined_and_their_samples_passed_over(state: poison.State) -> None:
    """Prevents a spike that is explained from leaving its documents in the river, or others from going."""
    run = Run(poisoned())
    passed_over = run.explain(copy.deepcopy(state))
    samples = sorted({index for index, _ in run.corpus.spoilt})
    assert [index for start, end in passed_over for index in range(start, end)] == samples
    uids = sorted(8 * index + number for index, number in run.corpus.spoilt)
    told = run.events()
    assert list(told) == ["spike", "quarantine", "rewind"]
    assert list(told["quarantine"].documents) == uids
    assert told["quarantine"].detail == f"they explain the loss spike at step {FIRST + 2} of run first"
    assert told["rewind"].checkpoint == 100
    assert told["spike"].report in run.store.objects
    assert set(told["spike"].bucket_loss) == set(BUCKETS)

    found = run.report()
    assert (found["verdict"], found["steps"], found["checkpoint"]) == ("proven", list(VERDICT.steps), 100)
    assert sorted(document["uid"] for document in found["documents"]) == [f"{uid:016x}" for uid in uids]
    first = found["documents"][0]
    row = run.corpus.sample(first["sample"])
    here = row[1] == int(first["uid"], 16) % 8
    assert first["tokens"] == row[0][here].tolist()
    assert first["loss"] > first["usual_loss"] + 1
    assert found["passed_over"] == samples
    assert [point["skipped"] for point in found["with_all"]] == [False, False, True, True, True]
    assert max(point["loss"] for point in found["without"]) < found["threshold"]["loss"]
    assert run.store.objects[f"train/first/spikes/step-{FIRST + 2:09d}.png"].startswith(b"\x89PNG")
    assert report.spikes(run.store, "first") == [FIRST + 2]
    assert run.said == [found["told"]]
    assert f"{len(uids)} documents of part-2" in run.said[0]


@pytest.mark.parametrize("prove", [True, False])
def test_what_is_not_proven_takes_the_batches_and_no_document(state: poison.State, prove: bool) -> None:
    """Prevents documents from being quarantined for a fault that has passed, or without a proof."""
    run = Run(Corpus() if prove else poisoned(), prove=prove)
    assert run.explain(copy.deepcopy(state)) == [(taken(FIRST).indices[0], taken(FIRST + 2).indices[-1] + 1)]
    assert list(run.events()) == ["spike", "rewind"]
    found = run.report()
    assert (found["verdict"], found["documents"]) == ("passing" if prove else "unexplained", [])


def test_a_report_that_cannot_be_written_stops_nothing() -> None:
    """Prevents a full disk from ending the run at the moment that it saves itself."""
    run = Run(Corpus())
    broken = MemoryObjects()
    broken.away = OSError(28, "No space left on device")
    about = report.Spike("first", 9, VERDICT, 0, (4.0, 1.0), suspects.Finding("unexplained"), [1])
    report.write(broken, about, [], run.said.append)
    assert run.said == [
        "the report train/first/spikes/step-000000009.json could not be written whole: "
        "[Errno 28] No space left on device"
    ]


def test_numbers_become_ranges() -> None:
    assert ranges([]) == []
    assert ranges([3, 4, 5, 9, 11, 12]) == [(3, 6), (9, 10), (11, 13)]
