"""Samples by their index: the catalog, the order and the open parts behind one lock."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.config import DataConfig
from trainer.data.batch import Batch, collate
from trainer.data.catalog import Catalog, Entry
from trainer.data.order import FIRST, Order, Sample, Start
from trainer.data.part import Part, num_sequences
from trainer.data.store import Store
from trainer.errors import DataError


class Samples:
    """start: the block to begin at. vocabulary: the digest that every part must have; empty for any."""

    def __init__(self, store: Store, config: DataConfig, start: Start, vocabulary: str = "") -> None:
        self.vocabulary = vocabulary
        self.buckets: list[str] = []
        self._store, self._config = store, config
        self._catalog = Catalog(store, start.number)
        self._order = self._new_order(start)
        self._before: Order | None = None
        self._parts: OrderedDict[int, Part] = OrderedDict()
        self._bucket_numbers: dict[str, int] = {}
        self._lock = threading.RLock()

    @property
    def begun(self) -> bool:
        """Whether the catalog has given anything yet."""
        return bool(self._order.end > self._order.first or self._order.waiting)

    @property
    def waiting(self) -> int:
        """Parts that wait for their block to become full."""
        return self._order.waiting

    def reach(self, end: int) -> bool:
        """Whether all samples before `end` are known; asks the catalog where they are not yet.

        Raises DataError, StoreDown.
        """
        with self._lock:
            while self._order.end < end:
                new = self._catalog.poll()
                if not new:
                    return False
                self._order.add(new)
            return True

    def block(self, index: int) -> Start:
        """Where the block of a known sample begins."""
        return self._order.block(index).start

    def places(self, indices: Sequence[int]) -> list[Sample]:
        """Where known samples lie. Raises IndexError for one that is not there yet."""
        with self._lock:
            behind = any(index < self._order.first for index in indices)
            order = self._counted_up_to(self._order.first) if behind else self._order
            if not behind:
                return order.samples(indices)
            first = self._order.first
            return [(order if i < first else self._order).samples([i])[0] for i in indices]

    def batch(self, indices: Sequence[int], samples: Sequence[Sample]) -> Batch:
        """The batch of samples whose places are known. Raises DataError, StoreDown."""
        with self._lock:
            rows = [(self._part(sample.part), sample.sequence) for sample in samples]
            return collate(
                indices,
                rows,
                self._numbers,
                vocabulary_size=self._config.vocabulary_size,
                by_document=self._config.mask == "document",
            )

    def settle_vocabulary(self, index: int) -> None:
        """Where none is said, the vocabulary is that of the first part of this sample's block."""
        with self._lock:
            self.vocabulary = (
                self.vocabulary or self._part(self._order.block(index).parts[0]).documents.vocabulary
            )

    def _new_order(self, start: Start) -> Order:
        return Order(
            lambda entry: num_sequences(self._store, entry),
            seed=self._config.seed,
            parts=self._config.shuffle_parts,
            start=start,
        )

    def _counted_up_to(self, end: int) -> Order:
        """The order from the first part on, for who asks for samples before the block of the start."""
        if self._before is None:
            catalog, order = Catalog(self._store), self._new_order(FIRST)
            while order.end < end and (new := catalog.poll()):
                order.add(new)
            self._before = order
        return self._before

    def _part(self, entry: Entry) -> Part:
        part = self._parts.get(entry.number)
        if part is None:
            part = Part(self._store, entry)
            self._check(part)
            self._parts[entry.number] = part
            while len(self._parts) > self._config.shuffle_parts + 4:
                self._parts.popitem(last=False)
        self._parts.move_to_end(entry.number)
        return part

    def _check(self, part: Part) -> None:
        said = part.documents.vocabulary
        if self.vocabulary and said and said != self.vocabulary:
            raise DataError(
                f"part {part.entry.name} (number {part.entry.number} of the catalog) is of the vocabulary "
                f"{said}, and this run is of {self.vocabulary}: begin another run for it, or name the "
                "right store and vocabulary (data.store, data.vocabulary)"
            )

    def _numbers(self, part: Part) -> NDArray[np.int16]:
        for name in part.documents.buckets:
            if name not in self._bucket_numbers:
                self._bucket_numbers[name] = len(self.buckets)
                self.buckets.append(name)
        return np.array([self._bucket_numbers[name] for name in part.documents.buckets], np.int16)
