"""The river as data: which service reads and writes what, read from `services/topology.yaml`."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage

import contracts
from services.runtime.contracts.door import Door
from services.runtime.contracts.extension import UNITS, find
from services.runtime.contracts.lane import LaneService
from services.runtime.contracts.source import Source
from services.runtime.contracts.unit import Unit
from services.runtime.errors import ConfigurationError
from services.runtime.keep import FOREVER, seconds
from services.runtime.topics import AGREED, DEAD_LETTER_SUFFIX, POOL, STARTS, TALLY

DEFAULT = Path(__file__).parents[1] / "topology.yaml"
BUCKET = "{bucket}"
# libyaml, where PyYAML was built with it: a tenth of the CPU, and every process reads the table.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OWN = {AGREED: contracts.Agreement, STARTS: contracts.FirstStart, TALLY: contracts.Tally}


@dataclass(frozen=True)
class Topic:
    """How a topic is laid out. holds: the message class; by: partitions, lanes or one.

    keep: seconds that a message is kept at least; of a compacted topic it says nothing.
    """

    name: str
    holds: type[ProtoMessage]
    by: str
    compact: bool = False
    keep: float = FOREVER


@dataclass(frozen=True)
class Service:
    """One entry of the table; inputs have passed over services that are not enabled.

    watches: it reads what others carry on, so that nothing depends on where it stands.
    """

    name: str
    run: str
    inputs: tuple[str, ...]
    output: str
    watches: bool = False

    @cached_property
    def definition(self) -> Unit | LaneService | Source | Door:
        """The object named by `run`, imported now. Raises ConfigurationError naming the service."""
        module, colon, attribute = self.run.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute) if colon else find(UNITS, self.run)
        except ConfigurationError as error:
            raise ConfigurationError(f"service {self.name}: {error}") from error
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                f"service {self.name}: {self.run!r} cannot be imported: {error}"
            ) from error
        if not isinstance(found, Unit | LaneService | Source | Door):
            raise ConfigurationError(
                f"service {self.name}: {self.run!r} is not a Unit, LaneService, Source or Door"
            )
        return found


@dataclass(frozen=True)
class Chain:
    """Units that run in one process: the first reads `input`, the last writes `output`."""

    services: tuple[Service, ...]

    @property
    def name(self) -> str:
        """Its consumer group: that of its first service, so that regrouping keeps the offsets."""
        return self.services[0].name

    @property
    def input(self) -> str:
        """The topic it consumes."""
        return self.services[0].inputs[0]

    @property
    def output(self) -> str:
        """The topic it produces, possibly with {bucket}."""
        return self.services[-1].output


class Topology:
    """The table, checked. buckets: names that {bucket} stands for."""

    def __init__(self, table: dict[str, Any], buckets: Sequence[str]) -> None:
        self.buckets = tuple(buckets)
        self._topics = {name: _topic(name, row) for name, row in table["topics"].items()}
        self.services = _services(table["services"])
        rows = table["services"].values()
        self.names = tuple(table["services"])  # those that are left out as well
        # Topics of services that are left out: nobody writes there.
        self.idle = frozenset(row["output"] for row in rows if not row.get("enabled", True))
        groups: list[list[str]] = table.get("processes", [])
        unknown = {name for group in groups for name in group} - set(table["services"])
        if unknown:
            raise ValueError(f"processes name {', '.join(sorted(unknown))}, which is no service")
        self.processes = [[name for name in group if name in self.services] for group in groups]
        self.processes = [group for group in self.processes if group]

    @classmethod
    def load(cls, path: Path | None, buckets: Sequence[str]) -> Topology:
        """Read the table. Raises ConfigurationError naming the file and what is wrong in it."""
        path = path or DEFAULT
        try:
            return cls(yaml.load(path.read_text(), _LOADER), buckets)  # noqa: S506 - one of the safe
        except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"topology {path}: {error!r}") from error

    def service(self, name: str) -> Service:
        """By name. Raises ConfigurationError listing what there is."""
        if name not in self.services:
            raise ConfigurationError(f"no service {name!r}; there are: {', '.join(self.services)}")
        return self.services[name]

    @property
    def carriers(self) -> list[Service]:
        """Those that documents pass through, in the table's order: what waits before them is under way."""
        return [s for s in self.services.values() if s.run and s.inputs and not s.watches]

    @property
    def unserved(self) -> list[str]:
        """Carriers that no process runs: all that comes before them would wait for ever."""
        served = {name for names in self.processes for name in names}
        return [service.name for service in self.carriers if service.name not in served]

    def chain(self, names: Sequence[str]) -> Chain:
        """Join units for one process. Raises ConfigurationError when one does not feed the next."""
        services = tuple(self.service(name) for name in names)
        for before, after in itertools.pairwise(services):
            if after.inputs != (before.output,):
                raise ConfigurationError(
                    f"{after.name} reads {', '.join(after.inputs)}, not {before.output} of {before.name}: "
                    "name units in the order of the river, without a gap"
                )
        return Chain(services)

    def expand(self, topic: str) -> list[str]:
        """The topics a name with {bucket} stands for."""
        return [topic.replace(BUCKET, b) for b in self.buckets] if BUCKET in topic else [topic]

    def with_buckets(self, buckets: Iterable[str]) -> Topology:
        """The same table for other buckets."""
        made = copy(self)
        made.buckets = tuple(buckets)
        return made

    def behind(self, topic: str) -> Topology:
        """The same table with those services alone that a message of this topic can come to."""
        reached, found = {topic}, dict[str, Service]()
        while more := {n: s for n, s in self.services.items() if n not in found and reached & {*s.inputs}}:
            found |= more
            reached |= {service.output for service in more.values()}
        made = copy(self)
        made.services = {name: service for name, service in self.services.items() if name in found}
        made.processes = [group for group in self.processes if found.keys() >= set(group)]
        return made

    @property
    def table(self) -> dict[str, Topic]:
        """The topics as they are written down, pools as one."""
        return dict(self._topics)

    def topics(self) -> dict[str, Topic]:
        """Every topic of the river, dead letters included."""
        found = {
            name: replace(topic, name=name)
            for pattern, topic in self._topics.items()
            for name in self.expand(pattern)
        }
        inputs = [
            name for service in self.services.values() if not service.watches for name in service.inputs
        ]
        outputs = [s.output for s in self.services.values() if not s.inputs]  # of sources: unreadable input
        for name in (AGREED, STARTS):  # the runtime's own: also in a table that does not name them
            found.setdefault(name, Topic(name, self.holds(name), "one", compact=True))
        found.setdefault(TALLY, Topic(TALLY, self.holds(TALLY), "partitions"))
        for name in [expanded for topic in inputs + outputs for expanded in self.expand(topic)]:
            dead = name + DEAD_LETTER_SUFFIX
            found[dead] = Topic(dead, contracts.Document, "one")  # few, and a flood of them stops the service
        return found

    def holds(self, topic: str) -> type[ProtoMessage]:
        """The message class of a topic."""
        known = self._topics.get(topic)
        if known is None and topic.startswith(POOL):
            known = self._topics[POOL + BUCKET]
        return known.holds if known else _OWN.get(topic, contracts.Document)


