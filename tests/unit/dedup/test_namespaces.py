"""Corpora in one index: apart, or one giving way to another, whichever comes first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from contracts import Document
from services.dedup import DedupConfig, Deduplicator
from services.dedup.explain import explain
from services.dedup.index import MemoryIndex
from services.runtime import ConfigurationError, Drop, Emit, Verdict, configure
from services.runtime.state import MemoryMarks
from tests.near_duplicates import chain, document, prose, retractions, standing

Given = dict[str, Any]

DAY_MS = 86_400_000
A, B, C = chain(9, 3, 0.06)
BENCH: Given = {"name": "bench", "of": ["s3://bench/*"], "reference": True}
LAW: Given = {"name": "law", "of": ["*.law.example"], "against": ["corpus"]}


def config(*namespaces: Given) -> DedupConfig:
    """As a settings file would have it."""
    made: DedupConfig = configure("dedup", DedupConfig, {"index": "memory", "namespaces": list(namespaces)})
    return made


def judge_of(*namespaces: Given) -> tuple[MemoryIndex, Deduplicator]:
    """A judge and its index."""
    index, settings = MemoryIndex(), config(*namespaces)
    judge = Deduplicator(index, MemoryMarks(settings), settings)
    judge.begin({})
    return index, judge


def of(uid: int, text: str, source: str, rank: float = 0.5, day: int = 0) -> Document:
    """A document from there, of an import that began on that day."""
    made = document(uid, text, rank)
    made.source, made.ingested_ms = source, day * DAY_MS
    return made


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.reason if isinstance(verdict, Drop) else type(verdict).__name__ for verdict in verdicts]


def test_two_corpora_are_apart() -> None:
    """The same text may be in both, exactly and nearly; within each the better one stays."""
    _, judge = judge_of({"name": "other", "of": ["file:///other/*"]})
    judge([of(1, A, "file:///a", 0.9), of(2, A, "file:///other/a", 0.1)])
    verdicts = judge(
        [of(3, B, "file:///b", 0.5), of(4, B, "file:///other/b", 0.5), of(5, A, "file:///other/c", 0)]
    )
    assert reasons(verdicts) == ["near_duplicate", "Emit", "exact_duplicate"]
    assert [each.uid for each in retractions(verdicts[1])] == [2]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("size", [1, 4])
def test_what_is_like_a_reference_drops_whichever_comes_first(order: tuple[int, ...], size: int) -> None:
    """Decontamination must not depend on whether the benchmark was imported before the corpus."""
    _, judge = judge_of(BENCH)
    batch = [
        of(1, A, "file:///a", 1.0),
        of(2, B, "s3://bench/test.jsonl#1", 0.0),
        of(3, C, "s3://bench/test.jsonl#2", 0.0),
        of(4, " ".join(prose(7)), "file:///b", 0.0),
    ]
    found = [batch[at] for at in order]
    outcomes = [
        pair
        for at in range(0, 4, size)
        for pair in zip(found[at : at + size], judge(found[at : at + size]), strict=True)
    ]
    assert standing(outcomes) == {4}
    said = {one.uid: verdict for one, verdict in outcomes}
    assert reasons([said[2], said[3]]) == ["reference", "reference"]
    taken_back = [each for verdict in said.values() for each in retractions(verdict)]
    assert [each.uid for each in taken_back] in ([], [1]), "of what never went on nothing is taken back"
    if not taken_back:
        one = said[1]
        assert isinstance(one, Drop)
        assert one.reason == "other_namespace"
        assert one.detail.startswith(f"like uid {2:016x}, which is of namespace bench: similarity 0.8")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_against_the_other_and_never_the_reverse(order: tuple[int, ...]) -> None:
    """The better score does not help who is against a namespace; who is in that is compared with its own."""
    _, judge = judge_of(LAW)
    batch = [
        of(1, A, "file:///a", 0.1),
        of(2, B, "https://www.law.example/b", 0.9),
        of(3, A + " !", "file:///c", 0.5),
    ]
    outcomes = [pair for at in order for pair in zip([batch[at]], judge([batch[at]]), strict=True)]
    assert standing(outcomes) == {3}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_news_count_anew_after_their_time(order: tuple[int, ...]) -> None:
    """Within a stretch of 30 days a post is a copy, exact or near; in the next one it is there again."""
    news: Given = {"name": "news", "of": ["news.example"], "ttl_days": 30}
    _, judge = judge_of(news)
    url = "https://news.example/x"
    batch = [of(1, A, url, day=3000), of(2, A, url, day=3009), of(3, B, url, day=3031)]
    outcomes = [pair for at in order for pair in zip([batch[at]], judge([batch[at]]), strict=True)]
    assert standing(outcomes) == {1, 3}
    plain = [of(9, A, "file:///a", day=0), of(10, B, "file:///b", day=9999)]
    assert reasons(judge(plain)) == ["Emit", "near_duplicate"]


def test_it_is_explained_where_a_document_stands() -> None:
    """A person must see which document of which namespace it was, though its score is the lower one."""
    index, judge = judge_of(BENCH)
    judge([of(2, B, "s3://bench/1"), of(1, A, "file:///a", 1.0), of(3, " ".join(prose(7)), "file:///b")])
    said = explain(index, config(BENCH), of(1, A, "file:///a", 1.0))
    assert said.death is not None
    assert (said.death.killer, said.lives) == (2, 2)
    (found,) = said.candidates
    assert (found.uid, found.namespace, found.near, found.better) == (2, "bench", True, True)
    assert said.reference == ""
    assert explain(index, config(BENCH), of(2, B, "s3://bench/1")).reference == "bench", "and does not stay"


def test_wrong_namespaces_end_before_anything_is_judged() -> None:
    """Each would silently let pass what was to be dropped."""
    law: Given = {"name": "law", "of": ["*"]}
    for wrong, said in [
        ([law | {"against": ["nowhere"]}], "against nowhere"),
        ([law, law], "there twice"),
        ([law | {"against": ["corpus"]}, {"name": "corpus", "against": ["law"]}], "against itself"),
        ([{"name": "law"}], "patterns"),
        ([{"name": "corpus", "of": ["*"]}], "leave"),
        ([{"name": "Law!", "of": ["*"]}], "name"),
        ([law | {"reference": True, "against": ["corpus"]}], "reference"),
        ([law | {"ttl_days": -1}], "ttl_days"),
        ([law | {"againts": ["corpus"]}], "againts"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            config(*wrong)


def test_no_reference_meets_what_passed_unlike_it() -> None:
    """A namespace whose documents are unlike takes nothing away."""
    _, judge = judge_of(BENCH)
    corpus = [of(10 + i, " ".join(prose(100 + i)), "file:///a") for i in range(50)]
    bench = [of(100 + i, " ".join(prose(200 + i)), "s3://bench/1") for i in range(50)]
    assert all(isinstance(verdict, Emit) for verdict in judge(corpus))
    assert all(not retractions(verdict) for verdict in judge(bench))
