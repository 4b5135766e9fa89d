"""The services of the river as processes on this machine: start, watch, drain, stop."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from services.ledger.account import Account, Marks, read_account
from services.local.balance import Stage
from services.local.child import Child, Program, tail
from services.local.flushes import archive_flushes, lane_flushes
from services.local.folder import require_room
from services.local.process import Supervisor
from services.local.usage import Used, by_stage
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    LaneService,
    Resources,
    Settings,
    Unit,
    agreement,
)
from services.runtime.clients.admin import Admin
from services.runtime.clients.broker import static_member
from services.runtime.clients.log import Log
from services.runtime.clients.reach import admission
from services.runtime.errors import EXIT_CONFIGURATION, EXIT_FLOOD
from services.runtime.loops.transaction import Announcer, Transactions
from services.runtime.process.gate import Gate
from services.runtime.process.lifecycle import WAITING
from services.runtime.process.sandbox import SLOW
from services.runtime.settings import PREFIX
from services.runtime.topics import ARCHIVE_FLUSH, POOL, USES_FLUSH
from services.runtime.topology import BUCKET, Service, Topology

# On one machine a fixed port of the user's would be taken by the first process.
_ONE_OF_MANY = {"CORPUSWORKS_INSTANCE": "0", "CORPUSWORKS_HTTP_PORT": "0"}
_RECENT_S = 15.0  # a process that waits says so every ten seconds at least
SAID = "corpusworks: "  # begins the one line with which a command fails
CLI = [sys.executable, "-m", "services.cli"]


class River:
    """Every process of the topology, on servers that run. A context manager; leaving it stops them.

    environment: how the processes reach the servers. folder: for their logs. command: the command line
    whose `serve` and `import` they are.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        environment: Mapping[str, str],
        settings: Settings,
        topology: Topology,
        folder: Path,
        *,
        command: Sequence[str] = CLI,
    ) -> None:
        self._supervisor = supervisor
        self._environment = environment
        self._settings = settings
        self.topology = topology
        self._folder = folder
        self._command = command
        self._children: list[Child] = []
        self._further: dict[str, list[Child]] = {}  # by stage, its processes besides the first
        self._leaving: dict[str, threading.Thread] = {}
        self._gate: Gate | None = None
        self._starting: Future[None] | None = None  # in a thread of its own
        self.reading: list[Child] = []  # what reads the paths that it began with
        self._admin = Admin(settings)
        self._log = Log(settings)
        self._flushes = Transactions(settings, "flush", "flush")
        self._announcer = Announcer(settings)
        self._ends: dict[tuple[str, int], int] | None = None  # of what the last `flush` archives beside

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._let_go()

    def _let_go(self) -> None:
        self._flushes.reset()
        self._announcer.reset()
        self._log.__exit__()
        self._admin.__exit__()

    def end(self) -> None:
        """Stop every process, and tell the servers of the folder to: nothing is asked of them any more."""
        self.stop()
        self._let_go()
        self._supervisor.tell(*self._supervisor.children.values())

    def create_topics(self, begin_by: str | None = None) -> None:
        """Before anything runs; takes over what the settings change. begin_by: see agreement.make.

        Raises ConfigurationError.
        """
        self._settings, self.topology = agreement.make_by(
            self._admin, self._log, self._flushes, self._settings, self.topology, begin_by=begin_by
        )

    def prepare(self, paths: Sequence[str]) -> None:
        """Begin to start every process, who reads the paths first; they wait for `start`. Does not wait."""
        self._gate = Gate(self._folder.parent / "gate")
        starter = ThreadPoolExecutor(1, "starts")
        self._starting = starter.submit(self._start_all, paths)
        starter.shutdown(wait=False)

    def _start_all(self, paths: Sequence[str]) -> None:
        self.reading = [self.ingest(paths)] if paths else []
        for names in self.topology.processes:
            self._start(names[0], ["serve", *names])

    def start(self) -> None:
        """Start every process of the topology, or let those go that were prepared."""
        if self._starting is None:
            self._start_all([])
        else:
            self._starting.result()
        self._open_gate()

    def _open_gate(self) -> None:
        if self._gate is not None:
            self._gate.open()

    @property
    def settings(self) -> Settings:
        """With the recipe in force, once there are topics."""
        return self._settings

    @property
    def divisible(self) -> list[str]:
        """Names of the stages that any number of processes may share, up to that of the partitions."""
        return [
            "+".join(names)
            for names in self.topology.processes
            if isinstance(self.topology.service(names[0]).definition, Unit)
        ]

    def resize(self, name: str, number: int) -> None:
        """Let a divisible stage have so many processes, one or more. Who must go ends what it has begun.

        Nothing happens while others of the stage are still going.
        """
        units = name.split("+")
        name = units[0]
        if (going := self._leaving.get(name)) is not None and going.is_alive():
            return
        further = self._further.setdefault(name, [])
        for place in range(len(further) + 1, number):
            own = {PREFIX + "INSTANCE": str(place)}
            further.append(self._start(f"{name}-{place + 1}", ["serve", *units], environment=own))
        surplus = {place: further[place - 1] for place in range(number, len(further) + 1)}
        if surplus:
            del further[number - 1 :]
            self._leaving[name] = threading.Thread(target=self._dismiss, args=(name, surplus), daemon=True)
            self._leaving[name].start()

    def _dismiss(self, name: str, surplus: Mapping[int, Child]) -> None:
        """Stop processes of a stage, and have their partitions given to the others at once."""
        self._supervisor.stop(*surplus.values())
        self._children = [child for child in self._children if child not in surplus.values()]
        topics = [self.topology.service(name).inputs[0]]
        with contextlib.suppress(DependencyDown), Admin(self._settings) as admin:  # else they are when their
            admin.dismiss(name, [static_member(str(place), topics) for place in surplus])  # session is over

    def stop(self) -> None:
        """Stop every process; the servers stay."""
        if self._starting is not None:
            wait([self._starting])
        self._supervisor.tell(*self._children)
        self._open_gate()  # behind: who comes through it is to stop
        self._supervisor.stop(*(child for child in self._children if not child.over))

    def account(self, since: Marks) -> Account:
        """Of what came in since then; no process runs any more. Raises DependencyDown."""
        store = Resources(self._settings).store
        return read_account(self._admin, self._log, store, self.topology, since, at_rest=True)

    def used(self) -> dict[str, Used]:
        """By stage, named after its first unit, the servers included."""
        return by_stage(self._supervisor.used())

    @property
    def most_bytes(self) -> int:
        """Of memory that all processes and servers held together, whenever `used` was asked."""
        return self._supervisor.most_bytes

    def ingest(self, paths: Sequence[str]) -> Child:
        """Start reading; the child is done when all is published."""
        return self._start("ingest", ["import", *paths], done=frozenset({0}))

    def open(self, door: str, environment: Mapping[str, str]) -> Child:
        """Start a door of the topology, with settings of its own."""
        return self._start(door, ["serve", door], environment=environment)

    def retain(self) -> None:
        """Start to delete what is kept long enough, unless that is still under way."""
        name = "retention"
        if all(child.over for child in self._children if child.program.name == name):
            self._children = [child for child in self._children if child.program.name != name]
            # What it could not do is done the next time, and no reason to stop the river.
            self._start(name, ["retention", "apply"], done=frozenset(range(256)))

    def marks(self) -> dict[tuple[str, int], int]:
        """The ends of all topics: a moment to count from."""
        return self._log.settled_ends(list(self.topology.topics()))

    def stages(self) -> Iterator[Stage]:
        """In the order of the river."""
        used = self.used()
        firsts = self._first_of_each()
        committed = self._admin.all_committed([service.name for service in firsts])
        inputs = {service.name: self._inputs(service) for service in firsts}
        reads = [self.topology.service(name).output for name in self.topology.services.keys() & {"ingest"}]
        ends = self._log.ends(sorted({*reads, *chain.from_iterable(inputs.values())}))
        for topic in reads:
            spent = used.get("ingest", Used())
            raw = sum(end for (name, _), end in ends.items() if name == topic)
            yield Stage("ingest", raw, 0, spent.cpu_seconds, peak_bytes=spent.peak_bytes)
        for names in self.topology.processes:
            name = names[0]
            mine = {tp: end for tp, end in ends.items() if tp[0] in inputs[name]}
            taken = sum(committed[name].get(tp, 0) for tp in mine)
            waiting, processes = sum(mine.values()) - taken, 1 + len(self._further.get(name, []))
            spent = used.get(name, Used())
            yield Stage("+".join(names), taken, waiting, spent.cpu_seconds, processes, spent.peak_bytes)

    def upstream_is_dry(self) -> bool:
        """Nothing waits before the pools."""
        # Between joined units, too: units that ran apart before may have left something there.
        services = [self.topology.service(name) for names in self.topology.processes for name in names]
        return self._are_dry([s for s in services if not isinstance(s.definition, LaneService)])

    def is_flushed(self) -> bool:
        """The last flush has gone through, and with it into parts all that the recipe asks for.

        What it does not ask for, a bucket without weight or all after the last budget, waits in its pool.
        """
        services = [s for s in self._first_of_each() if isinstance(s.definition, LaneService)]
        return self._are_dry([s for s in services if not s.watches], pools=False)

    def is_archived(self) -> bool:
        """Who only watches has seen all there is, and written it down."""
        return self._are_dry([s for s in self._first_of_each() if s.watches])

    def dry_buckets(self) -> list[str]:
        """Buckets whose pools hold nothing, while others hold something: what the mix waits for."""
        committed = self._admin.committed("mixer")
        full: dict[str, bool] = {}
        for bucket in self.topology.buckets:
            ends = self._log.ends([POOL + bucket])
            ranges = {tp: (committed.get(tp, 0), end) for tp, end in ends.items()}
            full[bucket] = next(self._log.read(ranges), None) is not None
        return [bucket for bucket in full if not full[bucket]] if any(full.values()) else []

    def flush(self, run: str) -> None:
        """Ask every lane to mix what waits and to seal, and the archive to write what came before pools."""
        self._ends = self._ends_before_pools()
        early = archive_flushes(run, self._settings, self.topology, [ARCHIVE_FLUSH])
        self._announcer.say([*lane_flushes(run, self._settings), *early])

    def flush_archive(self, run: str) -> None:
        """Ask for all that the archive holds, up to now, to be written; not again for what `flush` asked."""
        ends, self._ends = self._ends, None
        done = ends is not None and ends == self._ends_before_pools()
        topics = [USES_FLUSH] if done else [ARCHIVE_FLUSH, USES_FLUSH]
        if told := archive_flushes(run, self._settings, self.topology, topics):
            self._announcer.say(told)

    def _ends_before_pools(self) -> dict[tuple[str, int], int]:
        """Of the topics whose archive ARCHIVE_FLUSH asks for; lanes may drop something, too."""
        flushed = [service for service in self.topology.services.values() if ARCHIVE_FLUSH in service.inputs]
        return self._log.settled_ends(sorted({t for s in flushed for t in s.inputs if t != ARCHIVE_FLUSH}))

    def retire(self) -> None:
        """Tell every process that only waits for the end of the others to stop: all but those that watch."""
        watching = {service.name for service in self._first_of_each() if service.watches}
        self._supervisor.tell(*(child for child in self._children if child.program.name not in watching))

    def troubles(self) -> dict[str, str]:
        """By process, if it has just said so in its log: what it waits for (a disk with room, a server), or
        which document takes it long.
        """
        found = {}
        for child in self._children:
            log = child.program.log
            try:
                said = json.loads(tail(log, 1))
                if time.time() - log.stat().st_mtime >= _RECENT_S:
                    continue
                if said["event"] == WAITING:
                    found[child.program.name] = f"waits: {said['error']}"
                elif said["event"] == SLOW:
                    one = "" if said["documents"] == 1 else f"one of {said['documents']} documents from "
                    at = f"{one}{said['at']}"
                    found[child.program.name] = f"has been at {at} for {said['seconds']} s"
            except (OSError, ValueError, LookupError, TypeError):
                continue  # it has said something else
        return found

    def check(self) -> None:
        """Raises ProcessFailed when a process cannot be kept running.

        ConfigurationError with what it said, when a setting is why, and where the disk is full.
        """
        require_room(self._folder)
        for child in self._children:
            if child.failure and child.exits and child.exits[-1].code == EXIT_CONFIGURATION:
                said = tail(child.program.log, 1)
                if said.startswith(SAID):
                    raise ConfigurationError(f"{child.program.name}: {said.removeprefix(SAID).strip()}")
        self._supervisor.check()

    def _start(
        self,
        name: str,
        arguments: Sequence[str],
        done: frozenset[int] = frozenset(),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Child:
        told = self._gate.environment if self._gate is not None else {}
        told |= admission(self._settings.kafka)  # by which this process has made its clients
        child = self._supervisor.start(
            Program(
                name,
                [*self._command, *arguments],
                self._folder / f"{name}.log",
                environment={**self._environment, **_ONE_OF_MANY, **told, **environment},
                grace_s=self._settings.stop_grace_s,
                done=done,
                fatal=frozenset({EXIT_CONFIGURATION, EXIT_FLOOD}),
            )
        )
        self._children.append(child)
        return child

    def _first_of_each(self) -> list[Service]:
        """By process: the service that reads from Kafka."""
        return [self.topology.service(names[0]) for names in self.topology.processes]

    def _inputs(self, service: Service, pools: bool = True) -> list[str]:
        """What it has to work through."""
        topics = [topic for topic in service.inputs if pools or BUCKET not in topic]
        return [name for topic in topics for name in self.topology.expand(topic)]

    def _are_dry(self, services: Sequence[Service], pools: bool = True) -> bool:
        """None of them has anything to do.

        What all have committed is read before all ends: a document that is carried on meanwhile is missing
        from what is committed, or waits behind, and never slips past.
        """
        committed = self._admin.all_committed([service.name for service in services])
        inputs = {service.name: self._inputs(service, pools) for service in services}
        settled = self._log.settled_ends(sorted({*chain.from_iterable(inputs.values())}))
        for name, topics in inputs.items():
            ends = {tp: end for tp, end in settled.items() if tp[0] in topics}
            # What lies between may be the markers of transactions alone, which nobody consumes.
            ranges = {tp: (committed[name].get(tp, 0), end) for tp, end in ends.items()}
            if next(self._log.read(ranges), None) is not None:
                return False
        return True


def imports(topology: Topology) -> list[str]:
    """Modules that the processes of a river begin with."""
    services = [service.run.partition(":")[0] for service in topology.services.values()]
    return ["services.cli.serve", *services]


def settle(river: River, ingest: Sequence[Child], run: str, *, last: bool = False) -> Iterator[str]:
    """Wait until all that was read has found its end; yields what it waits for, several times a second.

    last: the river ends with it. Raises ProcessFailed.
    """
    while not all(child.over for child in ingest):
        river.check()
        yield "reading"
    while not river.upstream_is_dry():
        river.check()
        yield "processing"
    river.flush(run)
    while not river.is_flushed():
        river.check()
        yield "packing"
    river.flush_archive(run)
    if last:
        river.retire()
    while not river.is_archived():
        river.check()
        yield "archiving"
