"""What a river needs that is the user's own: asked for before anything starts, or it would be waited for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.local.servers.triton import require
from services.local.stack import STAND_IN
from services.runtime import ConfigurationError, DependencyDown, Resources, Settings, Unit, configure
from services.runtime.clients.reach import address_of, check_kafka
from services.runtime.topology import Topology


def need_all_served(topology: Topology, settings: Settings) -> None:
    """Raises ConfigurationError for a table of the user's own that leaves somebody out."""
    if "bootstrap_servers" in settings.kafka.model_fields_set:
        return  # another machine may run the rest
    if missing := topology.unserved:
        raise ConfigurationError(
            f"topology {settings.topology}: no process runs {', '.join(missing)}, and documents would wait "
            "before it for ever. Name it under `processes`, or say `enabled: false` of it"
        )


def need_partitions(workers: int | None, most: int, out: Path) -> None:
    """Raises ConfigurationError where more processes are wanted than there are partitions."""
    if workers is not None and workers > most:
        raise ConfigurationError(
            f"--workers {workers}: the river in {out} has {most} partitions, and a process more "
            f"would find nothing to do. Set CORPUSWORKS_PARTITIONS={workers} with a new folder"
        )


def need_named(topology: Topology, settings: Settings) -> None:
    """What units are told to use: files, models, modules. Raises ConfigurationError.

    Units that are told nothing are not imported for it.
    """
    for service in topology.services.values():
        told = settings.units.get(service.name)
        if told and service.run and isinstance(unit := service.definition, Unit):
            unit.needs(configure(service.name, unit.config, told), settings)


def need_servers(settings: Settings, models: Sequence[Path]) -> None:
    """Those that the settings name. models: that Triton is to run. Raises DependencyDown."""
    if "bootstrap_servers" in settings.kafka.model_fields_set:
        check_kafka(settings.kafka)
    if "url" in settings.redis.model_fields_set:
        _need_redis(settings)
    if models and "triton_url" in settings.model_fields_set and settings.triton_url != STAND_IN:
        require(settings.triton_url, settings.triton_tls)


def _need_redis(settings: Settings) -> None:
    import redis  # long, and a run whose Redis is its own asks nothing of it

    resources = Resources(settings)
    try:
        resources.redis.ping()
    except redis.RedisError as error:
        raise DependencyDown(f"Redis at {address_of(settings.redis.url)}", error) from error
    finally:
        resources.close()
