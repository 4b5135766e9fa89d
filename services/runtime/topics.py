"""The names of topics that code asks for; each is written here and in topology.yaml, and nowhere else."""

from __future__ import annotations

RAW = "docs.raw"
MIXED = "docs.mixed"
REJECTED = "docs.rejected"
SUPERSEDED = "docs.superseded"
PROGRESS = "docs.ingested"
POOL = "pool."
FLUSH = "pool.flush"
LANE_STATE = "pool.state"
SEALED = "shards.sealed"
CATALOG = "shards.catalog"
DEDUP_LOG = "dedup.log"
AGREED = "river.agreed"
STARTS = "river.starts"
REDRIVEN = "dlq.redriven"
DEAD_LETTER_SUFFIX = ".dlq"
