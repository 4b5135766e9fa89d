"""A door: a service that is pushed at, or goes out to find. It keeps its own time.

Unlike a Source it has no end, and says itself what is published when. What it answers for, it holds in Redis
and the store; the runtime gives it a Publisher, a view of the topics, signals, health and metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.runtime.loops.door import Keeper


@dataclass(frozen=True)
class Door:
    """A named service and how it is run.

    config: a frozen dataclass that validates itself. serve: runs in the main thread until `keeper.stopping`,
    and calls `keeper.moved()` at least every few seconds, or it is taken for hanging.
    """

    name: str
    config: type[Any]
    serve: Callable[[Any, Keeper], None]
