"""The index made again from dedup.log: afterwards every verdict is what it would have been.

What was judged and not committed is not in the log, and comes again from Kafka as new.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts import DedupRecord
from services.dedup.cold_index import RedisCold
from services.dedup.config import DedupConfig
from services.dedup.cool import enter
from services.dedup.entry import Entry
from services.dedup.forest import Forest
from services.dedup.index import Death, Index, Seat, Table
from services.dedup.layout import LAYOUT
from services.dedup.odd_sketch import OddSketch
from services.dedup.page import KEY_BYTES, RARE, Page, unpack_keys
from services.dedup.redis_index import RedisIndex
from services.dedup.shingles import Words
from services.runtime import ConfigurationError, Resources, state

_BATCH = 2000  # records
# Layouts; of the former ones what is known stays right: in 2 no document has a cluster, in 3 none a number.
# What an older one compared otherwise is known as it compared it; a text without such marks is the same; of
# short texts exact copies are found, and others by what was kept of them.
_READABLE = frozenset({2, 3, 4, 5, 6, 7, LAYOUT})
_LATE_SAID = 8  # the first layout in which a record says under which keys its document came late

Progress = Callable[[int], None]  # documents so far


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild has put in; cold: documents of the cold tier."""

    documents: int
    deaths: int
    cold: int
    seconds: float


def rebuild(
    read: Callable[[], Iterable[DedupRecord]],
    committed: Mapping[state.Place, int],
    resources: Resources,
    config: DedupConfig,
    progress: Progress = lambda documents: None,
    *,
    read_cold: Callable[[], Iterable[DedupRecord]] = tuple,
) -> Rebuilt:
    """Replace whatever lies under config.prefix, and nothing else.

    read: all records of dedup.log, in any order; called twice. Whom a key keeps follows from who its founders
    are, and of later ones from who is best, so each is entered first under the keys of which it is a founder,
    and under the others when all are. (Older layouts do not say which these are: there a document that has
    rare keys came late. Where founders have gone to the cold tier, those read first take their places.)
    read_cold: those of dedup.log that go to the cold tier at once, and are none of the former; called once.
    committed: the group's offsets, read before the records were; with none of them the index begins empty.
    Raises ConfigurationError: another rebuild runs, or the log is of another layout; DependencyDown.
    """
    begun = time.monotonic()
    server = state.Server(resources.redis, config)
    marks = state.RedisMarks(server, config)  # refuses a server that would forget this, too
    index = RedisIndex(server, config, lambda: state.REBUILDING)
    with state.remaking(server, marks, config, committed) as renew:
        documents = deaths = chilled = 0
        cold = RedisCold(index, server, config)
        for batch in _batches((record for record in read_cold() if not record.killer), _BATCH):
            for record in batch:
                _require_layout(record, config)
            enter(cold, batch)
            _gather(index, batch)
            chilled += len(batch)
            renew()
        for batch in _batches(read(), _BATCH):
            sights = [record for record in batch if not record.killer]
            _enter(index, sights, config)
            _bury(index, [record for record in batch if record.killer])
            documents += len(sights)
            deaths += len(batch) - len(sights)
            renew()
            progress(documents)
        for batch in _batches(filter(_came_late, read()), _BATCH):
            _link(index, batch, config, late=True)
            renew()
            progress(documents)
    server.close()
    return Rebuilt(documents, deaths, chilled, time.monotonic() - begun)


def documents_in(resources: Resources, config: DedupConfig) -> int:
    """How many the index knows. Raises DependencyDown."""
    server = state.Server(resources.redis, config)
    with server.connected() as shards:
        counts: list[Any] = [
            connection.get(state.key(config, shard, "documents") + "n")
            for shard, connection in enumerate(shards)
        ]
    server.close()
    return sum(int(count or 0) for count in counts)


