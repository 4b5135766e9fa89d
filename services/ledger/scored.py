"""What the scorer has judged on a river, kept or dropped by it: read from the topics, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from contracts import Document, Rejection
from services.runtime import ConfigurationError, Settings
from services.runtime.clients.log import Log
from services.runtime.topics import REJECTED
from services.runtime.topology import BUCKET, Topology

SCORER = "scorer"


def scored(settings: Settings, topology: Topology) -> Iterator[Document]:
    """Every document that has a rank, as it came out of the process that runs the scorer.

    A stream over topics that are read once; a document may come twice. Raises DependencyDown,
    ConfigurationError where the river has no scorer.
    """
    behind, units = _behind(topology)
    with Log(settings) as log:
        for topic in behind:
            for record in log.read_all(topic):
                yield from _ranked(record.value)
        for record in log.read_all(REJECTED):
            rejection = Rejection.FromString(record.value)
            if rejection.unit in units and rejection.document.HasField("rank"):
                yield rejection.document


def _behind(topology: Topology) -> tuple[list[str], set[str]]:
    """Topics into which the process with the scorer writes, and the units in it that may drop behind it."""
    if SCORER not in topology.services:
        raise ConfigurationError(
            f"this river has no {SCORER}: nothing in it is ranked, so there is no calibration"
        )
    names = next((group for group in topology.processes if SCORER in group), [SCORER])
    last = topology.services[names[-1]].output
    topics = topology.expand(last) if BUCKET in last else [last]
    return topics, set(names[names.index(SCORER) :])


def _ranked(value: bytes | None) -> Iterator[Document]:
    try:
        document = Document.FromString(value or b"")
    except DecodeError:
        return  # its reader makes a dead letter of it
    if document.HasField("rank"):
        yield document
