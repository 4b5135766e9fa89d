"""Ingest: reads what the user points at and puts it into the river, each document once."""

from dataclasses import replace

from services.ingest.config import IngestConfig
from services.ingest.files import FileReader, build
from services.runtime import Source

__all__ = ["SERVICE", "FileReader", "IngestConfig"]


def _one_by_one(config: IngestConfig) -> IngestConfig:
    return replace(config, chunk_documents=1)


SERVICE = Source(name="ingest", config=IngestConfig, build=build, careful=_one_by_one)
