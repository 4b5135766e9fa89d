"""The catalog: every part's number in one order of all lanes, in shards.catalog and beside the parts.

Readers without Kafka: `services.catalog.reader`.
"""

from services.catalog.task import SERVICE, CatalogConfig

__all__ = ["SERVICE", "CatalogConfig"]
