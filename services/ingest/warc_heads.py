"""The heads of a WARC record: what is asked for, and what goes into the metadata of its document.

The records of a file have the same heads in the same order, nearly always. So where a thing stands is found
once for each order, and a record costs a look at its values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

# Said of the record as a file, or already in the document.
_NOT_METADATA = {
    "content-length", "warc-type", "warc-record-id", "warc-block-digest", "warc-payload-digest",
    "warc-warcinfo-id", "warc-refers-to", "warc-concurrent-to", "content-type",
}  # fmt: skip
_NAMES = {"warc-target-uri": "url", "warc-date": "date"}
_ORDERS = 1024  # that are remembered; a file that has another order with each record costs no memory


class Layout(NamedTuple):
    """Places in the values of a record's heads; of what is not there the place behind the last.

    said: by name in the metadata of the document.
    """

    type: int
    identifier: int
    media_type: int
    has_length: bool
    said: tuple[tuple[str, int], ...]


Heads = tuple[Layout, tuple[str, ...]]  # of a record: the values in their order, and "" behind them


@lru_cache(_ORDERS)
def layout_of(names: tuple[str, ...]) -> Layout:
    """Of heads with these names; of two with one name the first counts."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(name.lower(), place)
    nowhere = len(names)
    return Layout(
        places.get("warc-type", nowhere),
        places.get("warc-record-id", nowhere),
        places.get("content-type", nowhere),
        "content-length" in places,
        tuple((_NAMES.get(name, name), at) for name, at in places.items() if name not in _NOT_METADATA),
    )
