"""For whom a dropped document stands back in the end: the one that lives, found along the killers."""

from __future__ import annotations

from collections.abc import Iterable

from services.dedup.index import Index

_HOPS = 64  # killers of killers; each is better than the one before, so there is no way round in a circle


def living(index: Index, uids: Iterable[int]) -> dict[int, int]:
    """Each of these documents that is buried, and of whom it says that it lives; the others, themselves.

    Raises DependencyDown.
    """
    stands = {uid: uid for uid in uids}
    for _ in range(_HOPS):
        deaths = index.deaths(set(stands.values()))
        if not deaths:
            break
        stands = {uid: deaths[at].killer if at in deaths else at for uid, at in stands.items()}
    return stands
