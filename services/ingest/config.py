"""What ingest may be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator

from services.ingest.presets import PRESETS


def _one(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _listed(value: object) -> object:
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(_one)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]  # "a,b" in the environment


@dataclass(frozen=True)
class IngestConfig:
    """Which files, and how a record becomes a document. Raises ValueError.

    paths: files and folders of this machine, patterns over them; s3://bucket/prefix, hf://datasets/owner/name,
        https://host/file: see remote/.
    text_fields: of a JSON or Parquet record, the first that is there and not empty is the text. The
        defaults are the names in C4, FineWeb, SkyPile (text), WuDao (content), RedPajama 2 (raw_content).
        A record that has none of them may be a conversation: see conversation.py.
    id_fields: likewise for the id; a record without one gets a digest of file and content.
    preset: the layout of a public dataset by its name in presets.py, where the columns do not say it; "none":
        no record is taken for one of them.
    max_document_bytes: of one file or one line; above it the piece is a dead letter. The runtime holds
        a document several times over while it is sent, so that 64 MiB fits a 1 GiB container.
    max_window_bytes: of a zstd frame, which says itself how much memory unpacking it takes. 2 GiB is the most
        that `zstd --long=31` makes; a window above the memory limit of the process ends in a dead letter too.
    chunk_documents, chunk_bytes: one step of reading ends at the first that is reached.
    s3_…: for s3:// paths that lie with somebody else than the river's store, over the AWS_… variables; with
        s3_anonymous requests are not signed.
    patience_s: how long a server that does not answer is asked again. Below the process's time limit, so that
        the file is not blamed for it.
    """

    paths: Paths
    text_fields: Names = ("text", "content", "raw_content", "body")
    id_fields: Names = ("id", "doc_id", "docid", "document_id")
    preset: str = ""
    max_document_bytes: int = 64 << 20
    max_window_bytes: int = 2 << 30
    chunk_documents: int = 500
    chunk_bytes: int = 4 << 20
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_access_key_id: str = ""
    s3_secret_access_key: str = field(default="", repr=False)
    s3_anonymous: bool = False
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.paths or not all(self.paths):
            raise ValueError("paths must name at least one file or folder")
        if not self.text_fields or not all(self.text_fields):
            raise ValueError("text_fields must name at least one field")
        if self.preset not in ("", "none", *PRESETS):
            raise ValueError(f"preset must be one of {', '.join(sorted(PRESETS))}, or none")
        for name in ("max_document_bytes", "chunk_documents", "chunk_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 0 < self.patience_s < float("inf"):
            raise ValueError("patience_s must be more than 0")
        if not 1 << 10 <= self.max_window_bytes <= 2 << 30:  # what zstd takes
            raise ValueError("max_window_bytes must be between 1,024 and 2,147,483,648")
