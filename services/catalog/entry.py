"""A line of the catalog: one part and its number.

    {"sequence": 7, "name": "lane-000/part-000-0a1b2c3d-000000000000-000000000999", "lane": 0,
     "phase": "stable", "recipe": "9f86d081884c7d65", "tokens": 4194304,
     "sha256": {"bin": "…", "idx": "…", "jsonl": "…"}}

No time is in it: the same part under the same number is the same line, whoever writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contracts import PartCatalogued, PartSealed

_NAME = re.compile(r"(lane-\d+/part-\d+-[\da-f]{8})-\d+-(\d+)")
_KINDS = {
    "sequence": int,
    "name": str,
    "lane": int,
    "phase": str,
    "recipe": str,
    "tokens": int,
    "sha256": dict,
}


@dataclass(frozen=True)
class Entry:
    """sequence: from 0. tokens: without padding. sha256: of the part's files by suffix."""

    sequence: int
    name: str
    lane: int
    phase: str
    recipe: str
    tokens: int
    sha256: Mapping[str, str]


def entry_of(sequence: int, part: PartSealed) -> Entry:
    """The line of a part under this number."""
    return Entry(sequence, part.name, part.lane, part.phase, part.recipe, part.num_tokens, dict(part.sha256))


def entry_in(said: PartCatalogued) -> Entry:
    """The line that shards.catalog announces."""
    return Entry(said.sequence, said.name, said.lane, said.phase, said.recipe, said.tokens, dict(said.sha256))


def to_line(entry: Entry) -> bytes:
    """One line with its newline; the same bytes for the same entry."""
    plain = asdict(entry) | {"sha256": dict(sorted(entry.sha256.items()))}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Entry:
    """The inverse of to_line. Raises ValueError."""
    plain: dict[str, Any] = json.loads(line)
    if not isinstance(plain, dict) or {name: type(value) for name, value in plain.items()} != _KINDS:
        raise ValueError("not a line of the catalog")
    stream_and_end(plain["name"])
    return Entry(**plain)


def is_part_name(name: str) -> bool:
    """Whether it is one that a sink gives."""
    return _NAME.fullmatch(name) is not None


def stream_and_end(name: str) -> tuple[str, int]:
    """Of a part's name: the stream of docs.mixed that it is cut from, and the last offset in it.

    Raises ValueError.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a part")
    return match[1], int(match[2])
