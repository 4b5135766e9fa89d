"""Ranks by a table: what a document costs, how far a rank is off, and how fast a table is made."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.figures import Figure, cpu_seconds
from tests.scoring import calibration, scorer, stream, true_ranks

COUNT = 30_000


def run() -> Iterator[Figure]:
    """See Figure."""
    documents = stream(COUNT)
    table = calibration(documents)
    spent = cpu_seconds(lambda: calibration(documents)) / COUNT * 1e6
    yield Figure("scorer: CPU a document to make a table", spent, "us")
    judge = scorer(table)
    ours = cpu_seconds(lambda: judge(documents)) / COUNT * 1e6
    yield Figure("scorer: CPU a document", ours, "us", "< 50", ours < 50)
    worst = 0.0
    for category in {each.category for each in documents}:
        mine = [each for each in documents if each.category == category]
        truth = true_ranks([each.score for each in mine])
        worst = max(worst, *(abs(each.rank - truth[each.score]) for each in mine))
    yield Figure("scorer: worst error of a rank by the table", 100 * worst, "points", "< 2", worst < 0.02)
    size = len(table.data) / len(table.groups)
    yield Figure("scorer: size of a table, a group", size, "bytes")


if __name__ == "__main__":
    for figure in run():
        print(figure)
