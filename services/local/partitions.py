"""How many partitions and lanes the river of a folder has: by the cores of the machine that began it.

Partitions: as many as cores, or two, so that each stage can be shared by as many processes (see balance.py).
Lanes: one for eight cores, since one mixes what about eight can prepare; more of them only divide what is
mixed, and everything that is written in a transaction is written once for each. They stay: documents lie in
them. What is mixed from another river passes through no stage that is shared: it has one of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.local.balance import available_cores
from services.local.private import write_private
from services.local.store import STATE, begun_with
from services.runtime import Settings
from services.runtime.settings import PREFIX

_NAMES = ("partitions", "lanes")  # settings, and files in the state folder, where there are not the default
# A dozen topics have as many, and Kafka takes some milliseconds of CPU to make each, and to serve it.
_FEWEST, _MOST = 2, 32
_CORES_A_LANE = 8


def environment(out: Path, settings: Settings, *, mixed: bool = False) -> dict[str, str]:
    """What the processes of the river in `out` need to know; nothing where the settings say it.

    A folder without a river is taken for the beginning of one. mixed: from another's.
    """
    begins = begun_with(out) is None
    found = _first(mixed) if begins else {name: kept for name in _NAMES if (kept := _kept(out, name))}
    return {
        PREFIX + name.upper(): number
        for name, number in found.items()
        if name not in settings.model_fields_set
    }


def number(told: Mapping[str, str], settings: Settings) -> int:
    """How many partitions there are, where an environment says so, or the settings."""
    return int(told.get(PREFIX + "PARTITIONS", settings.partitions))


def keep(out: Path, told: Mapping[str, str]) -> None:
    """Write them down for later commands; the state folder is there."""
    for name in _NAMES:
        if (number := told.get(PREFIX + name.upper())) is not None:
            write_private(out / STATE / name, number + "\n")


def _first(mixed: bool) -> dict[str, str]:
    cores = min(available_cores(), _MOST)
    partitions, lanes = (1, 1) if mixed else (max(_FEWEST, cores), max(1, cores // _CORES_A_LANE))
    return {"partitions": str(partitions), "lanes": str(lanes)}


def _kept(out: Path, name: str) -> str | None:
    try:
        return (out / STATE / name).read_text().strip()
    except OSError:
        return None
