"""Whose parts a store holds: the river is known by Kafka's id of its topic shards.sealed.

parts/river.json   {"shards.sealed": "3f2a…"}, written at the first start of a sink
"""

from __future__ import annotations

import json

from services.runtime import ConfigurationError, ObjectStore, topics

KEY = "parts/river.json"


class Owner:
    """The river that a sink or an adoption works for. topic_id: of shards.sealed; empty: none is known."""

    def __init__(self, store: ObjectStore, topic_id: str) -> None:
        self._store = store
        self._topic_id = topic_id

    def check(self, known: str = "") -> None:
        """Raises ConfigurationError when the store is another river's. known: what else to say of it."""
        found = self._found()
        if self._topic_id and found is not None and found != self._topic_id:
            raise ConfigurationError(
                f"{self._store.url} holds the parts of another river: its shards.sealed has the id {found}, "
                f"this river's has {self._topic_id}. {known}Nothing was changed. Ways out: another folder "
                "(--out) or CORPUSWORKS_STORE_URL for this river; `corpusworks run --fresh`, which removes "
                "those parts for good; or, where the other river's Kafka is lost, `corpusworks parts adopt`, "
                "which makes them this one's"
            )

    def claim(self) -> None:
        """Write that the store is this river's. Raises ConfigurationError when another was faster."""
        if self._topic_id and not self._store.create(KEY, self._content()):
            self.check()

    def take_over(self) -> None:
        """The same, whoever had it before."""
        if self._topic_id:
            self._store.put(KEY, self._content())

    def _content(self) -> bytes:
        return json.dumps({topics.SEALED: self._topic_id}).encode() + b"\n"

    def _found(self) -> str | None:
        try:
            return str(json.loads(self._store.get(KEY))[topics.SEALED])
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(
                f"{KEY} in {self._store.url} cannot be read ({error!r}): it says whose parts these are. "
                "`corpusworks parts adopt` writes it anew"
            ) from error
