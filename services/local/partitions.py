"""How many partitions the river of a folder has: as many as the machine had cores when it was begun, or two.

So each of its stages can be shared by as many processes (see balance.py). They stay: documents lie in them.
What is mixed from another river passes through none of these stages: it has one.
"""

from __future__ import annotations

from pathlib import Path

from services.local.balance import available_cores
from services.local.private import write_private
from services.local.store import STATE, begun_with
from services.runtime import Settings
from services.runtime.settings import PREFIX

_FILE = "partitions"  # in the state folder, where there are more than the default
_SETTING = PREFIX + "PARTITIONS"
# A dozen topics have as many, and Kafka takes some milliseconds of CPU to make each, and to serve it.
_FEWEST, _MOST = 2, 32


def environment(out: Path, settings: Settings, *, mixed: bool = False) -> dict[str, str]:
    """What the processes of the river in `out` need to know; nothing where the settings say it.

    A folder without a river is taken for the beginning of one. mixed: from another's.
    """
    if "partitions" in settings.model_fields_set:
        return {}
    if begun_with(out) is None:
        most = 1 if mixed else max(_FEWEST, min(available_cores(), _MOST))
        return {_SETTING: str(most)}
    try:
        return {_SETTING: (out / STATE / _FILE).read_text().strip()}
    except OSError:
        return {}


def number(told: dict[str, str], settings: Settings) -> int:
    """How many there are, where an environment says so, or the settings."""
    return int(told.get(_SETTING, settings.partitions))


def keep(out: Path, told: dict[str, str]) -> None:
    """Write it down for later commands; the state folder is there."""
    if _SETTING in told:
        write_private(out / STATE / _FILE, told[_SETTING] + "\n")
