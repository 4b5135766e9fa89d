"""Every metric of the river, declared once. No ids, URLs or free text in labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Documents that came out of a service, by what became of them. outcome: emit, drop, dead.
# reason: a drop_reason of the unit, else empty. unit: which of a chain decided.
DOCUMENTS = Counter("corpusworks_documents", "Documents by outcome", ["service", "unit", "outcome", "reason"])

# Bytes of message values read and written.
BYTES = Counter("corpusworks_bytes", "Message bytes", ["service", "direction"])

# From the first record polled to the transaction's commit.
BATCH_SECONDS = Histogram(
    "corpusworks_batch_seconds",
    "Latency of a batch",
    ["service"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)

# The commit alone: tells a slow broker from a slow unit.
COMMIT_SECONDS = Histogram(
    "corpusworks_commit_seconds",
    "Latency of a transaction's commit",
    ["service"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)

# Messages not yet consumed, summed over the partitions this process holds: of a unit those that are not
# committed, of a lane those that its task was not given yet.
LAG = Gauge("corpusworks_lag_messages", "Messages waiting in the input", ["service"])

# Documents inside the units now.
IN_FLIGHT = Gauge("corpusworks_in_flight_documents", "Documents in the current batch", ["service"])

# Transactions that were aborted and done again.
ABORTS = Counter("corpusworks_transaction_aborts", "Aborted transactions", ["service"])

# Times a server that a unit needs did not answer. dependency: kafka, redis, store, triton.
DEPENDENCY_FAILURES = Counter(
    "corpusworks_dependency_failures", "Failed calls to a dependency", ["service", "dependency"]
)

# Worker processes killed for time, memory or a crash inside a unit.
WORKER_DEATHS = Counter("corpusworks_worker_deaths", "Deaths of the process that runs the units", ["service"])

# Lanes that wait for a bucket that has run dry.
STARVED = Gauge("corpusworks_lane_starved", "Lanes that wait for a bucket without documents", ["service"])

# Of the launcher, which follows one run. what: ready (in parts of the catalog), consumed (trained on).
LAUNCHER_TOKENS = Gauge("corpusworks_launcher_tokens", "Tokens of the run that is launched", ["what"])

# 1 for the state that the job is in (services/launcher/policy.py), 0 for the others.
LAUNCHER_JOB = Gauge("corpusworks_launcher_job", "The state of the job", ["state"])

# 1 for the launcher that leads, 0 for those that stand by.
LAUNCHER_LEADS = Gauge("corpusworks_launcher_leads", "Whether this launcher leads")

# What was done to the job: made, suspended, resumed, removed. reason: policy.Reason.
LAUNCHER_ACTIONS = Counter("corpusworks_launcher_actions", "Changes of the job", ["action", "reason"])

# Events of the trainer handed on to Kafka. kind: start, step, skip … (proto/train.proto).
TRAIN_EVENTS = Counter("corpusworks_launcher_events", "Events of the trainer handed on", ["kind"])

# Age of the oldest thing that a lane holds and has not written: of a part or a file in the making.
OPEN_SECONDS = Gauge("corpusworks_open_seconds", "Age of what a lane holds and has not written", ["service"])

# What verdicts and steps count beside documents, by the name that they use: once it is committed. A name that
# is not here is an error of the unit. The first label is the service, which the runtime fills in.
COUNTED = {
    # Documents that the rules judged. language: one of those that are kept, und, or other; reason: of the
    # rule that dropped it, else empty. A rule that applies to a group has its series from the group's first
    # document on, so that its share can be held against that of all groups that it applies to.
    "rules_judged_documents": Counter(
        "corpusworks_rules_judged_documents",
        "Documents that the rules judged",
        ["service", "language", "format", "reason"],
    ),
    # Documents whose logit of the judge's head junk was held against their like's limit. junk: yes past it,
    # no within; the share of yes is a hundredth of good text, so more of it is junk, or text of another kind.
    "scorer_junk_documents": Counter(
        "corpusworks_scorer_junk_documents",
        "Documents by what the judge's head junk says of them",
        ["service", "language", "category", "junk"],
    ),
    # Sentences taken out of texts since others repeat them. by: host (its documents have it) or span (three
    # in a row, of any host). language: zh, en or other.
    "sentences_removed": Counter(
        "corpusworks_sentences_removed", "Repeated sentences taken out", ["service", "by", "language"]
    ),
    # Of the table of sentences, which has a fixed size: entries pushed out by newer ones.
    "sentences_forgotten": Counter(
        "corpusworks_sentences_forgotten", "Sentences no longer remembered", ["service"]
    ),
    # Tokens that were taken from the pools.
    "mixed_tokens": Counter("corpusworks_mixed_tokens", "Tokens taken from the pools", ["service", "bucket"]),
    # The same tokens, divided as the weights of the phase would have it: what the former is held against.
    "mix_target_tokens": Counter(
        "corpusworks_mix_target_tokens", "Tokens taken, by the weights of the phase", ["service", "bucket"]
    ),
    # Parts that were announced. sealed_by: size, age, phase, recipe, vocabulary or flush.
    "sealed_parts": Counter("corpusworks_sealed_parts", "Parts announced", ["service", "sealed_by"]),
    # Tokens in them, by the bucket that they come from.
    "sealed_tokens": Counter("corpusworks_sealed_tokens", "Tokens in parts announced", ["service", "bucket"]),
    # Fetches of the crawler, once they are durable. outcome: a row of services/ingest/crawl/visit.py.
    "crawl_fetches": Counter(
        "corpusworks_crawl_fetches", "URLs fetched, or not, by what came of it", ["service", "outcome"]
    ),
    # URLs that were found. outcome: new, known, due (a sitemap says it has changed), elsewhere (of a host
    # that is not followed), or the limit that left it out: cap (of its host), hosts, full.
    "crawl_urls": Counter(
        "corpusworks_crawl_urls", "URLs found, by what became of them", ["service", "outcome"]
    ),
    # Requests that send something. outcome: accepted; repeated (known by its idempotency key); refused (it is
    # wrong), unauthorised, throttled; cut (the sender went away); failed (a server does not answer).
    "upload_requests": Counter("corpusworks_upload_requests", "Requests by outcome", ["service", "outcome"]),
    # Of bodies that were taken.
    "upload_bytes": Counter("corpusworks_upload_bytes", "Bytes that were sent and taken", ["service"]),
    # Files that were sent, once they are in the river. outcome: read; failed (what is left cannot be read).
    "upload_files": Counter(
        "corpusworks_upload_files", "Files that were sent and read", ["service", "outcome"]
    ),
    # Documents in them.
    "upload_documents": Counter(
        "corpusworks_upload_documents", "Documents of files that were sent", ["service"]
    ),
}

# What a unit's `gauges` tells of the server behind it, and a door of itself, by the name that it uses.
GAUGES = {
    # Of uploads: in the store, and not in the river yet. Each replica tells the whole.
    "upload_waiting_files": Gauge(
        "corpusworks_upload_waiting_files", "Files that were sent and wait to be read", ["service"]
    ),
    # Of the fullest node, as the server counts it.
    "redis_used_bytes": Gauge(
        "corpusworks_redis_used_bytes", "Memory of the fullest Redis node", ["service"]
    ),
    # Of the same node: its maxmemory, or without one the memory of its machine.
    "redis_limit_bytes": Gauge("corpusworks_redis_limit_bytes", "What that node may take", ["service"]),
    # Keys that the nodes have thrown away for room since they started. Each is a document forgotten.
    "redis_evicted_keys": Gauge(
        "corpusworks_redis_evicted_keys", "Keys evicted since the start", ["service"]
    ),
    # 1 where a node keeps no append-only file, or may evict keys: what it holds does not last.
    "redis_forgetful": Gauge("corpusworks_redis_forgetful", "Redis is set up to forget", ["service"]),
    # How long ago any replica of the crawler found a URL that was not known.
    "crawl_new_url_age_seconds": Gauge(
        "corpusworks_crawl_new_url_age_seconds", "Since a new URL was found", ["service"]
    ),
}

# What units measure of a document beside its verdict, by the name that their verdicts use: observed once
# what they decided is committed. A name that is not here is an error of the unit.
OBSERVED = {
    # Where documents stand among their like by the scorer's calibration: evenly spread over 0..1 while it
    # fits what comes in, so that the share below .05 tells of drift before a report does.
    **{
        f"scorer_place_{kind}": Histogram(
            f"corpusworks_scorer_place_{kind}",
            f"Places of documents ({kind}) among their like by the calibration",
            ["service"],
            buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1),
        )
        for kind in ("zh", "en", "code", "other")
    },
    # How like a document is the one that stands for it: at the end of a chain it may be unlike.
    "dedup_living_likeness": Histogram(
        "corpusworks_dedup_living_likeness",
        "Likeness of dropped documents and the living one that stands for them",
        ["service"],
        buckets=(0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1),
    ),
    # Members of its bands that a page in a crowd was not compared with, since the bands are bounded.
    "dedup_crowd_missed": Histogram(
        "corpusworks_dedup_crowd_missed",
        "Members of crowded bands not compared, by page",
        ["service"],
        buckets=(0, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
    ),
    # Neighbours at or above the threshold that a page in a crowd is not taken for a copy of, for the noise.
    "dedup_crowd_spared": Histogram(
        "corpusworks_dedup_crowd_spared",
        "Neighbours within the margin over the threshold, by page in a crowd",
        ["service"],
        buckets=(0, 1, 3, 10, 30),
    ),
    # By how full the filters of the cold tier are; the sum is how many have dropped falsely by chance.
    "dedup_cold_false": Histogram(
        "corpusworks_dedup_cold_false",
        "Chance that a document would drop for the cold tier that is like nothing in it, by document",
        ["service"],
        buckets=(1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3),
    ),
}
