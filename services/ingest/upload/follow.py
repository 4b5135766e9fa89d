"""What became of documents, from the river's own account: river.tally and docs.unique.

A tally says in the transaction in which documents ended that they did, and why, in 8 bytes each; so no text
is read, and no topic of rejections or dead letters, and no part. That a document passed dedup and waits for
the mix stands in no tally: that is read from docs.unique. One replica listens at a time; where it stands is
in Redis beside what it changed, and what is heard twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from contracts import Document, Tally
from services.ingest.upload.states import DEAD, DROPPED, IN_PART, KEPT, UNDER_WAY, Move, States
from services.runtime import Keeper, topics

TOPICS = (topics.TALLY, topics.UNIQUE)
_MOST = 2_000  # messages of a partition in a round: documents of docs.unique come whole
# A document that came twice ends as a copy of itself: it is where the other one is.
_COPIES = {"already_seen", "already_in_part"}


class Follower:
    """Moves documents to the states that the river tells of."""

    def __init__(self, states: States, keeper: Keeper, token: str) -> None:
        self._states = states
        self._keeper = keeper
        self._token = token
        self._log: Any = None

    def begin(self) -> None:
        """Before anything is taken in: listen from here on. Raises DependencyDown."""
        self._states.begin_at(self._keeper.ends(TOPICS))

    def round(self) -> int:
        """Hear what is new; how many messages that were. Raises DependencyDown."""
        if not self._states.lead("follower", self._token, 30):
            return 0
        try:
            return self._hear()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        log, self._log = self._log, None
        if log is not None:
            log.__exit__(None, None, None)

    def _hear(self) -> int:
        if self._log is None:
            self._log = self._keeper.log()
        starts, ends, places = self._log.starts(TOPICS), self._log.ends(TOPICS), self._states.places()
        # A place that retention has passed is moved on; one beyond the end is of a topic that is no more.
        at = {tp: max(places.get(tp, starts[tp]), starts[tp]) for tp in ends}
        at = {tp: offset if offset <= ends[tp] else starts[tp] for tp, offset in at.items()}
        to = {tp: min(end, at[tp] + _MOST) for tp, end in ends.items()}
        records = sorted(self._log.read({tp: (at[tp], to[tp]) for tp in to}), key=lambda r: r.timestamp)
        self._states.move(moves(records))
        self._states.heard({tp: end for tp, end in to.items() if end != places.get(tp)})
        return len(records)


def moves(records: Iterable[Any]) -> Iterator[Move]:
    """What records of both topics say, in their order."""
    for record in records:
        if record.value is None:
            continue
        if record.topic == topics.UNIQUE:
            yield Move(f"{Document.FromString(record.value).uid:016x}", KEPT)
        else:
            yield from (move for entry in Tally.FromString(record.value).entries for move in _told(entry))


def _told(entry: Tally.Entry) -> Iterator[Move]:
    if entry.reason in _COPIES:
        return
    state = {
        Tally.DROPPED: DROPPED,
        Tally.DEAD: DEAD,
        Tally.PART: IN_PART,
        Tally.REVIVED: UNDER_WAY,
    }.get(entry.outcome)
    if state is not None:
        for uid in entry.uids:
            yield Move(f"{uid:016x}", state, entry.unit, entry.reason)
