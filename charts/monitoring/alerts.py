"""The alerts: what somebody is to be told, when, and under which name the runbooks explain it.

Rates of a river differ by a thousand, so alerts go by shares and by standing still where that can be said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from charts.monitoring.query import EVERYWHERE as ALL
from charts.monitoring.query import bias, deviation, surprise

Json = dict[str, Any]

# Replaced by the chart with `monitoring.runbooks`, where that is set.
RUNBOOKS = "runbooks.md"

DOCUMENTS, JUDGED = "documents_total", "rules_judged_documents_total"
DEAD = 'outcome="dead"'
# The mixer's lag is what its pools hold for later, and no delay.
QUEUED = 'service!="mixer"'

LAG_LEAST = 1000  # messages; less is a batch
DEAD_LEAST, DEAD_SHARE = (
    20,
    0.01,
)  # in 15 minutes. At a tenth of 1,000 in a row a service stops (dead_letter_limit)
BIAS = 1.5  # DESIGN's bias guard
BIAS_SEEN, BIAS_DROPS = 200, 20  # documents of a group, and drops, in 6 hours: fewer are chance
BIAS_ERRORS = 3  # standard errors; in a small group more than 20 drops are chance as well
MIX_OFF, MIX_LEAST = 0.05, 1_000_000  # points; tokens in 6 hours, since a lane is off by up to a document
REDIS_FULL = 0.85
PART_AGE_S = 1800  # six times the sink's seal_age_s by default
LOSS_JUMP = 1.3
NEW_URL_S = 1800
TOKENS_LEAST = 100_000_000  # the launcher's start_tokens by default


@dataclass(frozen=True)
class Alert:
    """expr: fires for each series in its answer. lasts: how long before. says: a template of Prometheus."""

    name: str
    expr: str
    lasts: str
    severity: Literal["warning", "critical"]
    summary: str
    says: str

    @property
    def rule(self) -> Json:
        """As a rule file of Prometheus has it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.says,
                "runbook_url": f"{RUNBOOKS}#{self.name.lower()}",
            },
        }


def _lag(offset: str = "") -> str:
    return ALL.sum(ALL.of("lag_messages", QUEUED) + offset, "service")


_GROWS = (
    f"{_lag()} > {LAG_LEAST} and {ALL.on('service')} deriv(({_lag()})[30m:1m]) > 0"
    f" and {ALL.on('service')} {_lag()} > 1.2 * {_lag(' offset 30m')}"
)


_STUCK = (
    f"{_lag()} > 0 unless {ALL.on('service')} "
    f"({ALL.increase('batch_seconds_count', 'service', window='15m')} > 0)"
)

_DEAD = ALL.increase(DOCUMENTS, "unit", where=(DEAD,), window="15m")
_FLOOD = (
    f"{_DEAD} > {DEAD_LEAST} and {ALL.on('unit')} "
    f"({_DEAD} / {ALL.increase(DOCUMENTS, 'unit', window='15m')} > {DEAD_SHARE})"
)

_BIASED = (
    f"{bias(ALL, '6h')} > {BIAS}"
    f" and {ALL.on('language', 'format')}"
    f" {ALL.increase(JUDGED, 'language', 'format', window='6h')} >= {BIAS_SEEN}"
    f" and {ALL.on('language', 'format', 'reason')}"
    f" {ALL.increase(JUDGED, 'language', 'format', 'reason', window='6h')} >= {BIAS_DROPS}"
    f" and {ALL.on('language', 'format', 'reason')} {surprise(ALL, '6h')} > {BIAS_ERRORS}"
)

_OFF = (
    f"abs({deviation(ALL, '6h')}) > {MIX_OFF} and {ALL.on()} "
    f"{ALL.increase('mixed_tokens_total', window='6h')} > {MIX_LEAST}"
)

_SEEN = ALL.fold("count", f"last_over_time({ALL.of('lag_messages')}[1d])", "service")
_GONE = f"{_SEEN} unless {ALL.on('service')} {ALL.fold('count', ALL.of('lag_messages'), 'service')}"

_FULL = f"{ALL.max(ALL.of('redis_used_bytes'))} / {ALL.max(ALL.of('redis_limit_bytes'))} > {REDIS_FULL}"
_FORGETS = (
    f"{ALL.max(ALL.of('redis_forgetful'))} > 0 or "
    f"{ALL.max('delta(' + ALL.of('redis_evicted_keys') + '[1h])')} > 0"
)

_LOSS = ALL.max(ALL.of("train_loss"))
_SPIKES = (
    f"{_LOSS} > {LOSS_JUMP} * {ALL.max('avg_over_time(' + ALL.of('train_loss') + '[1h] offset 5m)')}"
    f" or {ALL.increase('train_rewinds_total', window='1h')} > 0"
    f" or {ALL.increase('train_skipped_steps_total', window='1h')} > 10"
)

_IDLE = ALL.max(ALL.of("launcher_job", 'state="running"'))
_TOKENS = "{} - {}".format(
    *(ALL.max(ALL.of("launcher_tokens", f'what="{what}"')) for what in ("ready", "consumed"))
)
_FAILED = ALL.increase("launcher_actions_total", where=('reason="TrainerFailed"',), window="1h")
_LAUNCHER = (
    f"({_TOKENS} > {TOKENS_LEAST} and {ALL.on()} {_IDLE} == 0)"
    f" or {_FAILED} > 3"
    f" or {ALL.sum(ALL.of('launcher_leads'))} == 0"
)

