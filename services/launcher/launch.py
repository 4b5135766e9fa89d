"""The launcher as a process of a cluster: stands by, leads, follows, until SIGTERM."""

from __future__ import annotations

import os
import time
import uuid

from services.launcher.backends.served import served
from services.launcher.cluster import Kubernetes, connect
from services.launcher.config import LauncherConfig
from services.launcher.control import Control
from services.launcher.forward import Forward, Mixed
from services.launcher.lease import Lease
from services.runtime import DependencyDown, Resources, Settings, agreement, configure
from services.runtime.clients.log import Log
from services.runtime.clients.reach import admitted
from services.runtime.logs import configure_logs
from services.runtime.process.lifecycle import Process

_TICK_S = 0.1


def launch(settings: Settings, mixed: Mixed) -> None:
    """Until SIGTERM. mixed: see Forward. Raises ConfigurationError, CorpusworksError, Fenced."""
    config = configure("launcher", LauncherConfig, settings.units.get("launcher", {}))
    configure_logs("launcher")
    admitted(settings.kafka)
    connect()
    cluster = Kubernetes(config.namespace)
    process = Process(settings, "launcher")
    process.start()
    process.health.ready("partitions")  # it has none
    identity = (
        f"{settings.instance or os.uname().nodename}_{uuid.uuid4().hex[:8]}"  # two must never share one
    )
    lease = Lease(config.lease, config.namespace, identity, config.lease_s)
    lease.stand()
    control: Control | None = None
    while not process.stopping:
        if lease.leads():
            try:
                control = control or _control(config, settings, cluster, mixed, lease)
                control.turn()
            except DependencyDown as error:
                process.failed(error)
                continue
        process.worked()
        _rest(process, config.period_s if lease.leads() else _TICK_S)
    lease.release()


def _control(
    config: LauncherConfig, settings: Settings, cluster: Kubernetes, mixed: Mixed, lease: Lease
) -> Control:
    forward = Forward(_of_river(settings), config.run, mixed)
    return Control(
        config,
        Resources(settings).store,
        settings.store_url,
        served(cluster, config.run),
        forward=forward,
        topic=forward.topic,
        permit=lease.check,
    )


def _of_river(settings: Settings) -> Settings:
    """With as many lanes as the river has, since each is told of a quarantine."""
    with Log(settings) as log:
        lanes = agreement.lanes_ever(agreement.read(log))
    return settings.model_copy(update={"lanes": lanes[-1]}) if lanes else settings


def _rest(process: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not process.stopping:
        process.health.moved()
        time.sleep(_TICK_S)
