"""What a unit keeps in Redis, as its config says it; see marks.py for what is asked of it."""

from __future__ import annotations

from typing import Protocol


class Kept(Protocol):
    """The config of a unit that keeps an index in Redis.

    unit: its name in settings and commands. layout: what all that read or write the index must have alike.
    remade_from: what the unit's command `rebuild` reads. prefix: of every key; shards: independent parts,
    each on one hash tag. durable: a server without an append-only file is refused. sync_timeout_s: how long
    a batch waits until Redis has that file on disk.
    """

    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def layout(self) -> str: ...  # noqa: D102
    @property
    def remade_from(self) -> str: ...  # noqa: D102
    @property
    def prefix(self) -> str: ...  # noqa: D102
    @property
    def shards(self) -> int: ...  # noqa: D102
    @property
    def durable(self) -> bool: ...  # noqa: D102
    @property
    def sync_timeout_s(self) -> float: ...  # noqa: D102


def key(kept: Kept, shard: int, name: str) -> str:
    """A key of one shard; all keys of a shard share its hash tag."""
    return f"{kept.prefix}{{{shard}}}:{name}:"