_HELD = ALL.max(ALL.of("open_seconds", 'service="sink"'))
_UPLOADS = (
    f"{ALL.max('min_over_time(' + ALL.of('upload_waiting_files') + '[15m])')} > 0 unless {ALL.on()} "
    f"({ALL.increase('upload_files_total', window='15m')} > 0"
    f" or {ALL.increase('upload_documents_total', window='15m')} > 0)"
)
_INGEST = ('service="ingest"', 'outcome="emit"')
# A crawler may fetch known URLs for days while nothing is discovered any more: it says itself since when.
_FOUND_NOTHING = (
    f"{ALL.increase(DOCUMENTS, where=_INGEST, window='30m')} == 0"
    f" or {ALL.fold('min', ALL.of('crawl_new_url_age_seconds'))} > {NEW_URL_S}"
)

ALERTS: Sequence[Alert] = (
    Alert(
        "CorpusworksLagGrows",
        _GROWS,
        "30m",
        "warning",
        "{{ $labels.service }} falls behind",
        "{{ $labels.service }} has {{ $value | humanize }} messages before it, and more every minute.",
    ),
    Alert(
        "CorpusworksStuck",
        _STUCK,
        "5m",
        "critical",
        "{{ $labels.service }} stands still",
        "{{ $value | humanize }} messages wait for {{ $labels.service }}, which has committed nothing for a "
        "quarter of an hour.",
    ),
    Alert(
        "CorpusworksServiceGone",
        _GONE,
        "10m",
        "critical",
        "{{ $labels.service }} does not run",
        "{{ $labels.service }} was seen within a day and answers no more: it does not start, or was removed.",
    ),
    Alert(
        "CorpusworksDeadLetters",
        _FLOOD,
        "5m",
        "critical",
        "{{ $labels.unit }} cannot process documents",
        "{{ $value | humanize }} documents became dead letters in {{ $labels.unit }} within a quarter of an "
        "hour: a bug or a new kind of document.",
    ),
    Alert(
        "CorpusworksRuleBias",
        _BIASED,
        "30m",
        "warning",
        "{{ $labels.reason }} drops {{ $labels.language }} {{ $labels.format }} more than the rest",
        "The rule {{ $labels.reason }} drops {{ $value | humanize }} times as much of {{ $labels.language }} "
        "{{ $labels.format }} as of all documents that it applies to.",
    ),
    Alert(
        "CorpusworksStarved",
        f"{ALL.max(ALL.of('lane_starved'))} > 0",
        "15m",
        "warning",
        "The mix waits for a bucket that has run dry",
        "{{ $value | humanize }} lanes have documents, and wait for a bucket that has none.",
    ),
    Alert(
        "CorpusworksMixOff",
        _OFF,
        "30m",
        "warning",
        "The share of {{ $labels.bucket }} is off",
        "{{ $labels.bucket }} is off its share in the mix by {{ $value | humanizePercentage }} of all "
        "tokens.",
    ),
    Alert(
        "CorpusworksRedisFull",
        _FULL,
        "10m",
        "critical",
        "Redis is nearly full",
        "The fullest node behind dedup has {{ $value | humanizePercentage }} of what it may take; full, it "
        "refuses writes and the river waits.",
    ),
    Alert(
        "CorpusworksRedisForgets",
        _FORGETS,
        "1m",
        "critical",
        "Redis forgets documents",
        "The server behind dedup throws keys away, may do so, or keeps no append-only file: duplicates will "
        "pass.",
    ),
    Alert(
        "CorpusworksPartAge",
        f"{_HELD} > {PART_AGE_S}",
        "5m",
        "warning",
        "A part is not sealed",
        "The oldest document in the sink has waited {{ $value | humanizeDuration }} for its part.",
    ),
    Alert(
        "CorpusworksLossSpike",
        _SPIKES,
        "0m",
        "warning",
        "The loss jumps",
        "The trainer's loss stands far above its mean of an hour, or it skipped steps or went back to a "
        "checkpoint.",
    ),
    Alert(
        "CorpusworksLauncherStuck",
        _LAUNCHER,
        "30m",
        "critical",
        "Tokens wait and nothing trains",
        "Enough tokens wait and no job runs, jobs fail again and again, or no launcher leads.",
    ),
    Alert(
        "CorpusworksUploadsWait",
        _UPLOADS,
        "5m",
        "critical",
        "Files that were sent are not read",
        "{{ $value | humanize }} files were acknowledged, and none of them came into the river for a quarter "
        "of an hour.",
    ),
    Alert(
        "CorpusworksNoNewUrl",
        _FOUND_NOTHING,
        "5m",
        "warning",
        "Nothing new is found",
        "Ingest runs and has published nothing for half an hour, or the crawler has found no new URL.",
    ),
)


def rules() -> Json:
    """The rule file."""
    return {"groups": [{"name": "corpusworks", "interval": "30s", "rules": [alert.rule for alert in ALERTS]}]}
