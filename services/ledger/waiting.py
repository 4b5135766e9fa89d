"""Documents that have come as far as the pools and are in no part yet."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import Document
from services.ledger.account import documents_of, of_every_recipe, waiting_records
from services.runtime import LaneService, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topology import Topology


def waiting(settings: Settings, topology: Topology) -> Iterator[Document]:
    """Those in the pools and those that are mixed and not sealed, of every recipe that was ever used.

    In a river that runs, one that moves on meanwhile comes twice. Raises DependencyDown.
    """
    with Admin(settings) as admin, Log(settings) as log:
        yield from read_waiting(admin, log, topology)


def read_waiting(admin: Admin, log: Log, topology: Topology) -> Iterator[Document]:
    """As waiting, by these clients. The pools come first: what moves on meanwhile is not missed."""
    topology = of_every_recipe(topology, log)
    for service in topology.carriers:
        if isinstance(service.definition, LaneService):
            yield from documents_of(waiting_records(service, topology, log, admin.committed(service.name)))
