"""The scorer in process: whose score, which rank, what is dropped and how it is explained."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from contracts import Document
from services.inference import Head, Judged
from services.runtime import ConfigurationError, Drop, Emit, Reject, Resources, Settings
from services.scorer import SERVICE, KeepRule, ScorerConfig, formats
from services.scorer.formats import TERMS
from services.scorer.group import Group
from services.scorer.judge import Scorer
from services.scorer.store import MemoryStore
from tests import tiny_model
from tests.scoring import KEEP, TARGETS, document, judge, kept_shares, scorer, stream


def code(count: int, seed: int = 0) -> list[Document]:
    """Code with measures as rules leaves them."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        each = Document(uid=rng.getrandbits(64) | 1, category="code", language="und", format="code")
        for term in TERMS["code"]:
            each.features[term.measure] = term.bound * rng.lognormvariate(0, 1)
        made.append(each)
    return made


class TestShares:
    def test_the_kept_share_of_each_domain_is_its_target(self) -> None:
        """By share, by demand and by default; batches of 1 to 900, three replicas, scores that tie."""
        store = MemoryStore()
        documents = stream(20_000)
        found = kept_shares(documents, judge([scorer(store, keep=KEEP) for _ in range(3)], documents))
        assert found.keys() == TARGETS.keys()
        assert found == pytest.approx(TARGETS, abs=0.01)

    def test_small_domains_meet_their_targets_as_well(self) -> None:
        """Prevents chance from deciding where a domain has hundreds of documents, one in a batch."""
        documents = stream(3_000, seed=1)
        one = scorer(MemoryStore(), keep=KEEP, min_below=0)
        verdicts = [verdict for each in documents for verdict in one([each])]
        assert kept_shares(documents, verdicts) == pytest.approx(TARGETS, abs=0.01)

    def test_a_new_model_version_does_not_move_the_kept_share(self) -> None:
        """Prevents a model on another scale from dropping everything, or nothing, while it is rolled out."""
        store = MemoryStore()
        replicas = [scorer(store, keep=KEEP) for _ in range(2)]
        before = stream(10_000, seed=2)
        judge(replicas, before)
        after = stream(10_000, seed=3, version=2, scale=-0.1)
        mixed = [pair for both in zip(after, stream(10_000, seed=4), strict=True) for pair in both]
        verdicts = judge(replicas, mixed)
        assert kept_shares(mixed[::2], verdicts[::2]) == pytest.approx(TARGETS, abs=0.01)
        assert kept_shares(mixed[1::2], verdicts[1::2]) == pytest.approx(TARGETS, abs=0.01)

    @pytest.mark.parametrize("count", [400, 8_000])
    def test_a_shift_of_all_code_scores_changes_nothing(
        self, count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Prevents a threshold on raw scores: the same documents stay, or with a sketch of 8000 as many."""
        keep = (KeepRule(format="code", share=0.7),)
        found = {}
        plain = formats.score
        for shift in (0, -1):
            with monkeypatch.context() as patch:
                patch.setattr(formats, "score", lambda *given, by=shift: plain(*given) + by)
                documents = code(count)
                verdicts = judge([scorer(MemoryStore(), keep=keep)], documents)
            assert (min(each.score for each in documents) < 0) == (shift == -1)
            found[shift] = [isinstance(verdict, Emit) for verdict in verdicts]
        shares = {shift: sum(kept) / count for shift, kept in found.items()}
        assert shares[0] == pytest.approx(0.7, abs=0.03 if count == 400 else 0.002)
        if count == 400:
            assert found[0] == found[-1]
        assert shares[0] == pytest.approx(shares[-1], abs=0.001)

    def test_redelivered_batches_change_nothing(self) -> None:
        """A replay, cut otherwise, of all that came: the same verdicts, and the sketches as they were."""
        store = MemoryStore()
        replicas = [scorer(store, keep=KEEP) for _ in range(2)]
        documents = stream(10_000)
        first = judge(replicas, documents, seed=1)
        before = {group: state.data for group, state in store._states.items()}
        again = judge(replicas, documents, seed=2)
        assert [type(verdict) for verdict in again] == [type(verdict) for verdict in first]
        assert {group: state.data for group, state in store._states.items()} == before
        stands = [v for v in again if isinstance(v, Drop) and "dropped when it came before" in v.detail]
        assert stands  # their place among all is above the threshold by now

    def test_redelivered_batches_do_no_harm_where_fates_are_not_remembered(self) -> None:
        """Two batches of twenty that come three times each as other documents: shares hardly move."""
        once, often = (scorer(MemoryStore(), keep=KEEP) for _ in range(2))
        batches = [stream(1_000, seed=seed) for seed in range(20)]
        kept: dict[str, list[float]] = {name: [] for name in TARGETS}
        for number, batch in enumerate(batches):
            for copy in range(2 if number in (3, 12) else 0):
                for each in batch:
                    each.uid ^= copy + 1
                often(batch)
            for name, share in kept_shares(batch, often(batch)).items():
                kept[name].append(share)
        assert {name: float(np.mean(shares)) for name, shares in kept.items()} == pytest.approx(
            TARGETS, abs=0.01
        )
        last = stream(2_000, seed=99)
        for batch in batches:
            once(batch)
        once(last)
        ranks = [each.rank for each in last]
        often(last)
        assert max(abs(each.rank - rank) for each, rank in zip(last, ranks, strict=True)) < 0.02

    def test_the_rank_does_not_depend_on_who_judges(self) -> None:
        """One replica with large batches, five with small ones: the same ranks within the sketch's error."""
        alone, shared = MemoryStore(), MemoryStore()
        documents = stream(20_000, seed=6)
        judge([scorer(alone)], documents, seed=1)
        judge([scorer(shared) for _ in range(5)], documents, seed=2)
        last = [stream(500, seed=7) for _ in range(2)]
        for store, batch in zip((alone, shared), last, strict=True):
            scorer(store)(batch)
        pairs = zip(*last, strict=True)
        assert max(abs(one.rank - other.rank) for one, other in pairs) < 0.02


class TestExplanations:
    def test_a_drop_says_rank_group_share_and_of_how_many(self) -> None:
        """Prevents a person from having to guess why a document is not there."""
        rng = random.Random(0)
        documents = [document(rng, "news", float(n), version=3, language="zh") for n in range(1000)]
        verdicts = scorer(MemoryStore(), keep=(KeepRule(category="news", share=0.3),))(documents)
        dropped = verdicts[100]
        assert isinstance(dropped, Drop)
        assert dropped.reason == "low_rank"
        assert dropped.detail == (
            f"rank {documents[100].rank:.3f} of 1000 documents of zh/prose/news (score 100 by judge@3); "
            "kept is the best 30.0%"
        )
        assert dropped.threshold == pytest.approx(0.7, abs=0.02)
        assert (documents[100].score, documents[100].rank) == (100, pytest.approx(0.1, abs=0.01))

    def test_what_is_dropped_measured_less_than_its_threshold(self) -> None:
        """Prevents an explanation that contradicts itself, among equal scores above all."""
        verdicts = judge([scorer(MemoryStore(), keep=KEEP)], stream(5_000))
        drops = [verdict for verdict in verdicts if isinstance(verdict, Drop)]
        assert len(drops) > 1000
        assert all(drop.measured < drop.threshold for drop in drops)  # type: ignore[operator]
        by_lot = [drop for drop in drops if "by lot among equal scores" in drop.detail]
        assert 0 < len(by_lot) < len(drops) / 10

    def test_every_reason_is_declared(self) -> None:
        """Prevents a drop that the runtime refuses."""
        assert SERVICE.drop_reasons == {"low_rank"}

    def test_an_unknown_language_and_category_have_a_name(self) -> None:
        """Prevents `//` in an explanation."""
        rng = random.Random(0)
        documents = [document(rng, "", float(n), language="") for n in range(300)]
        drop = scorer(MemoryStore())(documents)[0]
        assert isinstance(drop, Drop)
        assert "unknown/prose/unknown" in drop.detail


class TestBadInput:
    @pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
    def test_a_score_that_is_no_number_is_refused(self, score: float) -> None:
        """Prevents NaN from vanishing in the sketch, and its document from getting any rank."""
        rng = random.Random(0)
        store = MemoryStore()
        verdicts = scorer(store)(
            [document(rng, "web", score, version=7), document(rng, "web", 1.0, version=7)]
        )
        assert isinstance(verdicts[0], Reject)
        assert "judge@7" in verdicts[0].error
        assert "no number" in verdicts[0].error
        assert isinstance(verdicts[1], Emit)
        assert store._states[Group("judge@7", "en", "prose", "web")].sketch.count == 1

    def test_code_without_measures_says_what_to_do(self) -> None:
        """Prevents a score of 0 for what nobody measured."""
        (verdict,) = scorer(MemoryStore())([Document(uid=1, text="x = 1", format="code")])
        assert isinstance(verdict, Reject)
        assert "mean_line_length" in verdict.error
        assert "run rules before the scorer" in verdict.error

    def test_a_document_without_uid_is_refused(self) -> None:
        """Prevents all documents without one from sharing one fate."""
        made = document(random.Random(0), "web", 1.0)
        made.uid = 0
        (verdict,) = scorer(MemoryStore())([made])
        assert isinstance(verdict, Reject)
        assert "through ingest" in verdict.error

    def test_no_documents_are_no_verdicts(self) -> None:
        assert scorer(MemoryStore())([]) == []


class FakeEncoder:
    """Scores by length of text; counts what it is asked."""

    description = SimpleNamespace(heads={"quality": Head("score")})

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def judge(self, texts: list[str]) -> Judged:
        self.asked.append(list(texts))
        return Judged({"quality": np.array([[len(text)] for text in texts], np.float32)}, version=4)


class TestWhoseScore:
    def test_alone_it_asks_the_model_once_a_batch(self) -> None:
        """Prevents documents that no classifier saw from having no score."""
        encoder = FakeEncoder()
        opened = []
        judge_ = Scorer(MemoryStore(), lambda: opened.append(1) or encoder, ScorerConfig())  # type: ignore
        rng = random.Random(0)
        seen = document(rng, "web", 9.0)
        unseen = [Document(uid=n + 1, text="x" * n, format="prose", language="en") for n in range(5)]
        judge_([*unseen, seen, *code(1)])
        judge_([Document(uid=9, text="long", format="prose", language="en")])
        assert (len(opened), encoder.asked) == (1, [["", "x", "xx", "xxx", "xxxx"], ["long"]])
        assert [each.score for each in unseen] == [0, 1, 2, 3, 4]
        assert [each.rank for each in unseen] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
        assert unseen[3].features["judge_version"] == 4
        assert seen.rank == 0.5

    def test_after_the_classifier_it_asks_nobody(self) -> None:
        """Prevents a second pass through the model (no_encoder raises)."""
        verdicts = scorer(MemoryStore())([*stream(100), *code(100)])
        assert all(isinstance(verdict, Emit) for verdict in verdicts)

    def test_code_is_not_ranked_by_the_model(self) -> None:
        """Prevents a model of prose from punishing code that a classifier happened to score."""
        documents = code(3)
        for each in documents:
            each.features["judge.quality"] = 1000.0
        scorer(MemoryStore())(documents)
        assert all(0 < each.score < 1 for each in documents)


class TestRealModel:
    """The stand-in of services.inference on a tiny model."""

    def build(self, folder: Path, **settings: object) -> Scorer:
        config = ScorerConfig(models=folder, triton_url="onnx:", store="memory", **settings)  # type: ignore
        return SERVICE.build(config, Resources(Settings()))  # type: ignore[return-value]

    def test_alone_over_the_stand_in(self, tmp_path: Path) -> None:
        """Prevents the seam from being right with the fake only."""
        tiny_model.make(tmp_path, versions=[2])
        documents = [Document(uid=n + 1, text=f"the tide {n}", format="prose") for n in range(40)]
        verdicts = self.build(tmp_path)(documents)
        assert all(isinstance(verdict, Emit) for verdict in verdicts)
        assert len({each.score for each in documents}) > 10
        by_score = sorted(documents, key=lambda each: each.score)
        assert [each.rank for each in by_score] == sorted(each.rank for each in documents)
        assert {each.features["judge_version"] for each in documents} == {2}

    def test_a_model_without_the_head_says_what_it_has(self, tmp_path: Path) -> None:
        """Prevents a KeyError at the first batch."""
        tiny_model.make(tmp_path)
        judge_ = self.build(tmp_path, head="beauty")
        with pytest.raises(
            ConfigurationError, match=r"no head 'beauty'.*category \(classes\), quality \(score\)"
        ):
            judge_([Document(uid=1, text="tide", format="prose")])
        with pytest.raises(ConfigurationError, match="no head 'category' of kind score"):
            self.build(tmp_path, head="category")([Document(uid=1, text="tide", format="prose")])

    def test_a_model_that_is_not_there_says_so(self, tmp_path: Path) -> None:
        """Prevents a stack trace for a mistyped folder."""
        with pytest.raises(ConfigurationError, match="judge"):
            self.build(tmp_path)([Document(uid=1, text="tide", format="prose")])
