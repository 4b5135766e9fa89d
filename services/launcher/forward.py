"""What the trainer said, handed on: each event to train.events, a quarantine and a mix to the river too.

At least once: what an event asks for is done, then it is said, then the place is kept (events.Course), so a
kill between repeats it. Readers tell a repeated event by its number, and a repeated quarantine or recipe
changes nothing. The topic is known by Kafka's id: a new one is told everything from the first event on.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from contracts import TrainEvent
from services.ledger.quarantine import quarantine
from services.runtime import ConfigurationError, Settings, metrics
from services.runtime.clients.admin import Admin
from services.runtime.loops.transaction import Produce, say
from services.runtime.topics import TRAIN_EVENTS

Mixed = Callable[[Settings, TrainEvent], None]


class Forward:
    """To one river. mixed: puts the weights of a `mix` event into the recipe in force."""

    def __init__(self, settings: Settings, run: str, mixed: Mixed) -> None:
        """Raises ConfigurationError where the topic is not there, DependencyDown."""
        self._settings = settings
        self._run = run
        self._mixed = mixed
        with Admin(settings) as admin:
            self.topic = admin.topic_ids().get(TRAIN_EVENTS, "")
        if not self.topic:
            raise ConfigurationError(
                f"there is no topic {TRAIN_EVENTS}: make the river's with `corpusworks topics`"
            )

    def __call__(self, events: Iterable[TrainEvent]) -> None:
        """Hand these on, in their order. Raises DependencyDown, Fenced, ConfigurationError."""
        said = []
        for event in events:
            if event.kind == "quarantine" and event.documents:
                quarantine(self._settings, list(event.documents), _why(event))
            elif event.kind == "mix":
                self._mixed(self._settings, event)
            said.append(self._produce(event))
            metrics.TRAIN_EVENTS.labels(event.kind).inc()
        if said:
            say(self._settings, f"launcher-{self._run}", said)

    def _produce(self, event: TrainEvent) -> Produce:
        key = event.run.encode()
        return Produce(TRAIN_EVENTS, event.SerializeToString(), key=key, spread=zlib.crc32(key))


def _why(event: TrainEvent) -> str:
    """As it stands beside each document that is dropped for it."""
    report = f", see {event.report}" if event.report else ""
    return f"{event.detail or 'a spike of the loss'} (run {event.run}, step {event.step}{report})"
