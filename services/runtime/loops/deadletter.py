"""Dead letters: the message as it was, with headers that say what happened.

Header names are Kafka Connect's (KIP-298), which tools for dead-letter topics know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from services.runtime.errors import DeadLetterFlood
from services.runtime.loops.transaction import Produce
from services.runtime.process.frames import Item, Outcome, first_place
from services.runtime.topics import DEAD_LETTER_SUFFIX

ERROR_HEADER = "__connect.errors."
_STACK_LIMIT = 16_000  # characters; a header is part of the message's size


def dead_letter(item: Item, outcome: Outcome, topic_id: str) -> Produce:
    """The message for <topic>.dlq. topic_id: Kafka's id of the topic that the item was read from.

    Of one that was redriven, id, partition and offset are those of where it was first read.
    """
    place = first_place(item.redriven) or (topic_id, item.partition, item.offset)
    said = {
        "topic": item.topic,
        "topic.id": place[0],
        "partition": str(place[1]),
        "offset": str(place[2]),
        "stage": outcome.unit,
        "exception.message": outcome.error[:_STACK_LIMIT],
        "exception.stacktrace": outcome.stack[-_STACK_LIMIT:],
    }
    return Produce(
        item.topic + DEAD_LETTER_SUFFIX,
        item.value,
        spread=item.offset,
        headers=[
            (ERROR_HEADER + name, text.encode(errors="backslashreplace")) for name, text in said.items()
        ],
    )


class FloodGuard:
    """Stops the service when more than `limit` of the last `window` documents became dead letters."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=window)

    def check(self, outcomes: Sequence[Outcome]) -> None:
        """Ask before a batch is committed. Raises DeadLetterFlood: nothing of the batch is done then."""
        recent = self._with(outcomes)
        dead = sum(recent)
        if dead > self._limit:
            last = next(o for o in reversed(outcomes) if o.outcome == "dead")
            raise DeadLetterFlood(
                f"{dead} of the last {len(recent)} documents failed in {last.unit}; "
                f"the limit is {self._limit} (setting dead_letter_limit). "
                f"This is a bug and not data; the last: {last.error}"
            )

    def passed(self, outcomes: Sequence[Outcome]) -> None:
        """Count a batch once it is committed; one that is aborted comes again."""
        self._recent = self._with(outcomes)

    def _with(self, outcomes: Sequence[Outcome]) -> deque[bool]:
        recent = self._recent.copy()
        recent.extend(outcome.outcome == "dead" for outcome in outcomes)
        return recent
