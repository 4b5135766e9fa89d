"""A whole river on the local stack for a test: servers, services, and the switches to kill them."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.local import partitions
from services.local.child import Child
from services.local.river import CLI, River, imports, settle
from services.local.run import applied, environment_of, repositories
from services.local.stack import Stack
from services.local.store import keep_url
from services.local.zygote import Zygote
from services.mixer.recipe import bucket_names
from services.runtime import Settings
from services.runtime.settings import PREFIX
from services.runtime.topology import Topology
from tests.e2e.commands import with_all_kept

WORKED = 30  # messages that a process has done since its last kill


@dataclass
class Home:
    """What a test holds of a running river."""

    out: Path
    stack: Stack
    settings: Settings
    river: River
    kills: list[str] = field(default_factory=list)
    _taken_at_kill: dict[str, int] = field(default_factory=dict)

    def kill_service(self, random_: random.Random, among: Collection[str] = ()) -> None:
        """SIGKILL to a process that is at work, any of those that were killed least; nothing if none is.

        At work: it has done some messages since it was last killed, so it is past its imports and in its
        group. among: names to choose from; all by default.
        """
        taken = {stage.name.split("+")[0]: stage.taken for stage in self.river.stages()}
        able = [
            name
            for name in self.services
            if (not among or name in among)
            and self.stack.supervisor.children[name].pid
            and (taken[name] > self._taken_at_kill.get(name, 0) + WORKED)
        ]
        if able:
            fewest = min(map(self.kills.count, able))
            name = random_.choice([name for name in able if self.kills.count(name) == fewest])
            self._taken_at_kill[name] = taken[name]
            self.stack.supervisor.children[name].kill(signal.SIGKILL)
            self.kills.append(name)

    @property
    def services(self) -> list[str]:
        """Names of the processes that are not servers."""
        return [name for name in self.stack.supervisor.children if name not in ("kafka", "redis", "triton")]

    def settle(self, reading: Sequence[Child], timeout_s: float = 240) -> None:
        """Until everything has found its end. Raises TimeoutError with where things stand."""
        deadline = time.monotonic() + timeout_s
        for doing in settle(self.river, reading, str(time.time_ns())):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still {doing}: {list(self.river.stages())}")
            time.sleep(0.1)


def topology(path: Path | None = None) -> Topology:
    """The shipped one, or that of a file, with the default recipe."""
    return Topology.load(path, bucket_names(None))


@contextmanager
def home(
    out: Path,
    settings: Mapping[str, str] | None = None,
    command: Sequence[str] = CLI,
    *,
    lanes: int | None = 2,
) -> Iterator[Home]:
    """A river on a folder; the services are not started yet. lanes: None is what the folder would have."""
    of_the_test = {PREFIX + "LANES": str(lanes)} if lanes is not None else {}
    given = environment_of(out) | of_the_test | with_all_kept(settings)
    with applied(given) as own:
        table = topology(own.topology)
        models = repositories(own, table)
    with applied(given), Stack(out / "state", models=models, zygote=Zygote(imports(table))) as stack:
        keep_url(out, given[PREFIX + "STORE_URL"])  # so that commands on the folder take it for a river's
        partitions.keep(out, given)
        environment = given | stack.environment
        with (
            applied(environment) as found,
            River(
                stack.supervisor,
                environment,
                found,
                table,
                out / "state" / "logs",
                command=command,
            ) as river,
        ):
            river.create_topics()
            yield Home(out, stack, found, river)
