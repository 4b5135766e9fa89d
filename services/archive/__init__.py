"""The archive: every document that dedup let pass, every drop and every use, as Parquet in the object store.

Readers, without Kafka: `services.archive.query`, and `services.archive.lookup` for the rows of one document.
"""

from services.archive.config import ArchiveConfig
from services.archive.task import DOCUMENTS, USES

__all__ = ["DOCUMENTS", "USES", "ArchiveConfig"]
