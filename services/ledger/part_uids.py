"""Which documents the records of a part name; as fast as its bytes are read."""

from __future__ import annotations

import json
import re

from services.ledger.sums import Uids, uids_of
from services.runtime import ObjectStore

# Within a string of JSON its quotes would have a backslash before them.
_UID = re.compile(rb'"uid":"([0-9a-f]{16})"')
_USE = re.compile(rb'"use":(\d+)')


def uids_in_part(store: ObjectStore, name: str) -> tuple[Uids, Uids]:
    """Of documents whose first use is in the part, and of those that are used in it again.

    A line that is no record names none. Raises FileNotFoundError, DependencyDown.
    """
    data = store.get(f"parts/{name}.jsonl")
    uids, uses = _UID.findall(data), _USE.findall(data)
    if len(uids) == len(uses) == data.count(b"\n"):
        found = [(int(uid, 16), int(use)) for uid, use in zip(uids, uses, strict=True)]
    else:  # of another hand, or cut
        found = list(filter(None, map(_record, data.splitlines())))
    first = uids_of(uid for uid, use in found if use <= 1)
    return first, uids_of(uid for uid, use in found if use > 1)


def _record(line: bytes) -> tuple[int, int] | None:
    try:
        row = json.loads(line)
        return int(row["uid"], 16), int(row["use"])
    except (ValueError, TypeError, KeyError):
        return None