def _enter(index: Index, records: Sequence[DedupRecord], config: DedupConfig) -> None:
    if not records:
        return
    for record in records:
        _require_layout(record, config)
    entries = [Entry.unpack(record.uid, record.entry) for record in records]
    for entry in entries:
        _require_signature(entry, config)
    index.put(entries)
    index.hold([record.exact for record in records], [entry.order for entry in entries])
    _link(index, records, config, late=False)
    index.open_pages(
        {
            record.uid: Page(
                OddSketch.unpack(record.sketch), tuple(np.sort(unpack_keys(record.rare)).tolist())
            )
            for record in records
            if record.sketch
        }
    )
    _gather(index, records)


def _link(index: Index, records: Sequence[DedupRecord], config: DedupConfig, *, late: bool) -> None:
    """Enter them under the keys under which they came late, or under the others."""
    bands = [_parted(each, each.bands, each.late_bands)[late] for each in records]
    rare = [_parted(each, each.rare, each.late_rare)[late] for each in records]
    tables: list[tuple[Table, list[bytes], int]] = [("bands", bands, 2 * config.bands), ("rare", rare, RARE)]
    for table, packed, most in tables:
        linked = [(record, keys) for record, keys in zip(records, packed, strict=True) if keys]
        if linked:
            orders = [Entry.unpack(record.uid, record.entry).order for record, _ in linked]
            index.link(orders, _keys([keys for _, keys in linked], most), table)


def _parted(record: DedupRecord, packed: bytes, late: int) -> tuple[bytes, bytes]:
    """Of its keys those under which it is a founder, and the others."""
    if record.layout < _LATE_SAID:
        return (b"", packed) if record.rare else (packed, b"")
    end = len(packed) - late * KEY_BYTES
    return packed[:end], packed[end:]


def _came_late(record: DedupRecord) -> bool:
    return bool(record.late_bands or record.late_rare or (record.rare and record.layout < _LATE_SAID))


def _gather(index: Index, records: Sequence[DedupRecord]) -> None:
    """Clusters as they were, whatever is read first; counted on from their greatest number."""
    forest = Forest(index)
    links = [(each.uid, each.cluster) for each in records if each.cluster]
    merged = [three for each in records for three in zip(*[iter(each.merged)] * 3, strict=True)]
    links += [(one, into) for one, into, _ in merged]
    forest.unite(links, [each.uid for each in records if each.number])
    index.raise_counts([(forest.root(into), count) for _, into, count in merged if count])
    index.number([(each.uid, Seat(forest.root(each.uid), each.number)) for each in records if each.number])


def _keys(packed: Sequence[bytes], most: int) -> Words:
    """A row of each, with 0 for none."""
    keys = np.zeros((len(packed), most), np.uint64)
    for row, each in zip(keys, packed, strict=True):
        found = unpack_keys(each)
        row[: len(found)] = found
    return keys


def _bury(index: Index, records: Sequence[DedupRecord]) -> None:
    if records:
        index.bury([(record.uid, Death(record.killer, record.retracted)) for record in records])


def _require_layout(record: DedupRecord, config: DedupConfig) -> None:
    num_bands, rest = divmod(len(record.bands), KEY_BYTES)
    if record.layout not in _READABLE or rest or num_bands not in (0, config.bands, 2 * config.bands):
        raise ConfigurationError(
            f"dedup.log was written with layout {record.layout} and {num_bands} bands, and this is layout "
            f"{LAYOUT} with {config.bands} bands: set units.dedup.bands back, or rebuild with the release "
            "that wrote it"
        )


def _require_signature(entry: Entry, config: DedupConfig) -> None:
    head = config.foreign.head if config.foreign else b""
    if entry.foreign != bool(head) or not entry.fine.startswith(head):
        raise ConfigurationError(
            "dedup.log holds signatures of another kind, seed or length than units.dedup.signature: these "
            "cannot be compared: set it back; or let the documents come again in a river of their own (--out)"
        )


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch
