"""What a source's process knows of what was read: by itself and, where the list is shared, by others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import IngestProgress
from services.runtime.clients.broker import Broker
from services.runtime.clients.log import Log
from services.runtime.contracts.source import IMPORT, Taken
from services.runtime.loops.leases import Leases
from services.runtime.process.reader_frames import Step
from services.runtime.process.recorded import Recorded
from services.runtime.topics import PROGRESS


class Sharing:
    """recorded: from the log, read once and then on from where it was. leases: None where nobody shares.

    fence: see Leases.
    """

    def __init__(self, broker: Broker, leases: Leases | None, fence: Callable[[str], None]) -> None:
        self._broker = broker
        self._leases = leases
        self._fence = fence
        self.began = IngestProgress()  # the import that the log knows
        self.recorded = Recorded()
        self.num_known = 0  # sources that were asked for and are done with
        self._ends: dict[tuple[str, int], int] = {}
        # Read here: `recorded` knows more of them than the log, until that says they are complete.
        self._own: set[str] = set()

    def read(self, log: Log) -> None:
        """Take note of what has been committed by now."""
        ends = log.settled_ends([PROGRESS])
        starts = log.starts([PROGRESS]) if not self._ends else self._ends
        for record in log.read({place: (starts.get(place, 0), end) for place, end in ends.items()}):
            if record.value is None:
                continue
            said = IngestProgress.FromString(record.value)
            if said.source == IMPORT:
                self.began = said
            elif said.source in self._own:
                self._own -= {said.source} if said.complete else set()
            else:
                self.recorded.note(said)
        self._ends = ends

    def begin(self, mine_ms: int) -> int:
        """When this import began."""
        going_on = bool(self.began.began_ms) and not self.began.complete
        if self._leases is None:
            return self.began.began_ms if going_on else mine_ms
        if going_on:
            self._leases.resume(self.began.began_ms)
            return self.began.began_ms
        return self._leases.begin(mine_ms, self.began.began_ms)

    def take(self, sources: Sequence[IngestProgress]) -> Taken:
        """See Known. Raises DependencyDown, Fenced, KafkaError."""
        wanted = self.recorded.take(sources)
        self.num_known += len(sources) - len(wanted.mine)
        if self._leases is None or not wanted.mine:
            return wanted
        self._leases.given_up(self.recorded.passed)
        asked = self._leases.take([each.source for each in wanted.mine], self._fence)
        if asked.mine:
            with self._broker.log() as log:
                self.read(log)  # what former owners committed before the leases were ours
        mine = set(asked.mine)
        found = self.recorded.take([each for each in sources if each.source in mine])
        taken = {each.source for each in found.mine}
        self._leases.finished(sorted(mine - taken))
        self._own |= taken
        return Taken(found.mine, asked.others)

    def before_commit(self, steps: Sequence[Step]) -> None:
        """Raises DependencyDown where another may read what these steps are of."""
        if self._leases is not None and steps:
            self._leases.hold(sorted({IngestProgress.FromString(step.progress).source for step in steps}))

    def committed(self, steps: Sequence[Step]) -> None:
        """Leave what is complete."""
        if self._leases is not None:
            said = [IngestProgress.FromString(step.progress) for step in steps]
            self._leases.finished(sorted({each.source for each in said if each.complete}))

    def wait(self) -> None:
        """Now and then."""
        if self._leases is not None:
            self._leases.renew()

    def close(self, *, finished: bool) -> None:
        """Leave everything. finished: what is left could not be read."""
        if self._leases is not None:
            if finished:
                self._leases.given_up()
            self._leases.close()
