"""Which documents a river knows: asked before they are kept out of it, since a uid is easily mistyped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import Document, Rejection
from services.ledger.account import Marks, of_every_recipe
from services.ledger.trace import places_not_archived
from services.runtime import Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topics import POOL
from services.runtime.topology import Topology


def unknown(
    settings: Settings, topology: Topology, uids: Sequence[int], archived: Callable[[int], bool]
) -> list[int]:
    """Those of these that neither the archive nor a topic has, in their order.

    What the archive lacks is looked for by the keys of messages: in what is not archived yet, and then in
    the pools, which alone are read whole. archived: whether the archive has a uid. Raises DependencyDown.
    """
    with Admin(settings) as admin, Log(settings) as log:
        return unknown_to(admin.committed, log, topology, uids, archived)


def unknown_to(
    committed_by: Callable[[str], Marks],
    log: Log,
    topology: Topology,
    uids: Sequence[int],
    archived: Callable[[int], bool],
) -> list[int]:
    """As unknown, by these clients. committed_by: of a group's name."""
    # Before the archive is asked: what moves into it meanwhile is seen twice, and not missed.
    begun = places_not_archived(committed_by, log, topology)
    left = {uid for uid in uids if not archived(uid)}
    topology = of_every_recipe(topology, log)
    of_documents = [name for name in topology.topics() if topology.holds(name) in (Document, Rejection)]
    for topic in sorted(of_documents, key=lambda name: name.startswith(POOL)):
        if left:
            starts, ends = log.starts([topic]), log.settled_ends([topic])
            wanted = {tp: (max(start, begun.get(tp, 0)), ends[tp]) for tp, start in starts.items()}
            left = left - {int.from_bytes(record.key or b"", "big") for record in log.read(wanted)}
    return [uid for uid in uids if uid in left]
