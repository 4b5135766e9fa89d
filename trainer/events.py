"""What happened in training, as immutable segments of JSON lines in the store.

    train/RUN/events/000000000000.jsonl     from event 0 on; its lines say how many
    train/RUN/events/000000000003.jsonl     the next one begins where the one before ends

A line is a TrainEvent (proto/train.proto) by its fields' names, with its number; numbers of a run have no gap.
Segments are created and never written again, as those of the catalog are. Who follows asks for the segment
that begins with the next number.

Kinds, and the fields that they have beside run, number, step, at_ms and kind:

    start       the run begins or goes on: checkpoint (if from one), detail
    step        each log_every steps: loss, gradient_norm, learning_rate, tokens, tokens_per_second, recipe,
                phase, parts, bucket_loss, bucket_bits_per_byte, bucket_tokens, mfu, wait_share
    skip        a step that changed no weights: loss, gradient_norm, parts, documents, detail (the threshold)
    rewind      back to `checkpoint`: parts, detail
    spike       explained, or not: report, loss, gradient_norm, detail
    quarantine  documents (uids) that were proven: parts, report, detail (why)
    checkpoint  complete: checkpoint
    phase       another phase begins: phase
    mix         new weights are proposed (trainer/mixing.py): weights, bucket_loss, detail
    end         the run is over: detail (why)
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Literal

from google.protobuf.json_format import MessageToDict, Parse, ParseError

from contracts import TrainEvent
from trainer.outbox import Outbox, logger
from trainer.steplog import Objects

Kind = Literal[
    "start", "step", "skip", "rewind", "spike", "quarantine", "checkpoint", "phase", "mix", "end"
]
_WHOLE = ("step", "at_ms", "number", "tokens", "checkpoint")  # protobuf's JSON writes 64 bits as strings


class Events:
    """The writing side; no method raises. One writer a run (rank 0)."""

    def __init__(self, store: Objects, run: str, *, every_s: float = 5.0, retry_s: float = 5.0) -> None:
        """every_s: a `step` is written after this time at the latest; all others at once."""
        self._store = store
        self._run = run
        self._next: int | None = None  # number; once the store has said what there is
        self._outbox = Outbox[TrainEvent](
            f"the events of {run}", self._write, every=1000, every_s=every_s, retry_s=retry_s
        )

    @property
    def failures(self) -> int:
        """Attempts to write that failed."""
        return self._outbox.failures

    def say(self, kind: Kind, step: int, **fields: Any) -> None:
        """One event. fields: of TrainEvent, by their names; documents are uids as numbers."""
        try:
            event = TrainEvent(run=self._run, kind=kind, step=step, at_ms=time.time_ns() // 1_000_000, **fields)
        except (TypeError, ValueError, AttributeError) as error:
            logger.warning(f"an event {kind} of step {step} is left out: {error}")
            return
        self._outbox.add([event])
        if kind != "step":
            self._outbox.hurry()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Write what waits; whether all of it is in the store."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float = 30.0) -> bool:
        """Write what waits and end; whether all of it is in the store."""
        return self._outbox.close(timeout_s)

    def _write(self, events: list[TrainEvent]) -> None:
        if self._next is None:
            self._next = _end(self._store, self._run)
        while True:
            data = b"".join(_line(event, self._next + i) for i, event in enumerate(events))
            key = segment_key(self._run, self._next)
            if self._store.create(key, data):
                break
            found = self._store.get(key)
            events = events[_common(found, data) :]  # written by an attempt that seemed to fail
            self._next += len(found.splitlines())
            if not events:
                return
        self._next += len(events)


def segment_key(run: str, first: int) -> str:
    """The name of the segment that begins with this event."""
    return f"train/{run}/events/{first:012d}.jsonl"


def read(store: Objects, run: str, first: int = 0) -> Iterator[TrainEvent]:
    """The events of a run from this number on, as far as they are there.

    A line that is no event is passed over with one line of warning. Raises what the store raises when it is
    away.
    """
    begin = first
    try:
        data = store.get(segment_key(run, begin))
    except FileNotFoundError:  # it may be in the middle of a segment
        begin = max((at for at in _firsts(store, run) if at < first), default=-1)
        data = store.get(segment_key(run, begin)) if begin >= 0 else b""
    while data:
        lines = data.splitlines()
        for number, line in enumerate(lines, begin):
            if number >= first and (event := _parsed(line, segment_key(run, begin))):
                yield event
        begin += len(lines)
        try:
            data = store.get(segment_key(run, begin))
        except FileNotFoundError:
            return


def to_line(event: TrainEvent) -> dict[str, Any]:
    """An event by its fields' names: what google.protobuf.json_format.ParseDict reads.

    uids are decimal strings, since JSON readers lose digits of 64-bit numbers; NaN and infinities are strings.
    """
    plain: dict[str, Any] = MessageToDict(event, preserving_proto_field_name=True)
    plain |= {name: int(plain[name]) for name in _WHOLE if name in plain}
    if event.bucket_tokens:
        plain["bucket_tokens"] = dict(sorted(event.bucket_tokens.items()))
    return {"run": event.run, "number": event.number, "step": event.step} | plain


def _line(event: TrainEvent, number: int) -> bytes:
    event.number = number
    return json.dumps(to_line(event), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes, key: str) -> TrainEvent | None:
    try:
        return Parse(line, TrainEvent(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError) as error:
        logger.warning(f"{key}: a line is no event and is passed over: {str(error).partition(chr(10))[0]}")
        return None


def _firsts(store: Objects, run: str) -> Iterator[int]:
    for key in store.list(f"train/{run}/events"):
        name = key.rpartition("/")[2].removesuffix(".jsonl")
        if len(name) == 12 and name.isdecimal():
            yield int(name)


def _end(store: Objects, run: str) -> int:
    """The number of the next event."""
    last = max(_firsts(store, run), default=-1)
    return last + len(store.get(segment_key(run, last)).splitlines()) if last >= 0 else 0


def _common(found: bytes, mine: bytes) -> int:
    """How many lines two segments share from their start."""
    pairs = zip(found.splitlines(), mine.splitlines(), strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), len(found.splitlines()))
