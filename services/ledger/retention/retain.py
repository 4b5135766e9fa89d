"""The command: what is kept and why, and the deleting of what need not be."""

from __future__ import annotations

import time
from dataclasses import dataclass

from services.ledger.retention.bodies import Bodies, survey_bodies, sweep_bodies
from services.ledger.retention.limits import Limit, limits
from services.runtime import Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.keep import kept
from services.runtime.topology import Topology


@dataclass(frozen=True)
class Retained:
    """limits: of the partitions of what is not kept for good. bodies: of the topics that have any."""

    limits: list[Limit]
    bodies: list[Bodies]


def survey(settings: Settings, topology: Topology) -> Retained:
    """What could be deleted now. Raises ConfigurationError, DependencyDown."""
    keep = kept(topology.topics(), settings.keep)
    with Admin(settings) as admin, Log(settings) as log:
        found = list(limits(admin, log, topology, keep, time.time()))
        bodies = survey_bodies(Resources(settings).store, log, keep, time.time())
        return Retained(found, list(bodies))


def retain(settings: Settings, topology: Topology) -> Retained:
    """Delete what is kept long enough and done with; what was found before.

    Messages first and the objects that they refer to after. May run beside everything, itself included, and
    be killed. Raises ConfigurationError, DependencyDown.
    """
    keep = kept(topology.topics(), settings.keep)
    with Admin(settings) as admin, Log(settings) as log:
        found = list(limits(admin, log, topology, keep, time.time()))
        admin.delete_records({(f.topic, f.partition): f.until for f in found if f.until > f.start})
        return Retained(found, sweep_bodies(Resources(settings).store, log, keep, time.time()))