def message(name: str) -> type[ProtoMessage]:
    """A message class by its name. Raises DecodeError."""
    if name not in contracts.__all__:
        raise DecodeError(f"no message {name!r}")
    found: type[ProtoMessage] = getattr(contracts, name)
    return found


def _topic(name: str, row: dict[str, Any]) -> Topic:
    if row["by"] not in ("partitions", "lanes", "one"):
        raise ValueError(f"{name}: by is {row['by']!r}, not partitions, lanes or one")
    if row.get("compact") and "keep" in row:
        raise ValueError(f"{name}: it is compacted, so keep says nothing; take one of the two out")
    keep = seconds(row["keep"]) if "keep" in row else FOREVER
    return Topic(name, getattr(contracts, row["holds"]), row["by"], row.get("compact", False), keep)


def _services(rows: dict[str, dict[str, Any]]) -> dict[str, Service]:
    bypass: dict[str, str] = {}
    found: dict[str, Service] = {}
    for name, row in rows.items():
        inputs = row.get("input", [])
        inputs = [inputs] if isinstance(inputs, str) else inputs
        inputs = [bypass.get(topic, topic) for topic in inputs]
        if row.get("enabled", True):
            found[name] = Service(
                name, row.get("run", ""), tuple(inputs), row["output"], row.get("watches", False)
            )
        else:
            bypass[row["output"]] = inputs[0]
    return found
