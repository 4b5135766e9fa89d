"""A table from documents: the sample behind it, and what of the former table stays."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from services.scorer import Census, ScorerConfig
from services.scorer.calibrate import MIN_DOCUMENTS
from services.scorer.group import Group
from services.scorer.sample import SIZE, Sample
from tests.scoring import KEEP, TARGETS, calibration, document, stream


class TestSample:
    def test_it_is_the_smallest_uids_whatever_the_order(self) -> None:
        """Prevents a table of one corpus that is another each time; twice the weight of what comes twice."""
        rng = random.Random(0)
        pairs = [(rng.getrandbits(64), rng.gauss(0, 1)) for _ in range(3 * SIZE)]
        made = []
        for seed in range(2):
            random.Random(seed).shuffle(pairs)
            sample = Sample()
            for uid, score in [*pairs, *pairs[:5000]]:
                sample.add(uid, score)
            made.append(sample)
        smallest = sorted(pairs)[:SIZE]
        for sample in made:
            assert sample.seen == len(pairs) + 5000
            assert sample.uids.tolist() == [uid for uid, _ in smallest]
            assert sample.scores.tolist() == [score for _, score in smallest]

    def test_two_together_are_the_sample_of_both(self) -> None:
        rng = random.Random(1)
        pairs = [(rng.getrandbits(64), rng.random()) for _ in range(2 * SIZE)]
        one, other, both = Sample(), Sample(), Sample()
        for number, pair in enumerate(pairs):
            (one, other)[number % 3 == 0].add(*pair)
            both.add(*pair)
        assert one.merged([other]).scores.tolist() == both.scores.tolist()
        assert one.merged([other]).seen == len(pairs)

    def test_its_memory_is_bounded(self) -> None:
        """Prevents a table of a large river from needing the river's memory."""
        rng = np.random.default_rng(0)
        sample = Sample()
        tracemalloc.start()
        for _ in range(5):
            for uid, score in zip(
                rng.integers(0, 1 << 63, SIZE).tolist(), rng.random(SIZE).tolist(), strict=True
            ):
                sample.add(uid, score)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sample.seen == 5 * SIZE
        assert len(sample.uids) == SIZE
        assert peak < 16 << 20


class TestCensus:
    def test_a_group_needs_enough_documents(self) -> None:
        rng = random.Random(0)
        few = [document(rng, "speech", rng.random()) for _ in range(MIN_DOCUMENTS - 1)]
        made = calibration([*few, *few, *stream(2000)])  # the same ones again are no more of them
        assert Group("judge@1", "prose", "en", "news") in made.groups
        assert Group("judge@1", "prose", "en", "speech") not in made.groups
        assert made.groups[Group("judge@1", "prose", "en")].documents == 2000 + len(few)

    def test_what_is_new_replaces_its_group_and_the_rest_stays(self) -> None:
        """Prevents a river of one language from making a table that forgets the others."""
        former = calibration(stream(3000))
        census = Census(ScorerConfig())
        for each in stream(3000, seed=1, shift=5):
            if each.category == "news":
                census.add(each)
        made = census.calibration(former)
        news, web = (Group("judge@1", "prose", "en", name) for name in ("news", "web"))
        assert made.groups[news] != former.groups[news]
        assert made.groups[web] == former.groups[web]
        assert census.calibration().groups.keys() < made.groups.keys()

    def test_it_counts_by_group_and_says_what_the_present_table_keeps(self) -> None:
        table = calibration(stream(20_000))
        census = Census(ScorerConfig(keep=KEEP))
        documents = stream(10_000, seed=1)
        documents[0].features.clear()
        for each in documents:
            census.add(each)
        assert (census.documents, census.passed_over) == (9999, 1)
        rows = census.rows(table, census.calibration())
        assert sum(row.documents for row in rows) == 9999
        assert {row.group.category: row.target for row in rows} == TARGETS
        assert {row.group.category: row.kept for row in rows} == pytest.approx(TARGETS, abs=0.03)
        assert all(row.own for row in rows)
