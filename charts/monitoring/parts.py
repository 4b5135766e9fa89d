"""Dashboard: parts, the archive, and whether what came in has come out."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN

DOCUMENTS = "documents_total"
BEHIND = 'service=~"sink|catalog|archive_.*"'
SOURCES = 'service=~"ingest|crawl|upload"'

PARTS = Dashboard(
    "parts",
    "Parts and ledger",
    "Parts sealed, tokens ready for training, what is held back, and the account of documents.",
    [
        Panel(
            "Parts sealed",
            "A minute, by what ended them. Many by age: little comes in, and parts are small.",
            [Query(f"60 * {CHOSEN.rate('sealed_parts_total', 'sealed_by')}", "{{sealed_by}}")],
        ),
        Panel(
            "Tokens sealed",
            "A second, by bucket.",
            [Query(CHOSEN.rate("sealed_tokens_total", "bucket"), "{{bucket}}")],
            stacked=True,
        ),
        Panel(
            "Age of what is held",
            "Of the oldest document that waits for its part or its file in the archive. It ends at "
            "`seal_age_s`.",
            [Query(CHOSEN.max(CHOSEN.of("open_seconds"), "service"), "{{service}}")],
            "s",
        ),
        Panel(
            "Lag behind the mixer",
            "Messages that sink, catalog and archive were not given yet.",
            [Query(CHOSEN.sum(CHOSEN.of("lag_messages", BEHIND), "service"), "{{service}}")],
        ),
        Panel(
            "The account",
            "Documents a second: in, and how they leave. What is in and has not left is under way, or waits "
            "in the pools; `corpusworks reconcile` proves it document by document.",
            [
                Query(CHOSEN.rate(DOCUMENTS, where=(SOURCES, 'outcome="emit"')), "in"),
                Query(CHOSEN.rate(DOCUMENTS, where=('outcome="drop"',)), "dropped"),
                Query(
                    CHOSEN.rate(DOCUMENTS, where=('outcome="dead"',)) + " or on () vector(0)",
                    "dead letters",
                ),
                Query(CHOSEN.rate(DOCUMENTS, where=('service="mixer"', 'outcome="emit"')), "mixed"),
            ],
            "ops",
        ),
        Panel(
            "Parts numbered, files archived",
            "Announcements an hour, by service.",
            [
                Query(
                    CHOSEN.increase(
                        DOCUMENTS,
                        "service",
                        where=('service=~"catalog|archive_.*"', 'outcome="emit"'),
                        window="1h",
                    ),
                    "{{service}}",
                )
            ],
        ),
    ],
)
