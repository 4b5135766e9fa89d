"""What the trainer says, read from the store: train/RUN/events, immutable segments of JSON lines.

A segment is named by the number of its first event, numbers have no gap, and so the next one's name is known.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from google.protobuf.json_format import Parse, ParseError

from contracts import TrainEvent
from services.runtime import CorpusworksError, ObjectStore

GOES_ON = (
    "starved",
    "stopped",
)  # an `end` for which the run is not over: it waits for parts, or was suspended


@dataclass(frozen=True)
class Course:
    """How far a run has come, by its events up to number `next`.

    step, loss, tokens: of the newest `step`. parts: those that it read. ended: its last word was that it is
    over, and how. topic: the Kafka id of train.events, up to `next` of which was forwarded.
    """

    next: int = 0
    step: int = 0
    tokens: int = 0
    loss: float | None = None
    parts: tuple[str, ...] = field(default=())
    ended: str = ""
    topic: str = ""

    def after(self, event: TrainEvent) -> Course:
        """With one more event."""
        goes_on = event.kind != "end" or event.detail.startswith(GOES_ON)
        found = replace(
            self, next=event.number + 1, step=event.step, ended="" if goes_on else event.detail or "done"
        )
        if event.kind != "step":
            return found
        return replace(found, tokens=event.tokens, loss=event.loss, parts=tuple(event.parts) or self.parts)


def segment_key(run: str, first: int) -> str:
    """The name of the segment that begins with this event."""
    return f"train/{run}/events/{first:012d}.jsonl"


def segment(store: ObjectStore, run: str, first: int) -> list[TrainEvent]:
    """The events of the segment that begins with this one; none where there is none yet. One request.

    Raises CorpusworksError for one that is damaged, DependencyDown.
    """
    key = segment_key(run, first)
    try:
        lines = store.get(key).splitlines()
    except FileNotFoundError:
        return []
    try:
        found = [Parse(line, TrainEvent(), ignore_unknown_fields=True) for line in lines]
    except (ParseError, UnicodeDecodeError) as error:
        raise CorpusworksError(f"{key} is damaged ({error}): put a copy of it back") from error
    if not found or [event.number for event in found] != list(range(first, first + len(found))):
        raise CorpusworksError(f"{key} is damaged (its numbers do not follow): put a copy of it back")
    return found


def load_course(store: ObjectStore, run: str) -> Course:
    """How far a launcher had read, from train/RUN/followed.json; from the first event, where it is not there.

    Raises DependencyDown, CorpusworksError.
    """
    key = _course_key(run)
    try:
        plain = json.loads(store.get(key))
        return Course(**plain | {"parts": tuple(plain["parts"])})
    except FileNotFoundError:
        return Course()
    except (ValueError, TypeError, LookupError) as error:
        raise CorpusworksError(f"{key} is damaged ({error}): remove it, and all is read again") from error


def keep_course(store: ObjectStore, run: str, course: Course) -> None:
    """So that a restart goes on there. Raises DependencyDown."""
    store.put(_course_key(run), json.dumps(asdict(course)).encode())


def _course_key(run: str) -> str:
    return f"train/{run}/followed.json"
