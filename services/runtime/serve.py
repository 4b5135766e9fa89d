"""Runs services in this process, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from services.runtime import agreement
from services.runtime.clients.reach import admitted
from services.runtime.contracts.door import Door
from services.runtime.contracts.lane import LaneService
from services.runtime.contracts.source import Source
from services.runtime.contracts.unit import Unit
from services.runtime.errors import ConfigurationError
from services.runtime.logs import configure_logs, quiet
from services.runtime.loops.door import Keeper
from services.runtime.loops.lane import LaneLoop
from services.runtime.loops.source import Came, SourceLoop
from services.runtime.loops.unit import UnitLoop
from services.runtime.loops.watch import Watch
from services.runtime.settings import Settings
from services.runtime.topology import Topology


def serve(
    names: Sequence[str],
    settings: Settings,
    topology: Topology,
    tell: Callable[[Came], object] | None = None,
) -> bool:
    """Until SIGTERM, or until a source is read. Raises ConfigurationError, DeadLetterFlood, Fenced.

    False for a source that was stopped before its end. tell: of a source, who shows what comes; its
    log is silent then.

    CORPUSWORKS_INSTANCE names this copy of the service (a pod's ordinal, say): copies need different
    names. With one, a restart takes up its partitions at once; the default is this process.
    """
    instance = settings.instance or f"{os.uname().nodename}-{os.getpid()}"
    configure_logs(names[0])
    if tell is not None:
        quiet()
    admitted(settings.kafka)
    settings, topology = agreement.adopt(names, settings, topology)
    services = [topology.service(name) for name in names]
    kinds = {type(service.definition) for service in services}
    agreed = partial(agreement.check, names, settings, topology)
    watch = Watch(partial(agreement.check_again, names, settings, topology))
    if kinds == {Unit}:
        UnitLoop(settings, topology, topology.chain(names), instance, agreed=agreed, watch=watch).run()
    elif len(services) == 1 and kinds == {LaneService}:
        LaneLoop(settings, topology, services[0], instance, agreed=agreed, watch=watch).run()
    elif len(services) == 1 and kinds == {Source}:
        source = SourceLoop(settings, services[0], instance, agreed=agreed, tell=tell)
        source.run()
        return source.finished
    elif len(services) == 1 and kinds == {Door}:
        Keeper(settings, topology, services[0], instance, agreed=agreed).run()
    else:
        raise ConfigurationError(
            "a source, a door and each lane service (mixer, sink, catalog, archive) run alone; "
            "units can be joined"
        )
    return True
