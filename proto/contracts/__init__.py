"""The messages of the river, generated from proto/*.proto by `make proto`."""

from contracts.archive_pb2 import ArchiveFile
from contracts.document_pb2 import Document, Documents, Position, Reference, Removed
from contracts.ledger_pb2 import Tally
from contracts.parts_pb2 import PartCatalogued, PartRecord, PartSealed, Span
from contracts.river_pb2 import (
    Agreement,
    Control,
    DedupRecord,
    FirstStart,
    Flush,
    Forget,
    IngestProgress,
    Kin,
    MixerState,
    Pass,
    PoolState,
    Quarantine,
    RecipeChange,
    Redriven,
    Rejection,
    Retraction,
    Stretch,
)
from contracts.train_pb2 import TrainEvent

__all__ = [
    "Agreement",
    "ArchiveFile",
    "Control",
    "DedupRecord",
    "Document",
    "Documents",
    "FirstStart",
    "Flush",
    "Forget",
    "IngestProgress",
    "Kin",
    "MixerState",
    "PartCatalogued",
    "PartRecord",
    "PartSealed",
    "Pass",
    "PoolState",
    "Position",
    "Quarantine",
    "RecipeChange",
    "Redriven",
    "Reference",
    "Rejection",
    "Removed",
    "Retraction",
    "Span",
    "Stretch",
    "Tally",
    "TrainEvent",
]
