"""Which log an address names: `journal:/path/of/a/file`, or `stopped:/data/folder/of/a/Kafka`, to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.journal.cluster import JournalCluster
from services.runtime.journal.stopped import StoppedKafka

_JOURNAL, _STOPPED = "journal:", "stopped:"
_open: dict[str, JournalCluster] = {}  # of this process: its clients see each other's transactions


def journal_url(file: Path) -> str:
    """The address of a journal, which need not be there yet."""
    return f"{_JOURNAL}{file.absolute()}"


def stopped_url(data: Path) -> str:
    """The address of the data folder of a Kafka that was stopped."""
    return f"{_STOPPED}{data.absolute()}"


def is_file(address: str) -> bool:
    """Whether it is one of these, and not of brokers."""
    return address.startswith((_JOURNAL, _STOPPED))


def cluster_at(address: str) -> JournalCluster | StoppedKafka | None:
    """The log at an address, as it is now; None for one of a broker.

    Raises ConfigurationError: it cannot be read.
    """
    if address.startswith(_STOPPED):
        return StoppedKafka(Path(address.removeprefix(_STOPPED)))
    if not address.startswith(_JOURNAL):
        return None
    if address not in _open:
        _open[address] = JournalCluster(Path(address.removeprefix(_JOURNAL)))
    _open[address].refresh()
    return _open[address]


@contextmanager
def closed(address: str) -> Iterator[None]:
    """Let go of a journal at the end: what this process wrote is on the disk, and others may write."""
    try:
        yield
    finally:
        if (made := _open.pop(address, None)) is not None:
            made.close()
