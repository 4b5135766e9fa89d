"""`sentences rebuild`, `sentences status`: how often each sentence came."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain as joined
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import Document
from services.cli.exits import EXIT_WRONG, fail
from services.cli.kept import Progress, chain_of, committed_in, stand, wait_for_its_end
from services.cli.options import Out, topology_of
from services.runtime import ConfigurationError, ObjectStore, Resources, Settings, agreement, configure
from services.runtime.wire import fetch

if TYPE_CHECKING:
    from services.runtime.clients.log import Log
    from services.sentences import SentencesConfig

app = typer.Typer(no_args_is_help=True, help="The counts of sentences: how far they have come, and anew.")

_UNIT = "sentences"


@app.command()
def rebuild(
    out: Out = None,
    *,
    other: Annotated[
        str | None,
        typer.Option("--from", help="Count first what the archive of this river, a folder or store, has."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the old counts are removed.")] = False,
) -> None:
    """Count anew what Kafka still holds of cleaned documents; sentences must not run meanwhile.

    Where Redis has lost the counts, where the unit is switched on in a river that has documents, and with
    --from before a second run over the same documents, which then knows from the start what repeats.
    """
    from rich.console import Console

    from services.local.run import attached
    from services.local.store import store_in
    from services.runtime.clients.log import Log
    from services.sentences import agrees
    from services.sentences.recount import rebuild as recount

    console = Console()
    archive = store_in(other) if other else None
    with attached(out) as settings:
        config, chain, resources = _config(settings), chain_of(settings, _UNIT), Resources(settings)
        wait_for_its_end(settings, _UNIT, chain, console)
        committed = committed_in(settings, chain)  # before the log is read: see Log.settled_ends
        topic = topology_of(settings).service(_UNIT).output
        with Log(settings) as log:
            ends = log.settled_ends([topic])
            console.print(
                f"The counts {config.prefix} in Redis are replaced by those of up to {sum(ends.values()):,} "
                f"documents of {topic}" + (f", and of the archive of {other}." if other else "."),
                soft_wrap=True,
            )
            if not yes and not typer.confirm("Remove them and count anew?"):
                fail("nothing was changed", EXIT_WRONG)
            documents = joined(_archived(archive), _logged(log, ends, resources.store))
            made = recount(documents, committed, resources, config, Progress(console))
        agreement.remade(settings, agrees(config, settings))
        resources.close()
    console.print(
        f"{made.documents:,} documents read and {made.counted:,} of them counted in {made.seconds:.1f} s. "
        "Sentences can go on."
    )


@app.command()
def status(out: Out = None) -> None:
    """Generation and layout of the counts, their room, and how far they have come in each partition."""
    from services.local.run import attached

    with attached(out) as settings:
        config, resources = _config(settings), Resources(settings)
        stand(settings, resources, config, "sentences can be remembered", config.entries)
        resources.close()


def _config(settings: Settings) -> SentencesConfig:
    from services.sentences import SentencesConfig

    config: SentencesConfig = configure(_UNIT, SentencesConfig, settings.units.get(_UNIT, {}))
    if not config.of:
        raise ConfigurationError(
            "units.sentences.of names no host and no source, so nothing is counted: set it as in the river"
        )
    if config.index == "memory":
        raise ConfigurationError("units.sentences.index is memory, which ends with its process")
    return config


def _logged(log: Log, ends: dict[tuple[str, int], int], store: ObjectStore) -> Iterator[Document]:
    starts = log.starts(sorted({topic for topic, _ in ends}))
    for record in log.read({place: (starts.get(place, 0), end) for place, end in ends.items()}):
        if record.value is not None:
            document = Document.FromString(record.value)
            fetch(document, store)
            yield document


def _archived(store: ObjectStore | None) -> Iterator[Document]:
    from services.archive.asked import Asked
    from services.archive.query import rows
    from services.archive.tables import DOCUMENTS, document_of

    if store is not None:
        for row in rows(store, DOCUMENTS, Asked(), list(DOCUMENTS.columns)):
            yield document_of(row)
