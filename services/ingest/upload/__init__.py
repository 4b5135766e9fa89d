"""Upload: documents that are pushed over HTTP, and the answer to where each of them is.

A body is in the object store, whole, before it is acknowledged (stored.py). Then any replica reads it
(intake.py) in a process that may be killed, with the readers that imports use, and publishes its documents.
Who sent it asks after its batch (states.py), which a follower of the river's tallies keeps (follow.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.ingest.upload.config import UploadConfig
from services.runtime import Door

if TYPE_CHECKING:
    from services.runtime import Keeper

__all__ = ["SERVICE", "UploadConfig"]


def _serve(config: UploadConfig, keeper: Keeper) -> None:
    from services.ingest.upload.server import serve  # FastAPI is an extra, and half a second

    serve(config, keeper)


SERVICE = Door(name="upload", config=UploadConfig, serve=_serve)
