"""What the marks in an index say of it: whether it is whole, and why not, in words for a person.

Nothing here asks a server; marks.py reads what stands there.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.runtime.errors import ConfigurationError
from services.runtime.state.kept import Kept

Place = tuple[str, int]  # Kafka's id of a topic, partition

REBUILDING = b"rebuilding"  # stands where the generation will, until a rebuild has come to its end

TWO = "is put together from two: its shards are of different generations"


def new_generation(kept: Kept) -> bytes:
    """Of an index that is being made."""
    return f"{secrets.token_hex(8)} {kept.layout}".encode()


@dataclass(frozen=True)
class Shard:
    """What one shard says of itself. made: its generation and layout, or None."""

    made: bytes | None
    reached: Mapping[Place, int]


def fault(shards: Sequence[Shard], offsets: Mapping[Place, int], river: Collection[str]) -> str | None:
    """Why an index must not be built upon, or None; for a person, without what to do about it.

    offsets: what Kafka has committed. river: ids of all topics of this river, where they are known.
    """
    committed = {place: offset for place, offset in offsets.items() if offset > 0}
    made = [shard.made for shard in shards]
    if REBUILDING in made:
        return "is being rebuilt, or a rebuild of it was interrupted"
    places = {place for shard in shards for place in shard.reached}
    if not any(made) and not places:
        number = sum(committed.values())
        return f"is empty, but Kafka has committed {number:,} messages that it judged" if committed else None
    if None in made and (committed or places):
        return f"has lost {made.count(None)} of its {len(made)} shards"
    if len(set(made) - {None}) > 1:
        return TWO
    topics = {topic for topic, _ in places}
    if places and river and not topics & set(river):
        return "belongs to other topics: these were made anew, or another river has the same Redis and prefix"
    for place, offset in sorted(committed.items()):
        for number, shard in enumerate(shards):
            if (stands := shard.reached.get(place, 0)) < offset:
                return behind(place, number if len(shards) > 1 else None, stands, offset)
    return None


def behind(place: Place, shard: int | None, stands: int, offset: int) -> str:
    """A shard, or the only one (None), that stands at an offset below the one that Kafka committed."""
    where = "" if shard is None else f" in shard {shard}"
    return (
        f"has forgotten something: of partition {place[1]} of topic {place[0]} it has judged what is below "
        f"offset {stands}{where}, and Kafka has committed {offset}. An older copy of it was restored, the "
        "end of its append-only file was lost, it was failed over to a replica that had less, or the "
        "group's offsets were set forward by hand"
    )


def refusal(kept: Kept, why: str) -> ConfigurationError:
    """The error that says why an index is refused, and the ways out."""
    return ConfigurationError(
        f"the {kept.unit} index {kept.prefix} in Redis {why}. Nothing was judged with it. If Redis can have "
        f"its newer data back, restore that; else {way(kept)}. An index of something else is left alone by "
        f"choosing another units.{kept.unit}.prefix first."
    )


def way(kept: Kept) -> str:
    """How an index is made anew."""
    return (
        f"stop {kept.unit} and run `corpusworks {kept.unit} rebuild` (with the --out of the run, if it has "
        f"one): it makes the index again from {kept.remade_from}"
    )


def gone(kept: Kept) -> ConfigurationError:
    """A call found another generation than the one that was begun, or none."""
    return refusal(kept, f"was emptied or replaced while {kept.unit} ran")
