"""`dedup rebuild`, `dedup status`: the index of all that ever came in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import DedupRecord
from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import Out, topology_of
from services.runtime import ConfigurationError, Resources, Settings, configure, topics
from services.runtime.topology import Chain

if TYPE_CHECKING:
    from rich.console import Console

    from services.dedup import DedupConfig
    from services.runtime.clients.log import Log

app = typer.Typer(no_args_is_help=True, help="The index of dedup: how far it has come, and making it again.")

_SHOW_S = 1.0  # between two lines of progress
_UNIT = "dedup"
_RUN = "services.dedup:"


@app.command()
def rebuild(
    out: Out = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the old index is removed.")] = False,
) -> None:
    """Make the index again from dedup.log, after Redis has lost it; dedup must not run meanwhile."""
    from rich.console import Console

    from services.dedup.rebuild import rebuild as rebuild_index
    from services.local.run import attached
    from services.runtime.clients.log import Log

    console = Console()
    with attached(out) as settings:
        config, chain, resources = _config(settings), _chain(settings), Resources(settings)
        _wait_for_its_end(settings, chain, console)
        committed = _committed(settings, chain)  # before the log is read: see Log.settled_ends
        with Log(settings) as log:
            ends = log.settled_ends([topics.DEDUP_LOG])
            _explain(config, sum(ends.values()), sum(committed.values()), chain, console)
            if not yes and not typer.confirm("Remove it and make it again?"):
                fail("nothing was changed", EXIT_WRONG)
            made = rebuild_index(
                lambda: _records(log, ends), committed, resources, config, _Progress(console)
            )
        resources.close()
    rate = made.documents / made.seconds if made.seconds else 0.0
    console.print(
        f"{made.documents:,} documents, {made.deaths:,} of which stand back for a better one, in "
        f"{made.seconds:.1f} s ({rate:,.0f} documents/s). Dedup can go on."
    )


@app.command()
def status(out: Out = None) -> None:
    """Generation and layout of the index, documents, bytes, and how far it has come in each partition."""
    from services.dedup.marks import REBUILDING
    from services.dedup.rebuild import state
    from services.local.run import attached

    with attached(out) as settings:
        config, chain, resources = _config(settings), _chain(settings), Resources(settings)
        found = state(resources, config)
        names = {topic_id: name for name, topic_id in _topic_ids(settings).items()}
        committed = _committed(settings, chain)
        resources.close()
    for shard, made in enumerate(found.made):
        said = "none" if made is None else "being rebuilt" if made == REBUILDING else made.decode()
        print(f"{config.prefix} shard {shard}: {said}")
    print(f"{found.documents:,} records; Redis uses {found.num_bytes:,} bytes")
    for place in sorted({*found.reached, *committed}):
        topic, partition = place
        judged, taken = found.reached.get(place, 0), committed.get(place, 0)
        print(
            f"{names.get(topic, topic)} {partition}: judged below {judged:,}, Kafka has committed {taken:,}"
        )


def _config(settings: Settings) -> DedupConfig:
    from services.dedup import DedupConfig

    config: DedupConfig = configure(_UNIT, DedupConfig, settings.units.get(_UNIT, {}))
    if config.index == "memory":
        raise ConfigurationError("units.dedup.index is memory, which ends with its process")
    return config


def _chain(settings: Settings) -> Chain:
    """The units that dedup runs with: its group is theirs, and its input. Raises ConfigurationError."""
    topology = topology_of(settings)
    ours = {name for name, service in topology.services.items() if service.run.startswith(_RUN)}
    if not ours:
        raise ConfigurationError("the topology has no dedup")
    joined = [names for names in topology.processes if ours & set(names)]
    return topology.chain(joined[0] if joined else sorted(ours))


def _topic_ids(settings: Settings) -> dict[str, str]:
    from services.runtime.clients.admin import Admin

    with Admin(settings) as admin:
        return admin.topic_ids()


def _committed(settings: Settings, chain: Chain) -> dict[tuple[str, int], int]:
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


def _wait_for_its_end(settings: Settings, chain: Chain, console: Console) -> None:
    """Until nobody is in the group: who has gone is kept for its session. Raises ConfigurationError."""
    from services.runtime.clients.admin import Admin

    deadline = time.monotonic() + settings.kafka.session_timeout_s + _SHOW_S
    told = False
    with Admin(settings) as admin:
        while members := admin.members(chain.name):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"dedup runs: {members} process(es) are in the group of {chain.name}. Stop them first"
                )
            if not told:
                console.print("Waiting for the session of a process that was stopped …")
                told = True
            time.sleep(0.2)


def _explain(config: DedupConfig, records: int, taken: int, chain: Chain, console: Console) -> None:
    console.print(
        f"The index {config.prefix} in Redis is replaced by what dedup.log says: up to {records:,} records. "
        f"The group of {chain.name} has taken {taken:,} messages of {chain.input}.",
        soft_wrap=True,
    )
    if taken and not records:
        console.print(
            "dedup.log is empty: the new index will know nothing of what came before, and what comes again "
            "will pass again.",
            soft_wrap=True,
        )


def _records(log: Log, ends: dict[tuple[str, int], int]) -> Iterator[DedupRecord]:
    for record in log.read({tp: (0, end) for tp, end in ends.items()}):
        if record.value is not None:
            yield DedupRecord.FromString(record.value)


class _Progress:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = self._shown = time.monotonic()

    def __call__(self, documents: int) -> None:
        now = time.monotonic()
        if now - self._shown >= _SHOW_S:
            self._shown = now
            rate = documents / (now - self._begun)
            self._console.print(f"{documents:,} documents, {rate:,.0f}/s")
