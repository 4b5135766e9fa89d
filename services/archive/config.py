"""When a file of the archive is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArchiveConfig:
    """How the log is cut into files.

    seal_bytes, seal_rows: a file ends with the row that reaches either; bytes of texts, not of the file.
    seal_age_s: no row waits longer for its file; so much is read again after a restart, too.
    hold_bytes: of all files in the making of one lane together: above it the largest is written.
    """

    seal_bytes: int = 64 << 20
    seal_rows: int = 200_000
    seal_age_s: float = 600.0
    hold_bytes: int = 128 << 20

    def __post_init__(self) -> None:
        if self.seal_bytes < 1:
            raise ValueError("seal_bytes must be at least 1")
        if self.seal_rows < 1:
            raise ValueError("seal_rows must be at least 1")
        if not self.seal_age_s > 0:
            raise ValueError("seal_age_s must be above 0")
        if self.hold_bytes < self.seal_bytes:
            raise ValueError("hold_bytes must be at least seal_bytes")
