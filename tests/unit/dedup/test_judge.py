"""The judgement over the index in memory: what drops, what survives, what is retracted, and what repeats."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from contracts import Document
from services.dedup import SERVICE, DedupConfig, Deduplicator, build
from services.dedup.entry import make_entry
from services.runtime import ConfigurationError, Drop, Emit, Reject, Resources, Settings, Verdict, configure
from tests.near_duplicates import (
    chain,
    commit,
    corpus,
    document,
    keys,
    memory_judge,
    near_pairs,
    prose,
    retractions,
    standing,
    survivors,
)

CONFIG = DedupConfig(index="memory")
A, B, C = chain(9, 3, 0.06)


@pytest.fixture
def judge() -> Deduplicator:
    return memory_judge()


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.reason if isinstance(verdict, Drop) else type(verdict).__name__ for verdict in verdicts]


def test_the_samples_are_chains() -> None:
    """A~B~C with A and C apart, or the tests of chains prove nothing."""
    pairs = near_pairs([document(i, text) for i, text in enumerate([A, B, C], 1)], CONFIG)
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_worse_copies_drop_and_name_the_better(judge: Deduplicator) -> None:
    """A person must see from the rejection which document was kept instead, and how alike it is."""
    assert reasons(judge([document(10, A, 0.9)])) == ["Emit"]
    exact, near = judge([document(1, A.upper(), 0.5), document(2, B, 0.5)])
    assert reasons([exact, near]) == ["exact_duplicate", "near_duplicate"]
    assert isinstance(exact, Drop)
    assert isinstance(near, Drop)
    assert exact.measured == 1.0
    assert near.threshold == 0.8
    assert near.measured is not None
    assert 0.8 <= near.measured < 1
    assert f"{10:016x}" in exact.detail
    assert f"{10:016x}" in near.detail


def test_a_better_late_comer_retracts_the_worse(judge: Deduplicator) -> None:
    """Else the index keeps the first and not the best."""
    judge([document(1, A, 0.1), document(2, A + " !", 0.2)])
    (verdict,) = judge([document(3, A, 0.3)])
    assert isinstance(verdict, Emit)
    assert [(each.uid, each.superseded_by) for each in retractions(verdict)] == [(2, 3)]
    assert verdict.observed["dedup_living_likeness"] == [retractions(verdict)[0].similarity]


def test_a_dropped_document_still_kills(judge: Deduplicator) -> None:
    """A~B~C, A and C apart: B drops for A and C drops for B. Greedy rules keep C when B came last."""
    judge([document(1, C, 0.1), document(3, A, 0.9)])
    (verdict,) = judge([document(2, B, 0.5)])
    assert isinstance(verdict, Drop)
    assert [(each.uid, each.superseded_by) for each in retractions(verdict)] == [(1, 3)]
    assert reasons(judge([document(4, C, 0.2)])) == ["near_duplicate"]


def jaccard(a: str, b: str) -> float:
    one, other = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (a, b))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_drop_names_the_living_and_their_likeness(judge: Deduplicator, order: tuple[int, ...]) -> None:
    """a ~ b ~ c: c drops for b, which itself drops for a; what stands for c in the corpus is a, unlike it."""
    batch = [document(uid, text, rank) for uid, text, rank in [(0xA, A, 0.9), (0xB, B, 0.6), (0xC, C, 0.3)]]
    verdicts = {batch[i].uid: verdict for i in order for verdict in judge([batch[i]])}
    taken_back = {each.uid: each for verdict in verdicts.values() for each in retractions(verdict)}
    for uid, text in [(0xB, B), (0xC, C)]:
        if uid in taken_back:
            # what took it back said who lived at that time
            likeness = taken_back[uid].similarity
            lives = taken_back[uid].superseded_by
        else:
            verdict = verdicts[uid]
            assert isinstance(verdict, Drop)
            assert verdict.measured is not None
            likeness = verdict.measured
            lives = next(x for x in (0xA, 0xB) if f"{x:016x}" in verdict.detail.rpartition(";")[2])
            assert verdict.observed["dedup_living_likeness"][0] == likeness
        known = [0xA] if order.index(0) < max(order.index(1), order.index(2)) or uid == 0xB else [0xA, 0xB]
        assert lives in known
        assert likeness == pytest.approx(jaccard({0xA: A, 0xB: B}[lives], text), abs=0.12)


def test_windows_in_falling_order_are_measured(judge: Deduplicator) -> None:
    """Forty windows over one text, the first the best: one stands for all, and how unlike it is is said."""
    text = prose(3, 700)
    batch = [document(i + 1, " ".join(text[i * 8 : i * 8 + 150]), 1 - i / 50) for i in range(40)]
    verdicts = judge(batch)
    last = verdicts[-1]
    assert isinstance(last, Drop)
    assert f"uid {1:016x} stands for both" in last.detail
    assert last.measured is not None
    assert last.measured == pytest.approx(jaccard(batch[0].text, batch[-1].text), abs=0.12)
    assert last.measured < 0.3
    assert last.observed["dedup_living_likeness"] == [last.measured]
    assert reasons(verdicts).count("Emit") <= 2


def test_a_redriven_document_is_judged_again(judge: Deduplicator) -> None:
    """The index saw it before it became a dead letter; it would drop as already_seen, and be lost."""
    judge([document(1, A, 0.5, offset=0), document(2, C, 0.5, offset=1)])
    commit(judge, 2)
    again = document(1, A, 0.5, offset=0)
    again.position.redriven = True
    elsewhere = document(2, C, 0.5, offset=0)
    elsewhere.position.redriven = True
    assert reasons(judge([again, elsewhere])) == ["Emit", "already_seen"]


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_batching_gives_the_survivors_of_the_rule(seed: int) -> None:
    """Replicas and crawls come in any order: the corpus must not depend on it."""
    documents = corpus(seed)
    expected = survivors(documents, CONFIG)
    assert 0 < len(expected) < len(documents) - 20
    for turn in range(4):
        rng = random.Random(turn)
        rng.shuffle(documents)
        judge = memory_judge()
        outcomes: list[tuple[Document, Verdict]] = []
        rest = [Document.FromString(each.SerializeToString()) for each in documents]
        while rest:
            batch, rest = rest[: (size := rng.randint(1, 40))], rest[size:]
            outcomes += zip(batch, judge(batch), strict=True)
        assert standing(outcomes) == expected


@pytest.mark.parametrize("uid", [1, 9])
def test_a_copy_of_an_earlier_import_never_wins_a_tie(judge: Deduplicator, uid: int) -> None:
    """What is in the corpus, and maybe in a part already, must not be packed again under another name."""
    first = [document(4, A), document(5, C)]
    later = [document(uid, A), document(uid + 10, B)]
    for each in first:
        each.ingested_ms = 1_700_000_000_000
    for each in later:
        each.ingested_ms = 1_700_000_060_000
    assert reasons(judge(first)) == ["Emit", "Emit"]
    assert reasons(judge(later)) == ["exact_duplicate", "near_duplicate"]


def test_a_replay_before_the_commit_is_judged_again(judge: Deduplicator) -> None:
    """A crash between Redis and Kafka must not turn a document into a duplicate of itself."""
    batch = [document(1, A, 0.1, offset=0), document(2, C, 0.2, offset=1)]
    assert reasons(judge(batch)) == ["Emit", "Emit"]
    assert reasons(judge(batch)) == ["Emit", "Emit"]
    lost = judge([document(3, B, 0.9, offset=2)])
    again = judge([document(3, B, 0.9, offset=2)])
    assert isinstance(lost[0], Emit)
    assert isinstance(again[0], Emit)
    assert lost[0].document == again[0].document
    assert retractions(lost[0]) == retractions(again[0])
    assert keys([*lost, *again]) == {3: 1}, "the lanes are told that two clusters are one, again"
    assert {each.uid for each in retractions(again[0])} == {1, 2}


def test_a_killer_that_was_beaten_meanwhile_still_retracts(judge: Deduplicator) -> None:
    """Its first verdict was lost in a crash, and whoever beat it trusts it to retract its victims."""
    judge([document(1, A, 0.1, offset=0)])
    judge([document(2, A, 0.5, offset=1)])  # thrown away
    (better,) = judge([document(3, A, 0.9, offset=2)])
    (again,) = judge([document(2, A, 0.5, offset=1)])
    assert isinstance(better, Emit)
    assert isinstance(again, Drop)
    assert again.reason == "exact_duplicate"
    assert {each.uid for each in (*retractions(better), *retractions(again))} == {1, 2}


def test_a_replay_after_the_commit_changes_nothing(judge: Deduplicator) -> None:
    """An operator sets the group back to offset 0."""
    batch = [document(1, A, 0.1, offset=0), document(2, B, 0.2, offset=1), document(3, C, 0.3, offset=2)]
    judge(batch)
    commit(judge, 3)
    commit(judge, 0)  # as the group's offset says after the reset
    again = judge(batch)
    assert reasons(again) == ["already_seen"] * 3
    assert not any(retractions(verdict) for verdict in again if isinstance(verdict, Drop))


def test_the_same_document_at_another_place_is_seen_already(judge: Deduplicator) -> None:
    """The same file put in again, or replayed upstream; in one batch as well, and without a position."""
    batch = [document(1, A, 0.1, offset=0), document(1, A, 0.9, offset=7)]
    assert reasons(judge(batch)) == ["Emit", "already_seen"]
    batch = [document(2, C, 0.1), document(2, C, 0.1)]
    assert reasons(judge(batch)) == ["Emit", "already_seen"]
    assert reasons(judge(batch[:1])) == ["already_seen"]


def test_a_replay_with_another_score_changes_nothing(judge: Deduplicator) -> None:
    """A new scorer gives other ranks; what the index stored at first sight stands."""
    judge([document(1, A, 0.5, offset=0), document(2, B, 0.6, offset=1)])
    verdicts = judge([document(1, A, 0.9, offset=0, category="news"), document(2, B, 0.1, offset=1)])
    assert reasons(verdicts) == ["near_duplicate", "Emit"]


def test_the_higher_threshold_of_the_pair_counts() -> None:
    """Else A drops B and B does not know A."""
    one, other = chain(7, 2, 0.1)  # 0.76
    for first, second, expected in [
        ("news", "news", "near_duplicate"),
        ("news", "book", "Emit"),
        ("book", "news", "Emit"),
    ]:
        judge = memory_judge()
        judge([document(2, one, 0.9, category=first)])
        assert reasons(judge([document(1, other, 0.5, category=second)])) == [expected]


def test_equal_texts_with_other_thresholds_meet_in_the_bands(judge: Deduplicator) -> None:
    """The exact path may only cut off a document whose holder would drop all that it would."""
    judge([document(2, A, 0.9, category="news")])
    assert reasons(judge([document(1, A, 0.5, category="book")])) == ["near_duplicate"]


def test_likeness_is_a_feature_of_what_goes_on(judge: Deduplicator) -> None:
    judge([document(1, A, 0.1)])
    (verdict,) = judge([document(2, B, 0.5)])
    assert isinstance(verdict, Emit)
    assert 0.8 <= verdict.document.features["dedup_similarity"] < 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Document(text="a text"), "no uid"),
        (Document(uid=1, text="a text", rank=float("nan")), "rank"),
        (Document(uid=1, text="a text", rank=1.5), "rank"),
        (Document(uid=1, text="a text", rank=-0.1), "rank"),
    ],
)
def test_a_broken_document_is_rejected_alone(judge: Deduplicator, broken: Document, words: str) -> None:
    """One bad rank must not reach the index, where it would beat all others for ever."""
    bad, good = judge([broken, document(9, A)])
    assert isinstance(bad, Reject)
    assert words in bad.error
    assert isinstance(good, Emit)


def test_nothing_in_nothing_out(judge: Deduplicator) -> None:
    assert judge([]) == []


def test_negative_zero_is_zero(judge: Deduplicator) -> None:
    """Its bits sort above every other rank."""
    judge([document(2, A, 0.5)])
    assert reasons(judge([document(1, A, -0.0)])) == ["exact_duplicate"]


@pytest.mark.parametrize("values", [
    {"threshold": 0.2}, {"threshold": 80}, {"category_thresholds": {"news": 2.0}}, {"bands": 0}, {"rows": 0},
    {"bands": 100, "rows": 6}, {"shards": 0}, {"prefix": ""}, {"prefix": "a{b}"}, {"index": "disk"},
    {"sync_timeout_s": 0}, {"no_such": 1},
])  # fmt: skip
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="dedup"):
        configure("dedup", DedupConfig, values)


def test_the_unit_builds_without_a_server() -> None:
    """`apply dedup` runs in memory; over Redis nothing is asked of the server before the first batch."""
    resources = Resources(Settings(redis={"url": "redis://127.0.0.1:1/0"}))
    assert reasons(build(CONFIG, resources)([document(1, A)])) == ["Emit"]
    SERVICE.build(DedupConfig(), resources).close()


def test_a_copy_is_no_better_for_being_ranked_later() -> None:
    """Prevents yesterday's text from being packed again because its rank among today's is another."""
    first = Document(uid=1, ingested_ms=1000, score=1.25, rank=0.40)
    copy = Document(uid=2, ingested_ms=90_000_000, score=1.2500001, rank=0.60)
    better = Document(uid=3, ingested_ms=90_000_000, score=1.5, rank=0.10)
    order = {d.uid: make_entry(d, 0.8, bytes(48)).order for d in (first, copy, better)}
    assert order[copy.uid] < order[first.uid] < order[better.uid]
    unjudged = [make_entry(Document(uid=1, rank=rank), 0.8, bytes(48)).rank for rank in (0.0, 1.0)]
    assert unjudged == [0.0, 1.0]
    for score in (-3e38, 3e38):
        assert 0 <= make_entry(Document(uid=1, score=score), 0.8, bytes(48)).rank <= 1
