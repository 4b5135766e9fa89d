"""What a door is given: the way into the river, a look at it, and what every service process has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from contracts import Document, IngestProgress
from services.runtime import metrics
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.contracts.door import Door
from services.runtime.contracts.source import Read, Unreadable
from services.runtime.contracts.unit import configure
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.loops.publisher import PATIENCE_S, Publisher
from services.runtime.process.lifecycle import WAITING, Process
from services.runtime.process.reader import SourceReader
from services.runtime.process.reader_frames import Step
from services.runtime.process.recorded import Recorded
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topology import Service, Topology

Place = tuple[str, int]  # topic and partition


class Keeper:
    """The runtime's side of one door. Its methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        service: Service,
        instance: str,
        *,
        agreed: Callable[[Log], object] = lambda _: (),
    ) -> None:
        assert isinstance(service.definition, Door)
        self._agreed = agreed
        self.settings = settings
        self.instance = instance
        self.resources = Resources(settings)
        self._topology = topology
        self._service = service
        self._door = service.definition
        self._process = Process(settings, service.name)

    def run(self) -> None:
        """Until SIGTERM. Raises ConfigurationError, Fenced, what the door raises."""
        values = self.settings.units.get(self._door.name, {})
        config = configure(self._door.name, self._door.config, values)
        self._process.start()
        try:
            if self._agree():
                self._process.health.ready("partitions")  # it has none
                self._door.serve(config, self)
        finally:
            self.resources.close()

    def _agree(self) -> bool:
        """Wait for Kafka, and compare what all must have alike. False: stop. Raises ConfigurationError."""
        while not self.stopping:
            try:
                with Log(self.settings) as said:
                    self._agreed(said)
                self._process.worked()
                return True
            except DependencyDown as error:
                self._process.failed(error)
        return False

    @property
    def stopping(self) -> bool:
        """SIGTERM or SIGINT came: finish or give back, then leave."""
        return self._process.stopping

    def moved(self) -> None:
        """The loop has come round."""
        self._process.health.moved()

    def well(self, what: str) -> None:
        """A server answers again."""
        self._process.health.ready(what)

    def all_well(self) -> None:
        """Everything answers; who finds otherwise says so again."""
        for what in self._process.health.unready_reasons():
            self.well(what)

    def say(self, event: str, **values: object) -> None:
        """A line in the log."""
        log.info(event, **values)

    def unwell(self, what: str, why: object) -> None:
        """A server does not answer: the pod is sent nobody meanwhile."""
        self._process.health.unready(what, str(why))
        metrics.DEPENDENCY_FAILURES.labels(self._service.name, what.partition(" ")[0].lower()).inc()
        log.warning(WAITING, error=str(why))

    def count(self, name: str, *labels: str, number: float = 1) -> None:
        """Add to one of metrics.COUNTED. Raises KeyError."""
        metrics.COUNTED[name].labels(self._service.name, *labels).inc(number)

    def gauge(self, name: str, value: float) -> None:
        """Set one of metrics.GAUGES. Raises KeyError."""
        metrics.GAUGES[name].labels(self._service.name).set(value)

    def publisher(self, name: str = "0", *, patience_s: float = PATIENCE_S) -> Publisher:
        """A way into the river of its own; name: tells those of one process apart."""
        instance = f"{self.instance}-{name}"
        return Publisher(self.settings, self._service.name, instance, patience_s=patience_s)

    def read(self, run: str, config: Any, progress: Iterable[IngestProgress]) -> Iterator[Read | None]:
        """What a Source reads, in a process of its own that may be killed; None now and then.

        run: module:attribute of the Source. progress: how far it was read before. What ends the
        process becomes an unreadable piece. Raises ConfigurationError, ReadingFailed, DeadLetterFlood,
        DependencyDown.
        """
        reader = SourceReader(Service(self._service.name, run, (), ""), config, self.settings)
        for step in reader.read(Recorded(progress)):
            yield None if step is None else _read(step)

    def ends(self, topics: Sequence[str]) -> dict[Place, int]:
        """Where what is committed ends now. Raises DependencyDown."""
        with Log(self.settings) as log:
            return log.ends(topics)

    def lag(self) -> int:
        """Messages in the door's output that its reader has not committed. Raises DependencyDown."""
        output = self._service.output
        readers = [service.name for service in self._topology.carriers if output in service.inputs]
        with Admin(self.settings) as admin, Log(self.settings) as log:
            committed = [admin.committed(name) for name in readers]
            ends, starts = log.ends([output]), log.starts([output])
        waiting = (ends[tp] - min(at.get(tp, starts[tp]) for at in committed) for tp in ends)
        return sum(waiting) if committed else 0

    def log(self) -> Log:
        """Reads topics outside of any group; a context manager, for one thread. Raises DependencyDown."""
        return Log(self.settings)


def _read(step: Step) -> Read:
    return Read(
        [Document.FromString(value) for _, value in step.documents],
        IngestProgress.FromString(step.progress),
        [Unreadable(*piece) for piece in step.unreadable],
    )
