"""The runtime: the only loop, and the few names a service may use."""

from services.runtime import topics
from services.runtime.clients.store import ObjectStore
from services.runtime.clients.tls import Tls
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
from services.runtime.process.recorded import Recorded
from services.runtime.resources import Resources
from services.runtime.settings import Settings, load_settings
from services.runtime.wire import fetch

__all__ = [
    "IMPORT",
    "Also",
    "ConfigurationError",
    "CorpusworksError",
    "Count",
    "DeadLetterFlood",
    "DependencyDown",
    "Drop",
    "Emit",
    "Fenced",
    "Judge",
    "Known",
    "LaneService",
    "LaneTask",
    "Message",
    "ObjectStore",
    "Output",
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
    "Tls",
    "Unit",
    "Unreadable",
    "Verdict",
    "Vocabularies",
    "VocabularyCard",
    "configure",
    "fetch",
    "load_settings",
    "place",
    "topics",
]
