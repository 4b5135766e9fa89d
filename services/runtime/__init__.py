"""The runtime: the only loop, and the few names a service may use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from services.runtime import topics
from services.runtime.clients.store import ObjectStore
from services.runtime.clients.tls import Tls
from services.runtime.contracts import extension
from services.runtime.contracts.door import Door
from services.runtime.contracts.extension import Extractor, Format, TextRule
from services.runtime.contracts.lane import LaneService, LaneTask, Message, Output, RereadingTask, Step, place
from services.runtime.contracts.source import (
    IMPORT,
    Known,
    Read,
    Reader,
    Reading,
    Source,
    Taken,
    Unreadable,
)
from services.runtime.contracts.unit import Judge, Unit, configure
from services.runtime.contracts.verdict import Also, Count, Drop, Emit, Reject, Verdict
from services.runtime.contracts.vocabulary import Vocabularies, VocabularyCard
from services.runtime.errors import (
    ConfigurationError,
    CorpusworksError,
    DeadLetterFlood,
    DependencyDown,
    Fenced,
)
from services.runtime.lines import json_lines
from services.runtime.logs import log
from services.runtime.process.recorded import Recorded
from services.runtime.resources import Resources
from services.runtime.settings import Settings, load_settings
from services.runtime.wire import fetch
from services.runtime.wrong import meant, meant_path

if TYPE_CHECKING:
    from services.runtime import state
    from services.runtime.loops.door import Keeper
    from services.runtime.loops.publisher import Publisher

__all__ = [
    "IMPORT",
    "Also",
    "ConfigurationError",
    "CorpusworksError",
    "Count",
    "DeadLetterFlood",
    "DependencyDown",
    "Door",
    "Drop",
    "Emit",
    "Extractor",
    "Fenced",
    "Format",
    "Judge",
    "Keeper",
    "Known",
    "LaneService",
    "LaneTask",
    "Message",
    "ObjectStore",
    "Output",
    "Publisher",
    "Read",
    "Reader",
    "Reading",
    "Recorded",
    "Reject",
    "RereadingTask",
    "Resources",
    "Settings",
    "Source",
    "Step",
    "Taken",
    "TextRule",
    "Tls",
    "Unit",
    "Unreadable",
    "Verdict",
    "Vocabularies",
    "VocabularyCard",
    "configure",
    "extension",
    "fetch",
    "json_lines",
    "load_settings",
    "log",
    "meant",
    "meant_path",
    "place",
    "state",
    "topics",
]


_LATE = {"Keeper": "services.runtime.loops.door", "Publisher": "services.runtime.loops.publisher"}


def __getattr__(name: str) -> Any:
    """What speaks to Kafka is imported by who asks for it: a worker that runs units never does."""
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
