"""Which documents a river knows: asked before they are kept out of it, since a uid is easily mistyped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import Document, Rejection
from services.archive.lookup import find
from services.archive.tables import TABLES
from services.ledger.account import Marks, of_every_recipe
from services.ledger.trace import places_not_archived
from services.runtime import ObjectStore, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topics import POOL
from services.runtime.topology import Topology


def unknown(settings: Settings, topology: Topology, uids: Sequence[int]) -> list[int]:
    """Those of these that neither the archive nor a topic has, in their order.

    The archive is asked by its index. What it lacks is looked for in the topics, by the keys of their
    messages: in what is not archived yet, and then in the pools, which alone are read whole.
    Raises DependencyDown, Damaged.
    """
    with Admin(settings) as admin, Log(settings) as log:
        return unknown_to(admin.committed, log, Resources(settings).store, topology, uids)


def unknown_to(
    committed_by: Callable[[str], Marks],
    log: Log,
    store: ObjectStore,
    topology: Topology,
    uids: Sequence[int],
) -> list[int]:
    """As unknown, by these clients. committed_by: of a group's name."""
    left = set(uids)
    for table in TABLES.values():
        left = {uid for uid in left if not find(store, table, f"{uid:016x}", ("uid",))}
    begun = places_not_archived(committed_by, log, topology) if left else {}
    topology = of_every_recipe(topology, log)
    of_documents = [name for name in topology.topics() if topology.holds(name) in (Document, Rejection)]
    for topic in sorted(of_documents, key=lambda name: name.startswith(POOL)):
        if left:
            starts, ends = log.starts([topic]), log.settled_ends([topic])
            wanted = {tp: (max(start, begun.get(tp, 0)), ends[tp]) for tp, start in starts.items()}
            left = left - {int.from_bytes(record.key or b"", "big") for record in log.read(wanted)}
    return [uid for uid in uids if uid in left]
