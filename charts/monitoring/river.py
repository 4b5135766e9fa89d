"""Dashboard: how fast documents go, where they wait, and what becomes of them."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN

DOCUMENTS = "documents_total"
NEWS = ('outcome!="known"',)

RIVER = Dashboard(
    "river",
    "River",
    "Rates, lag, drops by reason, dead letters, and what holds the river up.",
    [
        Panel(
            "Documents that go on",
            "By process, a second. The sink's are parts; a process of joined units is named by the first.",
            [Query(CHOSEN.rate(DOCUMENTS, "service", where=('outcome="emit"',)), "{{service}}")],
            "ops",
        ),
        Panel(
            "Lag",
            "Messages that are not consumed: of the mixer what its pools hold beyond its buffers, so no "
            "delay.",
            [Query(CHOSEN.sum(CHOSEN.of("lag_messages"), "service"), "{{service}}")],
        ),
        Panel(
            "Drops by reason",
            "A second, by the unit that decided. What a reason means: `corpusworks audit list` shows "
            "documents of it.",
            [
                Query(
                    CHOSEN.rate(DOCUMENTS, "unit", "reason", where=('outcome="drop"',)),
                    "{{unit}}: {{reason}}",
                )
            ],
            "ops",
            stacked=True,
        ),
        Panel(
            "Share of documents dropped",
            "Of what a unit's process was given. Lanes drop what was taken back or quarantined.",
            [
                Query(
                    CHOSEN.rate(DOCUMENTS, "unit", where=('outcome="drop"',))
                    + " / on (unit) "
                    + f"({CHOSEN.rate(DOCUMENTS, 'unit')})",
                    "{{unit}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Dead letters",
            "A second, by unit: documents that could not be processed. `corpusworks dlq list` says why.",
            [
                Query(
                    CHOSEN.rate(DOCUMENTS, "unit", where=('outcome="dead"',))
                    + f" or 0 * {CHOSEN.rate(DOCUMENTS, 'unit')}",
                    "{{unit}}",
                )
            ],
            "ops",
        ),
        Panel(
            "Bytes",
            "Of message values, a second, read and written.",
            [Query(CHOSEN.rate("bytes_total", "service", "direction"), "{{service}} {{direction}}")],
            "Bps",
        ),
        Panel(
            "Batch, 95th percentile",
            "From the first message of a batch to the transaction's end. It grows with load and is no delay "
            "by itself.",
            [Query(CHOSEN.quantile(0.95, "batch_seconds", "service"), "{{service}}")],
            "s",
        ),
        Panel(
            "Commit, 95th percentile",
            "Of the transaction alone: a slow broker shows here, a slow unit does not.",
            [Query(CHOSEN.quantile(0.95, "commit_seconds", "service"), "{{service}}")],
            "s",
        ),
        Panel(
            "What went wrong",
            "A minute: servers that did not answer, transactions done again, unit processes that died.",
            [
                Query(
                    f"60 * {CHOSEN.rate('dependency_failures_total', 'service', 'dependency')}"
                    " or on () vector(0)",
                    "{{service}}: no answer of {{dependency}}",
                ),
                Query(
                    f"60 * {CHOSEN.rate('transaction_aborts_total', 'service')} or on () vector(0)",
                    "{{service}}: transactions done again",
                ),
                Query(
                    f"60 * {CHOSEN.rate('worker_deaths_total', 'service')} or on () vector(0)",
                    "{{service}}: unit processes died",
                ),
            ],
        ),
        Panel(
            "Requests of uploads",
            "A minute, by outcome: accepted, repeated (known by its idempotency key), refused, unauthorised, "
            "throttled, cut by the sender, failed.",
            [Query(f"60 * {CHOSEN.rate('upload_requests_total', 'outcome')}", "{{outcome}}")],
        ),
        Panel(
            "Uploads",
            "Bytes that were taken, a second.",
            [Query(CHOSEN.rate("upload_bytes_total"), "bytes")],
            "Bps",
        ),
        Panel(
            "Files that wait to be read",
            "Sent and acknowledged, and not in the river yet.",
            [Query(CHOSEN.max(CHOSEN.of("upload_waiting_files")), "files")],
        ),
        Panel(
            "Fetches of the crawler",
            "A minute, by what came of them. new and changed go into the river; unchanged cost a 304 at "
            "most; crash: replicas ended again and again while they fetched it.",
            [Query(f"60 * {CHOSEN.rate('crawl_fetches_total', 'outcome')}", "{{outcome}}")],
            stacked=True,
        ),
        Panel(
            "URLs that the crawler found",
            "A minute, those that were known left out. elsewhere: of hosts that it does not follow; cap, "
            "hosts, full: beyond a limit.",
            [Query(f"60 * {CHOSEN.rate('crawl_urls_total', 'outcome', where=NEWS)}", "{{outcome}}")],
        ),
        Panel(
            "Since a new URL was found",
            "By any replica of the crawler.",
            [Query(CHOSEN.fold("min", CHOSEN.of("crawl_new_url_age_seconds")), "age")],
            "s",
        ),
        Panel(
            "In the units now",
            "Documents of the batch that is being judged.",
            [Query(CHOSEN.sum(CHOSEN.of("in_flight_documents"), "service"), "{{service}}")],
        ),
    ],
)
