"""The loop of a unit service: consume, judge, produce, commit.

    gather batch n+1        while the worker process judges batch n, and n-1 is being committed
    take n's outcomes       and give the worker n+1
    commit n                once n-1 is: outputs, rejections, dead letters and offsets in one transaction
A failure anywhere throws away what is in hand and goes back to the committed offsets.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.errors import KafkaError

from services.runtime import metrics
from services.runtime.contracts.unit import Unit
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.loops.deadletter import FloodGuard, dead_letter
from services.runtime.loops.intake import Intake
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.process.frames import Item, Outcome
from services.runtime.process.lifecycle import Process
from services.runtime.process.sandbox import Sandbox, Stopped
from services.runtime.settings import Settings
from services.runtime.topology import Chain, Topology

# Documents in a batch of units that take one at a time: at first, and in a second later on.
_SLOW_BATCH, _SLOW_BATCH_S = 32, 1.0


@dataclass(frozen=True, slots=True)
class _InHand:
    """A batch that the worker has and Kafka does not know of yet."""

    items: Sequence[Item]
    since: float


@dataclass(frozen=True, slots=True)
class _Commit:
    """A batch on its way into Kafka. done: set, or raises, when the transaction has ended."""

    batch: _InHand
    outcomes: Sequence[Outcome]
    outputs: Sequence[Produce]
    offsets: Mapping[TopicPartition, int]
    done: Future[None]


class UnitLoop:
    """One consumer, one producer, one worker process."""

    def __init__(self, settings: Settings, topology: Topology, chain: Chain, instance: str) -> None:
        self._settings = settings
        self._chain = chain
        self._instance = instance
        self._process = Process(settings, chain.name)
        self._flood = FloodGuard(settings.dead_letter_limit, settings.dead_letter_window)
        self._transactions = Transactions(settings, chain.name, f"{chain.name}-{instance}")
        units = [s.definition for s in chain.services]
        slice_size = min(u.slice_size for u in units if isinstance(u, Unit))
        self._positioned = any(isinstance(u, Unit) and u.positioned for u in units)
        self._one_by_one = slice_size == 1
        self._max_documents = min(settings.batch.max_documents, _SLOW_BATCH if self._one_by_one else 1 << 30)
        self._sandbox = Sandbox(
            [s.name for s in chain.services],
            topology.buckets,
            slice_size=slice_size,
            time_limit_s=settings.time_limit_s,
            on_tick=self._tick,
        )
        self._intake: Intake | None = None
        self._in_hand: _InHand | None = None
        # A commit mostly waits for the broker: the next batch is read meanwhile.
        self._committer = ThreadPoolExecutor(1, "commit")
        self._commit: _Commit | None = None
        self._news: dict[tuple[str, int], int] = {}

    def run(self) -> None:
        """Until SIGTERM. Raises ConfigurationError, DeadLetterFlood, Fenced."""
        self._process.start()
        try:
            while not self._process.stopping:
                try:
                    self._once()
                except Stopped:
                    break
                except (Aborted, DependencyDown, KafkaError) as error:
                    self._process.failed(error)
                    self._start_over()
            self._finish_quietly()
        finally:
            # What is in hand comes after a batch that failed: closing must not commit it.
            self._abandon()
            self._sandbox.stop()
            self._committer.shutdown()
            self._transactions.reset()
            if self._intake is not None:
                self._intake.close()

    def _once(self) -> None:
        intake = self._intake or self._open()
        gathered = intake.gather(self._max_documents, self._hurry, busy=self._in_hand is not None)
        done, outcomes = self._in_hand, self._collect()
        if done is not None and self._one_by_one:
            self._pace(len(done.items), time.monotonic() - done.since)
        if gathered:
            self._sandbox.submit(gathered, self._take_news(intake))
            self._in_hand = _InHand(gathered, time.monotonic())
        self._settle()
        if done is not None:
            self._begin_commit(done, outcomes)
        if self._in_hand is None:
            self._settle()
            self._tell()
            self._process.worked()  # what had failed would have come again

    def _open(self) -> Intake:
        self._sandbox.start()  # before the group gives this member partitions that would wait
        self._transactions.open()
        self._intake = Intake(
            self._settings,
            self._chain.name,
            self._chain.input,
            self._instance,
            longest_batch_s=self._settings.time_limit_s * min(self._max_documents, _SLOW_BATCH) + 120,
            before_revoke=self._finish,
            lost=self._abandon,
        )
        return self._intake

    def _hurry(self) -> bool:
        """Asked while the next batch is gathered: the worker is idle, or it is time to go."""
        if self._intake is not None and self._intake.consumer.assignment():
            self._process.health.ready("partitions")
        self._process.health.moved()
        return self._process.stopping or (self._in_hand is not None and self._sandbox.answered())

    def _collect(self) -> list[Outcome]:
        if self._in_hand is None:
            return []
        self._in_hand = None
        return self._sandbox.collect()

    def _pace(self, num_documents: int, seconds: float) -> None:
        """Size the next batch to about what is done in _SLOW_BATCH_S: commits neither rare nor costly."""
        fitting = int(num_documents * _SLOW_BATCH_S / seconds)
        self._max_documents = min(max(fitting, _SLOW_BATCH), self._settings.batch.max_documents)

    def _begin_commit(self, done: _InHand, outcomes: list[Outcome]) -> None:
        assert self._intake is not None
        self._flood.check(outcomes)
        offsets = {TopicPartition(item.topic, item.partition): item.offset + 1 for item in done.items}
        outputs = produced(done.items, outcomes)
        member = self._intake.consumer.group_metadata()  # as it is now: who loses partitions later is refused
        ended = self._committer.submit(self._transactions.commit, outputs, offsets, member)
        self._commit = _Commit(done, outcomes, outputs, offsets, ended)

    def _settle(self) -> None:
        """Wait for the commit under way, if any. Raises what it raised."""
        commit, self._commit = self._commit, None
        if commit is None:
            return
        commit.done.result()
        self._flood.passed(commit.outcomes)
        if self._positioned:
            self._news |= {tuple(tp): offset for tp, offset in commit.offsets.items()}
        self._account(commit)
        self._process.worked()

    def _finish(self) -> None:
        """Commit what is in hand, before partitions go or the process does."""
        self._settle()
        done = self._in_hand
        if done is not None:
            self._begin_commit(done, self._collect())
            self._settle()

    def _finish_quietly(self) -> None:
        try:
            self._finish()
            self._tell()
        except (Stopped, Aborted, DependencyDown, KafkaError) as error:
            log.info("left in the middle of a batch; it will be done again", error=str(error))

    def _tell(self) -> None:
        """The last commit, which no batch follows, to units that keep state outside Kafka.

        Else a person who sets the group back to an earlier offset would have its end done twice.
        """
        if self._news:
            self._sandbox.tell(self._news)
            self._news = {}

    def _abandon(self) -> None:
        """Another member has the partitions: what is in hand is his to do."""
        if self._in_hand is not None:
            self._in_hand = None
            self._sandbox.stop()

    def _start_over(self) -> None:
        self._abandon()
        if self._one_by_one:  # perhaps the batch took so long that the group went on without this member
            self._max_documents = min(self._settings.batch.max_documents, _SLOW_BATCH)
        try:
            self._settle()
        except Aborted as error:
            log.warning("the batch before failed, too", error=str(error))
        self._transactions.reset()
        if self._intake is None:
            return
        try:
            self._intake.rewind()
        except (KafkaError, AssertionError) as error:
            log.warning("new consumer", error=repr(error))
            self._intake.close()
            self._intake = None

    def _take_news(self, intake: Intake) -> dict[tuple[str, int], int]:
        """Committed offsets for the units that keep state outside Kafka."""
        if not self._positioned:
            return {}
        news, self._news = self._news | intake.new_committed(), {}
        return news

    def _tick(self) -> None:
        self._process.health.moved()
        if self._process.must_give_up():
            raise Stopped("stopped in the middle of a batch; it will be done again")

    def _account(self, commit: _Commit) -> None:
        assert self._intake is not None
        items, outputs, outcomes = commit.batch.items, commit.outputs, commit.outcomes
        name, seconds = self._chain.name, time.monotonic() - commit.batch.since
        for (unit, outcome, reason), number in Counter(
            (o.unit, o.outcome, o.reason) for o in outcomes
        ).items():
            metrics.DOCUMENTS.labels(name, unit, outcome, reason).inc(number)
        for observed, value in (each for o in outcomes for each in o.observed):
            metrics.OBSERVED[observed].labels(name).observe(value)
        metrics.BYTES.labels(name, "in").inc(sum(len(i.value) for i in items))
        metrics.BYTES.labels(name, "out").inc(sum(len(o.value or b"") for o in outputs))
        metrics.BATCH_SECONDS.labels(name).observe(seconds)
        metrics.IN_FLIGHT.labels(name).set(len(self._in_hand.items) if self._in_hand else 0)
        lag = self._intake.lag()
        metrics.LAG.labels(name).set(lag)
        summary = Counter(o.outcome for o in outcomes)
        log.info("batch", documents=len(items), seconds=round(seconds, 3), lag=lag, **summary)


def produced(items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Produce]:
    """The messages of a batch, in the order of its documents."""
    outputs: list[Produce] = []
    for item, outcome in zip(items, outcomes, strict=True):
        if outcome.outcome == "dead":
            outputs.append(dead_letter(item, outcome))
        else:
            outputs.append(Produce(outcome.topic, outcome.value, spread=outcome.uid))
        outputs += [Produce(b.topic, b.value, key=b.key, spread=b.spread) for b in outcome.also]
    return outputs
