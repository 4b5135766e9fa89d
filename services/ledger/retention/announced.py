"""How far messages stand somewhere else for good: in files of the archive, in parts that have a number.

The readers' offsets say almost the same. But a person may set a group back or forth, and what an announcement
names is there.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from contracts import ArchiveFile, PartCatalogued
from services.runtime.clients.log import Log
from services.runtime.topics import ARCHIVE_FLUSH, ARCHIVED_DOCUMENTS, ARCHIVED_DROPS, CATALOG, MIXED
from services.runtime.topology import Service, Topology

_STREAM = re.compile(r"lane-(\d+)/part-\d+-([\da-f]{8})")  # see services/catalog/entry.py

# service -> (topic, partition) -> the offset after the last message that stands elsewhere
Announced = Mapping[str, Mapping[tuple[str, int], int]]


def announced(log: Log, topology: Topology, topic_ids: Mapping[str, str]) -> Announced:
    """By each service that announces; a partition of which it has said nothing stands at 0.

    A few messages are read, however long the logs are: the archive's are compacted to one a partition, and
    the catalog's last one speaks for all lanes. Raises DependencyDown.
    """
    found = {}
    for service in topology.services.values():
        if service.output == ARCHIVED_DOCUMENTS:
            found[service.name] = _nought(log, service) | _archived(log, topic_ids)
        elif service.output == CATALOG:
            found[service.name] = dict.fromkeys(log.starts([MIXED]), 0) | _numbered(log, topic_ids)
    return found


def _nought(log: Log, service: Service) -> dict[tuple[str, int], int]:
    return dict.fromkeys(log.starts([name for name in service.inputs if name != ARCHIVE_FLUSH]), 0)


def _archived(log: Log, topic_ids: Mapping[str, str]) -> dict[tuple[str, int], int]:
    said = log.read_all(ARCHIVED_DOCUMENTS, ARCHIVED_DROPS)
    files = [ArchiveFile.FromString(r.value) for r in said if r.value is not None]
    return {
        (file.topic, file.partition): file.last_offset + 1
        for file in files
        if file.topic_id == topic_ids.get(file.topic)
    }


def _numbered(log: Log, topic_ids: Mapping[str, str]) -> dict[tuple[str, int], int]:
    last = log.last(CATALOG, 0)
    reached = PartCatalogued.FromString(last.value).reached if last is not None else {}
    ours = f"{zlib.crc32(topic_ids.get(MIXED, '').encode()):08x}"
    streams = {match: offset for name, offset in reached.items() if (match := _STREAM.fullmatch(name))}
    return {(MIXED, int(match[1])): end + 1 for match, end in streams.items() if match[2] == ours}
