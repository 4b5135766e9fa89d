"""Dashboard: what the rules and the judges drop, and whether they treat languages and formats alike."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN, bias

JUDGED = "rules_judged_documents_total"
JUNK = "scorer_junk_documents_total"
HOUR = "1h"
KINDS = ("zh", "en", "code")  # what the shipped calibration has groups of
LOW = "0.05"  # a bound of the histogram's


def _low(kind: str) -> str:
    low = CHOSEN.increase(f"scorer_place_{kind}_bucket", where=(f'le="{LOW}"',), window=HOUR)
    return f"{low} / {CHOSEN.increase(f'scorer_place_{kind}_count', window=HOUR)}"


CLEANING = Dashboard(
    "cleaning",
    "Cleaning and bias",
    "Rules by language and format, the bias guard, and the drift of the scorer.",
    [
        Panel(
            "Bias ratio of each rule",
            "Its share of drops in a language and format, against its share in all groups that it applies "
            "to, over an hour. 1 is alike; past 1.5, where enough was seen, there is an alert.",
            [Query(bias(CHOSEN, HOUR), "{{reason}}: {{language}} {{format}}")],
            limit=1.5,
        ),
        Panel(
            "Dropped by the rules, by language and format",
            "Share of what came in an hour. A language that is not kept is `other`, and goes by intent.",
            [
                Query(
                    CHOSEN.increase(JUDGED, "language", "format", where=('reason!=""',), window=HOUR)
                    + " / on (language, format) "
                    + CHOSEN.increase(JUDGED, "language", "format", window=HOUR),
                    "{{language}} {{format}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Dropped by each rule",
            "Share of all that the rules judged in an hour. A document counts for the first rule that it "
            "breaks.",
            [
                Query(
                    CHOSEN.increase(JUDGED, "reason", where=('reason!=""',), window=HOUR)
                    + f" / scalar({CHOSEN.increase(JUDGED, window=HOUR)})",
                    "{{reason}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Judged, by language and format",
            "Documents a second.",
            [Query(CHOSEN.rate(JUDGED, "language", "format"), "{{language}} {{format}}")],
            "ops",
            stacked=True,
        ),
        Panel(
            "Repeated sentences taken out",
            "A second, by what repeats them: the documents of a host, or three in a row anywhere. Nothing "
            "where `units.sentences.of` is empty.",
            [Query(CHOSEN.rate("sentences_removed_total", "by", "language"), "{{by}} {{language}}")],
            "ops",
        ),
        Panel(
            "Sentences forgotten",
            "A second: the table is full, and the oldest make room. Where it is as much as comes, only what "
            "repeats within about `units.sentences.entries` sentences is found.",
            [Query(CHOSEN.rate("sentences_forgotten_total"), "forgotten")],
            "ops",
        ),
        Panel(
            "Drift of the scorer",
            "Share of documents that stand in the lowest twentieth among their like by the calibration, "
            "over an hour: 5 % while the calibration fits what comes in.",
            [Query(_low(kind), kind) for kind in KINDS],
            "percentunit",
            limit=0.1,
        ),
        Panel(
            "Junk, by language and category",
            "Share of the documents that stand past their like's limit, over an hour: 1 % of good text, so "
            "what is more is junk, or text of another kind. Dropped only where `units.scorer.junk` says so.",
            [
                Query(
                    CHOSEN.increase(JUNK, "language", "category", where=('junk="yes"',), window=HOUR)
                    + " / on (language, category) "
                    + CHOSEN.increase(JUNK, "language", "category", window=HOUR),
                    "{{language}} {{category}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Dropped by classifier and scorer",
            "A second, by reason.",
            [
                Query(
                    CHOSEN.rate(
                        "documents_total",
                        "unit",
                        "reason",
                        where=('outcome="drop"', 'unit=~"classifier|scorer"'),
                    ),
                    "{{unit}}: {{reason}}",
                )
            ],
            "ops",
        ),
    ],
)
