"""Adoption: parts that a store's manifests name and shards.sealed lacks are to be announced anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from contracts import PartSealed
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore
from services.sink.manifest import lanes, part_key
from services.sink.part import SUFFIXES
from services.sink.parts import list_parts

_SHOWN = 5


def parts_of(store: ObjectStore, num_lanes: int) -> list[PartSealed]:
    """The parts that the manifests name, each lane's in its order; to be read before the log is.

    Raises ConfigurationError for a store of more lanes than the river has, CorpusworksError for a damaged
    manifest.
    """
    found = lanes(store)
    if found and found[-1] >= num_lanes:
        raise ConfigurationError(
            f"{store.url} was written by a river of {found[-1] + 1} lanes, this one has {num_lanes}: set "
            "CORPUSWORKS_LANES before its topics are made"
        )
    return list_parts(store)


def whole(store: ObjectStore, parts: Sequence[PartSealed]) -> Sequence[PartSealed]:
    """The same parts; their files are there and as they were sealed. Raises CorpusworksError if not."""
    problems = [problem for part in parts for problem in _problems(store, part)]
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        raise CorpusworksError(
            f"{'; '.join(problems[:_SHOWN])}{more}. Nothing was announced. Put the files back, or take those "
            "parts' lines out of their manifest.jsonl, and adopt again"
        )
    return parts


def _problems(store: ObjectStore, part: PartSealed) -> Iterator[str]:
    for suffix in SUFFIXES:
        try:
            digest = hashlib.sha256(store.get(part_key(part.name, suffix))).hexdigest()
        except FileNotFoundError:
            yield f"{part.name}.{suffix} is not there"
            continue
        if digest != part.sha256.get(suffix):
            yield f"{part.name}.{suffix} is not as it was sealed (sha256)"
