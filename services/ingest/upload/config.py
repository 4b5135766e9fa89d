"""What uploads may be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadConfig:
    """Where the API listens, what it takes, and how long it remembers. Raises ValueError.

    keys: the file of API keys (keys.py says how it is written). host, port: of the API; probes and metrics
        have a port of their own.
    max_request_bytes: of one request's body. max_file_bytes: of a file that comes in pieces (tus).
    piece_bytes: of an object in the store, and what a replica holds in memory of each body that is coming in.
    max_members, max_unpacked_bytes, max_ratio: of an archive: its members, their bytes unpacked, and how many
        bytes one packed byte may stand for (from 1 MiB on). Ordinary text packs to a tenth, zeros to a
        thousandth: 200 lets a log file through, and stops a bomb.
    max_lag: messages in docs.raw that wait for parse; above it nothing is taken in, and callers are told to
        come back after retry_after_s. max_waiting: likewise, files that are stored and not read yet.
    keep_days: how long a batch and its documents can be asked after, and how long an upload may take.
    readers: files that a replica reads at once.
    """

    keys: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    max_request_bytes: int = 1 << 30
    max_file_bytes: int = 50 << 30
    piece_bytes: int = 8 << 20
    max_members: int = 100_000
    max_unpacked_bytes: int = 20 << 30
    max_ratio: int = 200
    max_lag: int = 100_000
    max_waiting: int = 10_000
    retry_after_s: int = 10
    keep_days: int = 14
    readers: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise ValueError("port must be between 0 and 65,535")
        for name in (
            *("max_request_bytes", "max_file_bytes", "piece_bytes", "max_members", "max_unpacked_bytes"),
            *("max_ratio", "max_lag", "max_waiting", "retry_after_s", "keep_days", "readers"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
