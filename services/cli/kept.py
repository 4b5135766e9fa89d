"""What the commands about an index in Redis have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.cli.options import topology_of
from services.runtime import ConfigurationError, Resources, Settings, state
from services.runtime.topology import Chain

if TYPE_CHECKING:
    from rich.console import Console

_SHOW_S = 1.0  # between two lines of progress


def stand(settings: Settings, resources: Resources, kept: state.Kept, what: str, number: int) -> None:
    """Print generation, layout, size, and how far the index has come. number: of `what` it has."""
    found = state.standing(resources, kept)
    names = {topic_id: name for name, topic_id in _topic_ids(settings).items()}
    committed = committed_in(settings, chain_of(settings, kept.unit))
    for shard, made in enumerate(found.made):
        rebuilding = made == state.REBUILDING
        said = "none" if made is None else "being rebuilt" if rebuilding else made.decode()
        print(f"{kept.prefix} shard {shard}: {said}")
    print(f"{number:,} {what}; Redis uses {found.num_bytes:,} bytes")
    for place in sorted({*found.reached, *committed}):
        topic, partition = place
        judged, taken = found.reached.get(place, 0), committed.get(place, 0)
        print(
            f"{names.get(topic, topic)} {partition}: judged below {judged:,}, Kafka has committed {taken:,}"
        )


def chain_of(settings: Settings, unit: str) -> Chain:
    """The units that it runs with: its group is theirs, and its input. Raises ConfigurationError."""
    topology = topology_of(settings)
    runs = f"services.{unit}:"
    ours = {name for name, service in topology.services.items() if service.run.startswith(runs)}
    if not ours:
        raise ConfigurationError(f"the topology has no {unit}")
    joined = [names for names in topology.processes if ours & set(names)]
    return topology.chain(joined[0] if joined else sorted(ours))


def _topic_ids(settings: Settings) -> dict[str, str]:
    from services.runtime.clients.admin import Admin

    with Admin(settings) as admin:
        return admin.topic_ids()


def committed_in(settings: Settings, chain: Chain) -> dict[tuple[str, int], int]:
    """What the group has committed of its input, by topic id."""
    from services.runtime.clients.admin import Admin

    with Admin(settings) as admin:
        topic_ids = admin.topic_ids()
        found = admin.committed(chain.name)
    return {
        (topic_ids[topic], partition): offset
        for (topic, partition), offset in found.items()
        if topic == chain.input and topic in topic_ids
    }


def wait_for_its_end(settings: Settings, unit: str, chain: Chain, console: Console) -> None:
    """Until nobody is in the group: who has gone is kept for its session. Raises ConfigurationError."""
    from services.runtime.clients.admin import Admin

    deadline = time.monotonic() + settings.kafka.session_timeout_s + _SHOW_S
    told = False
    with Admin(settings) as admin:
        while members := admin.members(chain.name):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"{unit} runs: {members} process(es) are in the group of {chain.name}. Stop them first"
                )
            if not told:
                console.print("Waiting for the session of a process that was stopped …")
                told = True
            time.sleep(0.2)


class Progress:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = self._shown = time.monotonic()

    def __call__(self, documents: int) -> None:
        """So many there are by now."""
        now = time.monotonic()
        if now - self._shown >= _SHOW_S:
            self._shown = now
            rate = documents / (now - self._begun)
            self._console.print(f"{documents:,} documents, {rate:,.0f}/s")
