"""Clusters: who stays and is alike shares a key, in whatever batches it comes, and however often."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from contracts import DedupRecord, Document
from services.dedup import DedupConfig
from services.runtime import ConfigurationError, Drop, Emit, Verdict, configure, topics
from tests.near_duplicates import (
    TOPIC_ID,
    chain,
    commit,
    corpus,
    document,
    keys,
    least_kin,
    memory_judge,
    prose,
    retractions,
)
from tests.template_pages import crowd, jaccard

# Each is like the one before and less like all others; and the bands find each, as they always do in these.
ALIKE = chain(2, 4, 0.14)


def clusters(verdicts: Sequence[Verdict]) -> list[int]:
    """Of documents that all went on."""
    assert all(isinstance(verdict, Emit) for verdict in verdicts)
    return [verdict.document.cluster for verdict in verdicts if isinstance(verdict, Emit)]


def sizes(verdicts: Sequence[Verdict]) -> list[float | None]:
    """Of those that went on, what the pool and the archive are told; None: nothing."""
    found = []
    for verdict in verdicts:
        if isinstance(verdict, Emit):
            (whole,) = [a.value for a in verdict.also if a.topic == topics.UNIQUE]
            assert isinstance(whole, Document)
            size = verdict.document.features.get("cluster_size")
            assert whole.features.get("cluster_size") == size
            found.append(size)
    return found


def logged(verdict: Verdict) -> int:
    """The cluster that dedup.log is told."""
    return record(verdict).cluster


def record(verdict: Verdict) -> DedupRecord:
    """What dedup.log is told of a first sight."""
    assert isinstance(verdict, Emit | Drop)
    (found,) = [
        also.value
        for also in verdict.also
        if also.topic == topics.DEDUP_LOG and isinstance(also.value, DedupRecord) and also.value.entry
    ]
    return found


def test_the_samples_are_alike_and_no_duplicates() -> None:
    """0.6 to 0.8 from each to the next, or the tests of chains prove nothing."""
    for one, other in itertools.pairwise(ALIKE):
        assert 0.6 < jaccard(one, other) < 0.78
    assert jaccard(ALIKE[0], ALIKE[-1]) < 0.45


@pytest.mark.parametrize("size", [1, 2, 4])
def test_those_that_come_later_take_the_key_of_the_first(size: int) -> None:
    """Prevents clusters of two: who is like the third of a cluster must be kept from the first as well."""
    judge = memory_judge()
    batch = [document(7 + i, text, 0.5, i) for i, text in enumerate(ALIKE)]
    batch.append(document(99, " ".join(prose(5)), 0.5, 4))
    found = [v for at in range(0, len(batch), size) for v in judge(batch[at : at + size])]
    assert clusters(found) == [0, 7, 7, 7, 0], "of the first its uid is the key"
    assert [logged(verdict) for verdict in found] == [0, 7, 7, 7, 0]
    assert sizes(found) == [None, 2, 3, 4, None], "how many of it there were when it came"
    assert [record(verdict).number for verdict in found] == [0, 2, 3, 4, 0]


def test_a_document_that_is_judged_again_is_given_the_same() -> None:
    """Prevents the first of a cluster from joining those that took its key, when its batch comes again."""
    judge = memory_judge()
    batch = [document(7 + i, text, 0.5, i) for i, text in enumerate(ALIKE)]
    first = clusters(judge([Document.FromString(each.SerializeToString()) for each in batch[:2]]))
    rest = clusters(judge([Document.FromString(each.SerializeToString()) for each in batch[2:]]))
    for size in (1, 4):
        again = [v for at in range(0, 4, size) for v in judge(batch[at : at + size])]
        assert clusters(again) == [*first, *rest] == [0, 7, 7, 7]
        assert sizes(again) == [None, 2, 3, 4]


def changed(text: str, seed: int, number: int) -> str:
    """With so many of its words made new."""
    words, new = text.split(), iter(prose(seed + 500, number))
    for at in random.Random(seed).sample(range(len(words)), number):
        words[at] = next(new)
    return " ".join(words)


def test_two_clusters_that_a_document_is_like_become_one() -> None:
    """Whichever came first, all three are kept apart, and lanes are told what has gone out otherwise."""
    text = " ".join(prose(43))
    near, far = document(1, changed(text, 1, 22)), document(2, changed(text, 6, 36))
    assert 0.5 < jaccard(far.text, text) < jaccard(near.text, text) - 0.05
    assert jaccard(near.text, far.text) < 0.5
    one = document(3, text)
    for batch in itertools.permutations([near, far, one]):
        judge = memory_judge()
        found = [verdict for each in batch for verdict in judge([each])]
        assert keys(found) == {1: 1, 2: 1, 3: 1}
        assert max(size or 0 for size in sizes(found)) == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_an_id_follows_from_the_set(seed: int) -> None:
    """In any order, in any batches, with batches that were interrupted: the least uid of those connected."""
    documents = corpus(seed, 6)
    expected = least_kin(documents, DedupConfig())
    assert 10 < len(set(expected.values())) < len(documents) / 2
    for turn in range(4):
        rng = random.Random(turn)
        rng.shuffle(documents)
        for offset, each in enumerate(documents):
            each.position.topic_id, each.position.offset = TOPIC_ID, offset
        judge, found, at = memory_judge(), list[Verdict](), 0
        while at < len(documents):
            size = rng.choice([1, 2, 7, 30])
            batch = [Document.FromString(each.SerializeToString()) for each in documents[at : at + size]]
            if rng.random() < 0.3:  # killed before the commit: nobody was told anything
                judge([Document.FromString(each.SerializeToString()) for each in batch])
            found += judge(batch)
            at += size
            commit(judge, min(at, len(documents)))
        said = keys(found)
        assert len(said) > 20
        assert said == {uid: expected[uid] for uid in said}


def test_a_document_that_dropped_stands_for_the_one_it_dropped_for() -> None:
    """Prevents: who is like a dropped copy, and less like the one kept instead, is taken for a loner."""
    judge = memory_judge()
    text, copy = chain(9, 2, 0.06)
    newcomer = changed(copy, 2, 22)
    assert jaccard(newcomer, text) < jaccard(newcomer, copy)
    kept, dropped = judge([document(1, text, 0.9), document(2, copy, 0.5)])
    assert isinstance(kept, Emit)
    assert isinstance(dropped, Drop)
    assert (logged(dropped), record(dropped).number) == (1, 0)
    found = judge([document(3, newcomer, 0.4)])
    assert (clusters(found), sizes(found)) == ([1], [2]), "who drops is not counted"
    assert clusters(memory_judge()([document(1, text), document(3, newcomer)])) == [0, 0], "by the copy alone"


def test_a_successor_takes_the_key_of_the_one_that_it_retracts() -> None:
    """The worse one may lie in a part already, and its successor is to be kept apart from it and its kin."""
    judge = memory_judge()
    judge([document(7, ALIKE[0], 0.1), document(8, ALIKE[1], 0.2)])
    (verdict,) = judge([document(9, ALIKE[1] + " !", 0.9)])
    assert [each.uid for each in retractions(verdict)] == [8]
    assert (clusters([verdict]), sizes([verdict])) == ([7], [3]), "who is taken back was there when it came"


def test_what_a_message_says_of_a_cluster_does_not_count() -> None:
    """Prevents an id from another index, in a message that was put back, from lasting."""
    one = document(7, ALIKE[0])
    one.cluster, one.features["cluster_size"] = 12345, 99
    found = memory_judge()([one])
    assert (clusters(found), sizes(found)) == ([0], [None])


def test_pages_of_one_template_are_one_cluster() -> None:
    """Prevents a crowd from being many clusters: they would be read side by side."""
    judge = memory_judge()
    made = crowd(3, 400, 0.7)
    found = [v for at in range(0, 400, 40) for v in judge(made.pages[at : at + 40])]
    ((_, size),) = Counter(keys(found).values()).most_common(1)
    assert size > 0.95 * len(found) > 360
    assert 390 < max(found for found in sizes(found) if found) <= 400


def test_the_threshold_of_clusters_is_a_setting() -> None:
    """It says what alike means, and a wrong one ends before anything is judged."""
    strict = memory_judge(DedupConfig(index="memory", cluster_from=1.0))
    assert clusters(strict([document(7 + i, text) for i, text in enumerate(ALIKE)])) == [0, 0, 0, 0]
    for wrong in (0.1, 1.5, float("nan")):
        with pytest.raises(ConfigurationError, match="cluster_from"):
            configure("dedup", DedupConfig, {"cluster_from": wrong})


def pairs(seed: int, count: int) -> list[tuple[float, str, str]]:
    """Two texts each and before them their likeness, 0.4 to 0.9."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        one, other = chain(seed * 100_003 + number, 2, rng.uniform(0.06, 0.3))
        made.append((jaccard(one, other), one, other))
    return made


def test_most_pairs_are_found() -> None:
    """Bounds two standard deviations below what was measured on 4,000 pairs, see clusters.py."""
    judge = memory_judge()
    found: dict[int, list[bool]] = {5: [], 6: [], 7: []}
    tried = pairs(1, 600)
    firsts = judge([document(2 * number + 1, one, 0.6) for number, (_, one, _) in enumerate(tried)])
    assert set(clusters(firsts)) == {0}, "strangers share no cluster"
    seconds = judge([document(2 * number + 2, other, 0.5) for number, (*_, other) in enumerate(tried)])
    for number, ((likeness, *_), second) in enumerate(zip(tried, seconds, strict=True)):
        if isinstance(second, Emit) and int(likeness * 10) in found:
            found[int(likeness * 10)].append(second.document.cluster == 2 * number + 1)
    share = {tenth: sum(each) / len(each) for tenth, each in found.items()}
    assert min(map(len, found.values())) > 90
    assert share[5] > 0.12, share
    assert share[6] > 0.44, share
    assert share[7] > 0.75, share
