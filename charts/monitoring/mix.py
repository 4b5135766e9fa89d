"""Dashboard: the mix beside what the recipe asks for."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN, deviation, share

HOUR = "1h"
MIXER = 'service="mixer"'

MIX = Dashboard(
    "mix",
    "Mix",
    "Tokens by bucket against the recipe, and what the mix waits for.",
    [
        Panel(
            "Mix and target",
            "Share of a bucket in the tokens of an hour, and by the weights of the phases that they were "
            "taken in.",
            [
                Query(share(CHOSEN, "mixed_tokens_total", "bucket", HOUR), "{{bucket}}"),
                Query(share(CHOSEN, "mix_target_tokens_total", "bucket", HOUR), "{{bucket}}, target"),
            ],
            "percentunit",
        ),
        Panel(
            "Deviation",
            "Of the mix from its target, over an hour. A Flush and a starvation policy other than `wait` "
            "deviate by intent; past 5 points for long there is an alert.",
            [Query(deviation(CHOSEN, HOUR), "{{bucket}}")],
            "percentunit",
        ),
        Panel(
            "Tokens mixed",
            "A second, by bucket.",
            [Query(CHOSEN.rate("mixed_tokens_total", "bucket"), "{{bucket}}")],
            stacked=True,
        ),
        Panel(
            "Starved lanes",
            "Lanes that wait for a bucket without documents while others have some. The mixer's log and "
            "`corpusworks status` name the bucket.",
            [Query(CHOSEN.sum(CHOSEN.of("lane_starved", MIXER)), "lanes")],
            limit=1,
        ),
        Panel(
            "Waiting in the pools",
            "Messages beyond what the mixer has buffered: what is there to be mixed.",
            [Query(CHOSEN.sum(CHOSEN.of("lag_messages", MIXER)), "messages")],
        ),
        Panel(
            "Dropped by the mixer",
            "A second: taken back for a better duplicate (superseded), quarantined, forgotten, or of no "
            "bucket any more.",
            [
                Query(
                    CHOSEN.rate("documents_total", "reason", where=('outcome="drop"', MIXER))
                    + " or on () vector(0)",
                    "{{reason}}",
                )
            ],
            "ops",
        ),
    ],
)
