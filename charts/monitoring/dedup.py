"""Dashboard: duplicates, crowds, likeness to who stands for a document, and the Redis behind it."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN

DEDUP = 'unit="dedup"'
HOUR = "1h"
LIKENESS = "dedup_living_likeness"


def _per_page(name: str) -> str:
    total = CHOSEN.increase(f"{name}_sum", window=HOUR)
    return f"{total} / {CHOSEN.increase('documents_total', where=(DEDUP,), window=HOUR)} or on () vector(0)"


DEDUPLICATION = Dashboard(
    "dedup",
    "Deduplication",
    "Duplicates by kind, what crowded bands may miss, and the memory of the index.",
    [
        Panel(
            "Duplicates",
            "Documents a second. already_seen: the same document came twice.",
            [Query(CHOSEN.rate("documents_total", "reason", where=('outcome="drop"', DEDUP)), "{{reason}}")],
            "ops",
            stacked=True,
        ),
        Panel(
            "Share of duplicates",
            "Of what came to dedup in an hour.",
            [
                Query(
                    CHOSEN.increase("documents_total", "reason", where=('outcome="drop"', DEDUP), window=HOUR)
                    + f" / scalar({CHOSEN.increase('documents_total', where=(DEDUP,), window=HOUR)})",
                    "{{reason}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Likeness to the living document",
            "Of what was dropped and the document that stands for it, over an hour. At the end of a chain "
            "it may be unlike; the lowest twentieth shows that first.",
            [
                Query(CHOSEN.quantile(0.05, LIKENESS, window=HOUR), "lowest twentieth"),
                Query(CHOSEN.quantile(0.5, LIKENESS, window=HOUR), "median"),
            ],
            "percentunit",
        ),
        Panel(
            "Crowded bands",
            "A document, over an hour: members of its bands that it was not compared with, since bands are "
            "bounded; and near-duplicates over the threshold that were taken for noise.",
            [
                Query(_per_page("dedup_crowd_missed"), "not compared"),
                Query(_per_page("dedup_crowd_spared"), "spared"),
            ],
        ),
        Panel(
            "Cold tier",
            "Documents of a day that are like nothing in the cold tier and dropped for it, as many as are to "
            "be expected by how full its filters are.",
            [Query(f"{CHOSEN.increase('dedup_cold_false_sum', window='1d')} or on () vector(0)", "falsely")],
        ),
        Panel(
            "Memory of Redis",
            "Of the fullest node, and what it may take.",
            [
                Query(CHOSEN.max(CHOSEN.of("redis_used_bytes")), "used"),
                Query(CHOSEN.max(CHOSEN.of("redis_limit_bytes")), "limit"),
            ],
            "bytes",
        ),
        Panel(
            "Bytes a document",
            "By which the fullest node grew in an hour, over what dedup was given in it. 300 is expected, "
            "450 with signatures; an idle river shows nothing of use.",
            [
                Query(
                    f"{CHOSEN.max('delta(' + CHOSEN.of('redis_used_bytes') + '[1h])')} / "
                    + CHOSEN.increase("documents_total", where=(DEDUP,), window=HOUR),
                    "bytes",
                )
            ],
            "bytes",
        ),
        Panel(
            "Keys that Redis threw away",
            "Since its start: each is a document that dedup has forgotten. Anything but 0 is an alert.",
            [Query(CHOSEN.max(CHOSEN.of("redis_evicted_keys")), "evicted")],
            kind="stat",
            limit=1,
        ),
        Panel(
            "Redis is set up to forget",
            "1: it keeps no append-only file, or may evict keys.",
            [Query(CHOSEN.max(CHOSEN.of("redis_forgetful")), "forgetful")],
            kind="stat",
            limit=1,
        ),
    ],
)
