"""What ranks have to agree on, by a group of their own on the CPU: no device waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from trainer.parallel import Place

# Of a wait for parts, which ranks may notice at different moments; a rank that died is noticed by torchrun.
_PATIENCE = timedelta(hours=24)


class Agreement:
    """Small questions to all ranks; each is collective, and one process agrees with itself."""

    def __init__(self, place: Place) -> None:
        self._size = place.world_size
        self.group = dist.new_group(backend="gloo", timeout=_PATIENCE) if place.world_size > 1 else None

    def total(self, count: int) -> int:
        """The sum."""
        if self.group is None:
            return count
        total = torch.tensor(count)
        dist.all_reduce(total, group=self.group)
        return int(total)

    def everywhere(self, yes: bool) -> bool:
        """Whether it is so on all ranks."""
        return self.total(int(not yes)) == 0

    def gather(self, mine: Any) -> list[Any]:
        """What each has, by rank; small objects."""
        if self.group is None:
            return [mine]
        found: list[Any] = [None] * self._size
        dist.all_gather_object(found, mine, group=self.group)
        return found

    def first(self, mine: Any) -> Any:
        """What rank 0 has."""
        if self.group is None:
            return mine
        found = [mine]
        dist.broadcast_object_list(found, group_src=0, group=self.group)
        return found[0]
