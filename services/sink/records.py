"""A line of part-….jsonl: what is known of one document in a part.

    {"id": "notes/7.md", "uid": "00f3…", "source": "file:///…", "bucket": "zh", "category": "",
     "language": "zh", "format": "prose", "rank": null, "phase": "stable", "use": 1, "cluster": null,
     "spans": [[0, 2048], [6144, 6200]], "num_tokens": 2104, "lane": 0, "offset": 17,
     "recipe": "9f86d081884c7d65", "tokenizer": "6a6aed53fd4a", "url": "https://…", "licence": "CC0",
     "title": "Tides"}

uid and cluster are hexadecimal, since JSON readers lose digits of 64-bit numbers; cluster is null for a
document that has no near-duplicates, rank where no scorer ran. Each span lies within one sequence. url,
licence and title are there where the input said them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from contracts import PartRecord, Span

Spans = Sequence[tuple[int, int]]  # start and end of each

_WHERE_KNOWN = ("url", "licence", "title")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def to_line(record: PartRecord, spans: Spans | None = None) -> bytes:
    """One line with its newline; the same bytes for the same record. spans: where the record says none."""
    return _ENCODER.encode(as_plain(record, spans)).encode() + b"\n"


def as_plain(record: PartRecord, spans: Spans | None = None) -> dict[str, Any]:
    """A line as JSON has it."""
    plain: dict[str, Any] = {
        "id": record.id,
        "uid": f"{record.uid:016x}",
        "source": record.source,
        "bucket": record.bucket,
        "category": record.category,
        "language": record.language,
        "format": record.format,
        # The shortest decimal that is this float32; as a double it would show digits that mean nothing.
        "rank": float(str(np.float32(record.rank))) if record.HasField("rank") else None,
        "phase": record.phase,
        "use": record.use,
        "cluster": f"{record.cluster:016x}" if record.cluster else None,
        "spans": [[span.start, span.end] for span in record.spans] if spans is None else spans,
        "num_tokens": record.num_tokens,
        "lane": record.position.lane,
        "offset": record.position.offset,
        "recipe": record.recipe,
        "tokenizer": record.tokenizer,
    }
    return plain | {name: said for name in _WHERE_KNOWN if (said := getattr(record, name))}


def from_line(line: bytes) -> PartRecord:
    """The inverse of to_line. Raises ValueError."""
    try:
        plain = json.loads(line)
        position = PartRecord.Position(lane=plain.pop("lane"), offset=plain.pop("offset"))
        spans = [Span(start=start, end=end) for start, end in plain.pop("spans")]
        uid = int(plain.pop("uid"), 16)
        cluster = int(plain.pop("cluster") or "0", 16)
        return PartRecord(**plain, uid=uid, cluster=cluster, spans=spans, position=position)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a record of a part: {error!r}") from error
