"""The archive: every document that dedup let pass and every drop, as Parquet in the object store.

Readers, without Kafka: `services.archive.query`.
"""

from services.archive.config import ArchiveConfig
from services.archive.task import DOCUMENTS, DROPS

__all__ = ["DOCUMENTS", "DROPS", "ArchiveConfig"]
