"""The TDM Reservation Protocol's file, /.well-known/tdmrep.json (W3C Community Group, TDMRep, 2024)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PATH: Final = "/.well-known/tdmrep.json"
_MAX_RULES: Final = 1000


@dataclass(frozen=True)
class TdmPolicy:
    """What a host reserves.

    rules: (pattern of a path, reserved), of which the first that fits holds. None fits: nothing is reserved.
    """

    rules: Sequence[tuple[str, bool]] = ()

    @classmethod
    def read(cls, body: bytes) -> TdmPolicy:
        """Of any bytes: what is no such file reserves nothing."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return cls()
        entries = found if isinstance(found, list) else []
        return cls(
            tuple(
                (str(entry["location"])[:500], _is_on(entry.get("tdm-reservation")))
                for entry in entries[:_MAX_RULES]
                if isinstance(entry, dict) and isinstance(entry.get("location"), str)
            )
        )

    def pack(self) -> str:
        """As the frontier keeps it."""
        return json.dumps(list(self.rules))

    @classmethod
    def unpack(cls, packed: str) -> TdmPolicy:
        """The inverse."""
        return cls(tuple((pattern, reserved) for pattern, reserved in json.loads(packed)))

    def reserves(self, url: str) -> bool:
        """Whether the right to mine a URL is reserved."""
        path = "/" + url.partition("://")[2].partition("/")[2]
        return next((reserved for pattern, reserved in self.rules if _fits(pattern, path)), False)


def _is_on(value: object) -> bool:
    return value in (1, "1", True)


def _fits(pattern: str, path: str) -> bool:
    """As in robots.txt: from the beginning, * any letters, $ at the end the end."""
    ends = pattern.endswith("$")
    parts = map(re.escape, pattern.removesuffix("$").split("*"))
    return re.match(".*?".join(parts) + ("$" if ends else ""), path) is not None
