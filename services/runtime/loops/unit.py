"""The loop of a unit service: consume, judge, produce, commit.

    gather batch n+1        while the worker process judges batch n, and n-1 is being committed
    take n's outcomes       and give the worker n+1
    commit n                once n-1 is: outputs, rejections, dead letters and offsets in one transaction
A failure anywhere throws away what is in hand and goes back to the committed offsets.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.errors import KafkaError

from services.runtime import metrics
from services.runtime.clients.broker import Broker, Consumer, KafkaBroker
from services.runtime.clients.log import Log
from services.runtime.contracts.unit import Unit
from services.runtime.errors import DependencyDown, Outdated
from services.runtime.logs import log
from services.runtime.loops.backlog import Backlog
from services.runtime.loops.counts import count_batch
from services.runtime.loops.deadletter import FloodGuard
from services.runtime.loops.intake import Intake
from services.runtime.loops.offsets import Offsets, by_topic_id
from services.runtime.loops.tally import tally
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.loops.unit_messages import produced, told
from services.runtime.loops.watch import Watch
from services.runtime.process.frames import Item, Outcome, Place
from services.runtime.process.gate import pass_gate
from services.runtime.process.gauges import watch_gauges
from services.runtime.process.lifecycle import Process
from services.runtime.process.sandbox import Sandbox, Stopped
from services.runtime.settings import Settings
from services.runtime.topology import Chain, Topology

# Documents in a batch of units that take one at a time: at first, and in a second later on.
_SLOW_BATCH, _SLOW_BATCH_S = 32, 1.0


@dataclass(frozen=True, slots=True)
class _InHand:
    """A batch that the worker has and Kafka does not know of yet. offsets: where the group is then."""

    items: Sequence[Item]
    offsets: Mapping[TopicPartition, int]
    since: float


@dataclass(frozen=True, slots=True)
class _Commit:
    """A batch on its way into Kafka. done: set, or raises, when the transaction has ended."""

    batch: _InHand
    outcomes: Sequence[Outcome]
    outputs: Sequence[Produce]
    done: Future[None]


class UnitLoop:
    """One consumer, one producer, one worker process."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        chain: Chain,
        instance: str,
        *,
        agreed: Callable[[Log], Sequence[int]] = lambda _: (),
        watch: Watch | None = None,
        broker: Broker | None = None,
        sandbox: Callable[..., Sandbox] = Sandbox,
        process: Process | None = None,
    ) -> None:
        self._settings = settings
        self._broker = broker or KafkaBroker(settings)
        self._chain = chain
        self._instance = instance
        self._process = process or Process(settings, chain.name)
        self._flood = FloodGuard(settings.dead_letter_limit, settings.dead_letter_window)
        self._transactions = Transactions(settings, chain.name, f"{chain.name}-{instance}", self._broker)
        self._offsets = Offsets(chain.name)
        self._topic_ids: Mapping[str, str] = {}
        self._agreed = agreed
        self._watch = watch
        self._spread = {name: [settings.lanes] for name, t in topology.topics().items() if t.by == "lanes"}
        whole = process is None  # and not a part that works off what waits inside of another chain
        self._backlog = Backlog(chain if whole else Chain(chain.services[:1]), self._broker, self._part)
        self._topology = topology
        units = [s.definition for s in chain.services]
        slice_size = min(u.slice_size for u in units if isinstance(u, Unit))
        self._positioned = any(isinstance(u, Unit) and u.positioned for u in units)
        self._one_by_one = slice_size == 1
        self._max_documents = min(settings.batch.max_documents, _SLOW_BATCH if self._one_by_one else 1 << 30)
        self._sandbox = sandbox(
            [s.name for s in chain.services],
            topology.buckets,
            slice_size=slice_size,
            slice_bytes=settings.batch.max_slice_bytes,
            time_limit_s=settings.time_limit_s,
            on_tick=self._tick,
            standing=self._standing if self._positioned else None,
        )
        self._intake: Intake | None = None
        self._log: Log | None = None  # from the start on, until the first partitions are taken up
        self._in_hand: _InHand | None = None
        # A commit mostly waits for the broker: the next batch is read meanwhile.
        self._committer = ThreadPoolExecutor(1, "commit")
        self._commit: _Commit | None = None
        self._news: dict[TopicPartition, int] = {}

    def run(self) -> None:
        """Until SIGTERM. Raises ConfigurationError, DeadLetterFlood, Fenced, Outdated."""
        self._sandbox.prefork()
        self._process.start()
        units = (service.definition for service in self._chain.services)
        gauges = watch_gauges(self._settings, (unit for unit in units if isinstance(unit, Unit)))
        try:
            while not self._process.stopping:
                try:
                    self.round()
                except Stopped as error:
                    log.info(str(error))
                    break
                except Outdated:
                    self._finish_quietly()
                    raise
            self._finish_quietly()
        finally:
            gauges.set()
            self._end()

    def round(self) -> None:
        """Gather, judge and commit what there is; after a failure, go back.

        Raises Stopped, Outdated, and as run.
        """
        try:
            self._once()
            self._backlog.round(self.idle, self._intake.consumer if self._intake is not None else None)
        except (Aborted, DependencyDown, KafkaError) as error:
            self._process.failed(error)
            self._start_over()

    @property
    def idle(self) -> bool:
        """Nothing is in hand."""
        return self._in_hand is None and self._commit is None

    def close(self) -> None:
        """Finish what is in hand, and let go."""
        try:
            self._finish_quietly()
        finally:
            self._end()

    def _end(self) -> None:
        # What is in hand comes after a batch that failed: closing must not commit it.
        self._abandon()
        self._backlog.close()
        self._forget_log()
        self._sandbox.stop()
        self._committer.shutdown()
        self._transactions.reset()
        if self._intake is not None:
            self._intake.close()

    def _part(self, chain: Chain) -> UnitLoop:
        log.info("documents wait between units that now run joined", before=chain.name)
        return UnitLoop(
            self._settings,
            self._topology,
            chain,
            self._instance,
            agreed=self._agreed,
            broker=self._broker,
            process=self._process,
        )

    def _once(self) -> None:
        intake = self._intake or self._open()
        if self._watch is not None:
            self._watch.look(intake.consumer)
        gathered = intake.gather(self._max_documents, self._hurry, busy=self._in_hand is not None)
        offsets = intake.reached(gathered)
        # Before what is in hand, which may fail again and again: a group that is stuck must be seen to be.
        metrics.LAG.labels(self._chain.name).set(intake.lag())
        done, outcomes = self._in_hand, self._collect()
        if done is not None and self._one_by_one:
            self._pace(len(done.items), time.monotonic() - done.since)
        if gathered:
            self._sandbox.submit(gathered, self._take_news(intake))
            self._in_hand = _InHand(gathered, offsets, time.monotonic())
        self._settle()
        if done is not None:
            self._begin_commit(done, outcomes)
        if self._in_hand is None:
            self._settle()
            self._tell()
            self._pass()
            self._process.worked()  # what had failed would have come again

    def _open(self) -> Intake:
        self._log = self._log or self._broker.log()
        pass_gate()
        self._intake = intake = Intake(
            self._settings,
            self._broker,
            self._chain.name,
            self._chain.input,
            self._instance,
            longest_batch_s=self._settings.time_limit_s * min(self._max_documents, _SLOW_BATCH) + 120,
            take_up=self._take_up,
            before_revoke=self._finish,
            lost=self._abandon,
        )
        self._process.wake = intake.consumer.wake
        try:
            if self._watch is not None:
                self._watch.begin(intake.consumer)
            if ever := self._agreed(self._log):
                self._spread = {name: list(ever) for name in self._spread}
            self._topic_ids = self._sandbox.topic_ids = intake.consumer.topic_ids()
            self._transactions.open()
            self._sandbox.start()  # before the group gives this member partitions that would wait
        except BaseException:
            self._intake = None
            intake.close()
            raise
        return intake

    def _take_up(
        self, consumer: Consumer, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        self._settle()  # the producer is then free
        self._sandbox.assigned()
        logs, self._log = self._log or self._broker.log(), None
        with logs:
            return self._offsets.take_up(consumer, partitions, self._transactions, logs)

    def _standing(self) -> dict[Place, int]:
        """What the group has committed, of all partitions of the input."""
        assert self._intake is not None
        consumer, topic = self._intake.consumer, self._chain.input
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        return by_topic_id(consumer.committed_offsets(partitions), self._topic_ids)

    def _hurry(self) -> bool:
        """Asked while the next batch is gathered: the worker is idle, or it is time to go."""
        if self._intake is not None and self._intake.consumer.assignment():
            self._process.health.ready("partitions")
        self._process.health.moved()
        return self._process.stopping or (self._in_hand is not None and self._sandbox.answered())

    def _collect(self) -> list[Outcome]:
        if self._in_hand is None:
            return []
        done, self._in_hand = self._in_hand, None
        outcomes = self._sandbox.collect()
        if self._positioned:  # before Kafka knows it: units never know less than is committed
            self._sandbox.reach(by_topic_id(done.offsets, self._topic_ids))
        return outcomes

    def _pace(self, num_documents: int, seconds: float) -> None:
        """Size the next batch to about what is done in _SLOW_BATCH_S: commits neither rare nor costly."""
        fitting = int(num_documents * _SLOW_BATCH_S / seconds)
        self._max_documents = min(max(fitting, _SLOW_BATCH), self._settings.batch.max_documents)

    def _begin_commit(self, done: _InHand, outcomes: list[Outcome]) -> None:
        assert self._intake is not None
        self._flood.check(outcomes)
        topic_id = self._topic_ids.get(self._chain.input, "")
        for topic in {b.topic for o in outcomes for b in o.also} & self._spread.keys():
            if (now := self._transactions.partitions(topic)) not in self._spread[topic]:
                self._spread[topic].append(now)  # the river has got more lanes since
        outputs = produced(done.items, outcomes, topic_id, self._spread)
        outputs += tally(told(done.items, outcomes))
        member = self._intake.consumer.group_metadata()  # as it is now: who loses partitions later is refused
        ended = self._committer.submit(self._transactions.commit, outputs, done.offsets, member)
        self._commit = _Commit(done, outcomes, outputs, ended)

    def _settle(self) -> None:
        """Wait for the commit under way, if any. Raises what it raised."""
        commit, self._commit = self._commit, None
        if commit is None:
            return
        commit.done.result()
        self._flood.passed(commit.outcomes)
        if self._positioned:
            self._news |= commit.batch.offsets
        if self._intake is not None:
            self._intake.committed(commit.batch.offsets)
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
            self._pass()
        except (Stopped, Aborted, DependencyDown, KafkaError) as error:
            log.info("left in the middle of a batch; it will be done again", error=str(error))

    def _tell(self) -> None:
        """The last commit, which no batch follows, to units that keep state outside Kafka.

        Else a person who sets the group back to an earlier offset would have its end done twice.
        """
        if self._news:
            self._sandbox.tell(by_topic_id(self._news, self._topic_ids))
            self._news = {}

    def _pass(self) -> None:
        """Commit the position where it is past the last commit: markers of transactions take offsets, too.

        Units that keep state outside Kafka hear of it first: Kafka never says more than they know.
        """
        passed = self._intake.passed() if self._intake is not None else {}
        if not passed:
            return
        assert self._intake is not None
        if self._positioned:
            self._sandbox.reach(by_topic_id(passed, self._topic_ids))
            self._sandbox.tell(by_topic_id(passed, self._topic_ids))
        try:
            self._intake.consumer.commit_offsets(passed)
        except KafkaError as error:  # in a rebalance, say: the next owner will
            log.info("position not committed", error=repr(error))
            return
        self._intake.committed(passed)

    def _abandon(self) -> None:
        """Another member has the partitions: what is in hand is his to do."""
        if self._in_hand is not None:
            self._in_hand = None
            self._sandbox.stop()

    def _forget_log(self) -> None:
        if self._log is not None:
            self._log.__exit__()
            self._log = None

    def _start_over(self) -> None:
        self._abandon()
        self._forget_log()
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
        except (Aborted, DependencyDown, KafkaError, AssertionError) as error:
            log.warning("new consumer", error=repr(error))
            self._intake.close()
            self._intake = None

    def _take_news(self, intake: Intake) -> dict[Place, int]:
        """Committed offsets for the units that keep state outside Kafka."""
        if not self._positioned:
            return {}
        news, self._news = self._news | intake.new_committed(), {}
        return by_topic_id(news, self._topic_ids)

    def _tick(self) -> None:
        self._process.health.moved()
        if self._process.must_give_up():
            raise Stopped("stopped in the middle of a batch; it will be done again")

    def _account(self, commit: _Commit) -> None:
        assert self._intake is not None
        batch, name, lag = commit.batch, self._chain.name, self._intake.lag()
        metrics.IN_FLIGHT.labels(name).set(len(self._in_hand.items) if self._in_hand else 0)
        metrics.LAG.labels(name).set(lag)
        seconds = time.monotonic() - batch.since
        count_batch(name, batch.items, commit.outcomes, commit.outputs, seconds)
        summary = Counter(o.outcome for o in commit.outcomes)
        log.info("batch", documents=len(batch.items), seconds=round(seconds, 3), lag=lag, **summary)
