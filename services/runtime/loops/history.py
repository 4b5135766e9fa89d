"""What a lane reads beside its inputs: its logs when it is taken up, and stretches of inputs again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from services.runtime.clients.broker import Broker
from services.runtime.clients.log import Log
from services.runtime.contracts.lane import LaneService, LaneTask, Message, RereadingTask

_SIGN_OF_LIFE = 5000  # messages


class History:
    """Of one lane service. read: makes a message of a record. moved: called now and then meanwhile."""

    def __init__(
        self,
        service: LaneService,
        broker: Broker,
        read: Callable[[Any], Message],
        moved: Callable[[], None],
    ) -> None:
        self._service = service
        self._broker = broker
        self._read = read
        self._moved = moved
        self._log: Log | None = None  # open while stretches are read again

    def of(self, lane: int, committed: Mapping[str, int], log: Log) -> list[Message]:
        """The last message of each tail, then the logs from where the service needs them.

        A log that is also an input ends at its committed offset. Raises DependencyDown.
        """
        service = self._service
        last = (log.last(topic, lane) for topic in service.tails)
        found = [self._read(record) for record in last if record is not None]
        since, starts = service.since(found), log.starts(service.logs)
        ends = {tp: end for tp, end in log.settled_ends(service.logs).items() if tp[1] == lane}
        ranges = {
            (t, p): (max(starts[t, p], since.get(t, 0)), committed.get(t, end))
            for (t, p), end in ends.items()
        }
        return found + list(self._alive(log.read(ranges)))

    def again(self, lane: int, task: LaneTask) -> bool:
        """Give a task the stretches that it wants again; whether there were any. Raises DependencyDown."""
        if not _rereads(type(task)):
            return False
        rereading = cast(RereadingTask, task)
        if not (wanted := rereading.wanted_again()):
            return False
        self._log = self._log or self._broker.log()
        for topic, (start, stop) in wanted.items():
            found = [self._read(record) for record in self._log.read({(topic, lane): (start, stop)})]
            rereading.feed_again(topic, found, stop)
        return True

    def close(self) -> None:
        """Let go of the connection."""
        if self._log is not None:
            self._log.__exit__()
            self._log = None

    def _alive(self, records: Iterator[Any]) -> Iterator[Message]:
        for number, record in enumerate(records):
            if number % _SIGN_OF_LIFE == 0:
                self._moved()
            yield self._read(record)


@cache
def _rereads(kind: type[LaneTask]) -> bool:
    """Asked for each lane in each round, and a protocol takes long to answer."""
    return issubclass(kind, RereadingTask)
