"""Makes durable what was fetched, and only then tells the frontier.

Order of a batch, and the failure that each step prevents:
1. the WARC to the store     — whole or not at all; a kill behind it leaves records that come a second time
2. the documents to Kafka    — one transaction; once it has returned they are in the river for good
3. the frontier              — a kill before it leaves the URLs leased: they are fetched again, and the same
                               page is the same document, which dedup drops as seen
Nothing is marked as done that is not in Kafka, and nothing that was fetched is lost.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from services.ingest.crawl import warc
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import Frontier
from services.ingest.crawl.visit import Visit
from services.runtime import DependencyDown, Keeper, ObjectStore, Publisher

_PAUSE_S: Final = 1.0  # after a server did not answer
_WAITING_BATCHES: Final = 4  # as many batches wait before nothing further is fetched


class Delivery:
    """A thread that delivers in batches. put: from any thread. failure: what ended it, for who asks."""

    def __init__(
        self,
        config: CrawlConfig,
        frontier: Frontier,
        publisher: Publisher,
        store: ObjectStore,
        keeper: Keeper,
    ) -> None:
        self._config = config
        self._frontier = frontier
        self._publisher = publisher
        self._store = store
        self._keeper = keeper
        self._waiting: list[Visit] = []
        self._num_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Enough waits: fetching more would only fill memory."""
        config = self._config
        return (
            len(self._waiting) >= _WAITING_BATCHES * config.batch_pages
            or self._num_bytes >= _WAITING_BATCHES * config.batch_bytes
        )

    def put(self, visit: Visit) -> None:
        """One more."""
        with self._changed:
            self._waiting.append(visit)
            self._num_bytes += visit.num_bytes
            if self._is_due(len(self._waiting), self._num_bytes):
                self._changed.notify()

    def close(self, patience_s: float) -> bool:
        """Deliver what waits; whether all of it was. What was not is fetched again by others."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience_s)
        return not self._thread.is_alive() and not self._waiting

    def _is_due(self, pages: int, num_bytes: int) -> bool:
        return pages >= self._config.batch_pages or num_bytes >= self._config.batch_bytes

    def _run(self) -> None:
        try:
            while True:
                batch = self._next()
                if batch:
                    self._deliver(batch)
                elif self._closing:
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised where the service runs
            self.failure = error

    def _next(self) -> Sequence[Visit]:
        """What has come in batch_s, or as much as is a batch."""
        deadline = time.monotonic() + self._config.batch_s
        with self._changed:
            while not self._closing and not self._is_due(len(self._waiting), self._num_bytes):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch, self._waiting = self._waiting, []
            self._num_bytes = 0
            return batch

    def _deliver(self, batch: Sequence[Visit]) -> None:
        records = [visit.record for visit in batch if visit.record] if self._config.keep_warc else []
        if records:
            key = warc.key(self._keeper.instance, records[0])
            body = warc.write(records, self._config.user_agent)
            self._patiently("store", lambda: self._store.put(key, body))
        documents = [visit.document for visit in batch if visit.document]
        self._patiently("Kafka", lambda: self._publisher.publish(documents))
        settled = [visit.settled for visit in batch]
        self._patiently("Redis", lambda: self._frontier.settle(settled))
        for outcome, number in Counter(one.outcome for one in settled).items():
            self._keeper.count("crawl_fetches", outcome, number=number)

    def _patiently(self, what: str, act: Callable[[], object]) -> None:
        """Until it is done.

        Raises what waiting does not mend; DependencyDown when the service stops meanwhile.
        """
        while True:
            try:
                act()
            except DependencyDown as error:
                self._keeper.unwell(what, error)
                if self._closing:
                    raise
                time.sleep(_PAUSE_S)
            else:
                self._keeper.well(what)
                return
