"""The scorer in process: whose score, which rank, what is dropped and how it is explained."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from structlog.testing import capture_logs

from contracts import Document
from services.inference import Head, Judged
from services.ledger import is_off
from services.runtime import ConfigurationError, Drop, Emit, Reject, Resources, Settings, Verdict
from services.runtime.contracts.unit import verdicts_of
from services.scorer import SERVICE, Calibration, Census, KeepRule, ScorerConfig, formats
from services.scorer.formats import TERMS
from services.scorer.judge import Scorer
from tests import tiny_model
from tests.scoring import KEEP, TARGETS, batches, calibration, document, kept_shares, scorer, stream

EMPTY = Calibration({})


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


def verdicts_by_uid(
    replicas: Sequence[Scorer], documents: Sequence[Document], seed: int, sizes: tuple[int, int] = (1, 900)
) -> dict[int, Verdict]:
    """The documents shuffled, cut into batches, each judged by one of the replicas; they stay as they are."""
    rng = random.Random(seed)
    shuffled = [Document.FromString(each.SerializeToString()) for each in documents]
    rng.shuffle(shuffled)
    return {
        each.uid: verdict
        for batch in batches(shuffled, seed, sizes)
        for each, verdict in zip(batch, rng.choice(replicas)(batch), strict=True)
    }


def test_what_a_person_found_good_is_kept_whatever_its_rank() -> None:
    """Else a text that was reinstated is dropped next by the judge. Its rank says still what it is."""
    table = calibration(stream(20_000))
    judge, documents = scorer(table, keep=KEEP), stream(500, seed=1)
    low = next(d for d, v in zip(documents, judge(documents), strict=True) if isinstance(v, Drop))
    rank = low.rank
    low.features["waived"] = 1.0
    (verdict,) = judge([low])
    assert isinstance(verdict, Emit)
    assert low.rank == rank


class TestTheSameTwice:
    def test_verdicts_follow_from_the_document_alone(self) -> None:
        """Prevents two undisturbed runs of one corpus from keeping different documents.

        Any order, any batches, any number of replicas: the same rank, the same drop with the same words.
        """
        table = calibration(stream(20_000))
        documents = stream(5_000, seed=1)
        once = verdicts_by_uid([scorer(table, keep=KEEP)], documents, seed=1)
        assert Counter(map(type, once.values()))[Drop] > 1000
        for seed, sizes in ((2, (1, 900)), (3, (1, 1)), (4, (5000, 5000))):
            replicas = [scorer(table, keep=KEEP) for _ in range(3)]
            assert verdicts_by_uid(replicas, documents, seed, sizes) == once

    def test_what_was_judged_before_changes_nothing(self) -> None:
        """Prevents a replay, or a flood of junk that came first, from moving a threshold."""
        table = calibration(stream(20_000))
        documents = stream(3_000, seed=1)
        once = verdicts_by_uid([scorer(table, keep=KEEP)], documents, seed=1)
        seasoned = scorer(table, keep=KEEP)
        seasoned(stream(10_000, seed=2, shift=-5))
        seasoned([Document.FromString(each.SerializeToString()) for each in documents])
        assert verdicts_by_uid([seasoned], documents, seed=3) == once


class TestShares:
    def test_the_kept_share_of_each_domain_is_its_target(self) -> None:
        """By share, by demand and by default, also where scores tie; on documents that made no table."""
        documents = stream(20_000, seed=1)
        found = kept_shares(documents, scorer(calibration(stream(20_000)), keep=KEEP)(documents))
        assert found.keys() == TARGETS.keys()
        assert found == pytest.approx(TARGETS, abs=0.03)

    def test_a_new_model_version_is_kept_until_it_has_a_table(self) -> None:
        """Prevents a model on another scale from dropping everything; both versions are judged at once."""
        table = calibration(stream(10_000))
        old, new = stream(5_000, seed=1), stream(5_000, seed=2, version=2, shift=-100)
        mixed = [each for pair in zip(old, new, strict=True) for each in pair]
        with capture_logs() as logs:
            verdicts = scorer(table, keep=KEEP)(mixed)
        assert all(isinstance(verdict, Emit) for verdict in verdicts[1::2])
        assert {each.rank for each in new} == {0.5}
        assert kept_shares(old, verdicts[::2]) == pytest.approx(TARGETS, abs=0.06)
        (said,) = logs
        assert said["log_level"] == "warning"
        assert f"calibration {table.version} knows no score of judge@2" in said["event"]
        assert "corpusworks judge calibrate" in said["event"]
        again = calibration([*stream(10_000), *stream(10_000, seed=3, version=2, shift=-100)])
        assert kept_shares(mixed, scorer(again, keep=KEEP)(mixed)) == pytest.approx(TARGETS, abs=0.05)

    def test_a_shift_of_all_code_scores_with_its_table_changes_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Prevents a threshold on raw scores."""
        keep = (KeepRule(format="code", share=0.7),)
        found = {}
        plain = formats.score
        for shift in (0, -1):
            with monkeypatch.context() as patch:
                patch.setattr(formats, "score", lambda *given, by=shift: plain(*given) + by)
                documents = code(4000)
                verdicts = scorer(calibration(code(4000, seed=1)), keep=keep)(documents)
            assert (min(each.score for each in documents) < 0) == (shift == -1)
            found[shift] = [isinstance(verdict, Emit) for verdict in verdicts]
        assert sum(found[0]) / 4000 == pytest.approx(0.7, abs=0.03)
        assert sum(a != b for a, b in zip(found[0], found[-1], strict=True)) < 10

    def test_a_shift_of_all_scores_under_an_old_table_is_off(self) -> None:
        """Prevents drift that nobody is told of: the census says by group what the table keeps now."""
        table = calibration(stream(20_000))
        census = Census(ScorerConfig(keep=KEEP))
        for each in stream(10_000, seed=1, shift=-1.5):
            census.add(each)
        rows = census.rows(table, census.calibration(table))
        assert {row.group.category for row in rows if is_off(row.documents, row.kept, row.target)} == set(
            TARGETS
        )
        assert all(row.kept < row.target - 0.05 for row in rows)
        same = Census(ScorerConfig(keep=KEEP))
        for each in stream(10_000, seed=1):
            same.add(each)
        rows = same.rows(table, table)
        assert not [row for row in rows if is_off(row.documents, row.kept, row.target)]


class TestDrift:
    def places(self, shift: float) -> list[float]:
        documents = [*stream(4000, seed=1, shift=shift), *stream(100, version=5)]
        verdicts = verdicts_of(SERVICE, scorer(calibration(stream(20_000))), documents)
        found = [verdict.observed for verdict in verdicts if isinstance(verdict, Emit | Drop)]
        assert [each for each in found[4000:] if each] == [], "what nobody measured has no place"
        return [place for each in found[:4000] for place in each["scorer_place_en"]]

    def test_places_are_even_while_the_table_fits_and_not_when_scores_shift(self) -> None:
        """Prevents drift that no metric shows; and a name that the runtime does not count."""
        assert np.histogram(self.places(0), 5, (0, 1))[0] == pytest.approx([800] * 5, abs=90)
        assert sum(place < 0.05 for place in self.places(-1.5)) > 3 * sum(p < 0.05 for p in self.places(0))

    def test_each_kind_is_counted_by_a_metric(self) -> None:
        """Prevents a document of another language from being a dead letter for want of a metric."""
        made = [
            document(random.Random(n), "web", 1.0, language=name) for n, name in enumerate(("zh", "ja", ""))
        ]
        table = calibration([*made, *code(5)], least=1)
        verdicts = verdicts_of(SERVICE, scorer(table), [*made, *code(1)])
        names = [next(iter(verdict.observed)) for verdict in verdicts if isinstance(verdict, Emit)]
        assert names == [f"scorer_place_{kind}" for kind in ("zh", "other", "other", "code")]


class TestExplanations:
    def test_a_drop_says_rank_group_share_and_by_which_table(self) -> None:
        """Prevents a person from having to guess why a document is not there."""
        rng = random.Random(0)
        documents = [document(rng, "news", float(n), version=3, language="zh") for n in range(1001)]
        table = calibration(documents)
        dropped = scorer(table, keep=(KeepRule(category="news", share=0.3),))(documents)[100]
        assert isinstance(dropped, Drop)
        assert dropped.reason == "low_rank"
        assert dropped.detail == (
            f"rank 0.100 among 1001 documents of zh/prose/news (score 100 by judge@3, calibration "
            f"{table.version}); kept is the best 30.0% of zh/prose/news"
        )
        assert dropped.threshold == pytest.approx(0.7)
        assert (documents[100].score, documents[100].rank) == (100, pytest.approx(0.1004, abs=1e-4))

    def test_every_document_says_by_which_table(self) -> None:
        """Prevents a change on a running river that cannot be seen in what came out."""
        documents = [*stream(300), *stream(10, version=9), *code(5)]
        table = calibration(stream(1000))
        scorer(table)(documents)
        assert {each.calibration for each in documents} == {table.version}

    def test_what_is_dropped_measured_less_than_its_threshold(self) -> None:
        """Prevents an explanation that contradicts itself, among equal scores above all."""
        verdicts = scorer(calibration(stream(20_000)), keep=KEEP)(stream(5_000, seed=1))
        drops = [verdict for verdict in verdicts if isinstance(verdict, Drop)]
        assert len(drops) > 1000
        assert all(drop.measured < drop.threshold for drop in drops)  # type: ignore[operator]
        by_lot = [drop for drop in drops if "by lot among equal scores" in drop.detail]
        assert 0 < len(by_lot) < len(drops) / 10

    def test_a_group_ranked_by_a_wider_one_says_so(self) -> None:
        """Prevents an explanation that names documents which were never measured."""
        one = document(random.Random(0), "speech", -1e6)
        table = calibration(stream(2000))
        assert isinstance(scorer(table)([one])[0], Emit), "not before somebody has measured its like"
        (drop,) = scorer(table, keep=(KeepRule(share=0),))([one])
        assert isinstance(drop, Drop)
        assert "among 2000 documents of en/prose (" in drop.detail
        assert drop.detail.endswith("0.0% of en/prose/speech")

    def test_every_reason_is_declared(self) -> None:
        """Prevents a drop that the runtime refuses."""
        assert SERVICE.drop_reasons == {"low_rank", "junk"}

    def test_an_unknown_language_and_category_have_a_name(self) -> None:
        """Prevents `//` in an explanation."""
        rng = random.Random(0)
        documents = [document(rng, "", float(n), language="") for n in range(300)]
        drop = scorer(calibration(documents))(documents)[0]
        assert isinstance(drop, Drop)
        assert "unknown/prose/unknown" in drop.detail


class TestBadInput:
    @pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
    def test_a_score_that_is_no_number_is_refused(self, score: float) -> None:
        """Prevents NaN from vanishing in the sketch, and its document from getting any rank."""
        rng = random.Random(0)
        verdicts = scorer(calibration(stream(1000, version=7)))(
            [document(rng, "web", score, version=7), document(rng, "web", 1.0, version=7)]
        )
        assert isinstance(verdicts[0], Reject)
        assert "judge@7" in verdicts[0].error
        assert "no number" in verdicts[0].error
        assert isinstance(verdicts[1], Emit)

    def test_code_without_measures_says_what_to_do(self) -> None:
        """Prevents a score of 0 for what nobody measured."""
        (verdict,) = scorer(EMPTY)([Document(uid=1, text="x = 1", format="code")])
        assert isinstance(verdict, Reject)
        assert "mean_line_length" in verdict.error
        assert "run rules before the scorer" in verdict.error

    def test_a_document_without_uid_is_refused(self) -> None:
        """Prevents all documents without one from sharing one fate."""
        made = document(random.Random(0), "web", 1.0)
        made.uid = 0
        (verdict,) = scorer(EMPTY)([made])
        assert isinstance(verdict, Reject)
        assert "through ingest" in verdict.error

    def test_no_documents_are_no_verdicts(self) -> None:
        assert scorer(EMPTY)([]) == []


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
        judge_ = Scorer(calibration(stream(1000)), lambda: opened.append(1) or encoder, ScorerConfig())  # type: ignore
        rng = random.Random(0)
        seen = document(rng, "web", 9.0)
        unseen = [Document(uid=n + 1, text="x" * n, format="prose", language="en") for n in range(5)]
        judge_([*unseen, seen, *code(1)])
        judge_([Document(uid=9, text="long", format="prose", language="en")])
        assert (len(opened), encoder.asked) == (1, [["", "x", "xx", "xxx", "xxxx"], ["long"]])
        assert [each.score for each in unseen] == [0, 1, 2, 3, 4]
        assert unseen[3].features["judge_version"] == 4
        assert {each.rank for each in unseen} == {0.5}, "no table knows version 4"
        assert seen.rank > 0.9

    def test_after_the_classifier_it_asks_nobody(self) -> None:
        """Prevents a second pass through the model (no_encoder raises)."""
        verdicts = scorer(EMPTY)([*stream(100), *code(100)])
        assert all(isinstance(verdict, Emit) for verdict in verdicts)

    def test_code_is_not_ranked_by_the_model(self) -> None:
        """Prevents a model of prose from punishing code that a classifier happened to score."""
        documents = code(3)
        for each in documents:
            each.features["judge.quality"] = 1000.0
        scorer(EMPTY)(documents)
        assert all(0 < each.score < 1 for each in documents)


class TestRealModel:
    """The stand-in of services.inference on a tiny model."""

    def build(self, folder: Path, **settings: object) -> Scorer:
        config = ScorerConfig(models=folder, triton_url="onnx:", **settings)  # type: ignore
        return SERVICE.build(config, Resources(Settings()))  # type: ignore[return-value]

    def test_alone_over_the_stand_in(self, tmp_path: Path) -> None:
        """Prevents the seam from being right with the fake only."""
        tiny_model.make(tmp_path, versions=[2])
        documents = [Document(uid=n + 1, text=f"the tide {n}", format="prose") for n in range(40)]
        verdicts = self.build(tmp_path)(documents)
        assert all(isinstance(verdict, Emit) for verdict in verdicts)
        assert len({each.score for each in documents}) > 10
        assert {each.rank for each in documents} == {0.5}, "the shipped table is of another model"
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


class TestAgreement:
    def test_replicas_must_rank_by_one_table(self, tmp_path: Path) -> None:
        """Prevents two replicas that start with two tables from judging one river side by side."""
        table = calibration(stream(1000))
        (tmp_path / "mine.json").write_bytes(table.data)
        config = ScorerConfig(calibration=tmp_path / "mine.json")
        assert SERVICE.agrees(config, Settings())["calibration"] == table.version
        assert SERVICE.agrees(ScorerConfig(), Settings()) != SERVICE.agrees(config, Settings())

    def test_a_judge_of_which_the_scorer_was_not_told_is_refused(self, tmp_path: Path) -> None:
        """Prevents scores of a user's own judge from meeting the table of the shipped one."""
        settings = Settings(units={"classifier": {"models": str(tmp_path)}})
        with pytest.raises(ConfigurationError, match="set both alike"):
            SERVICE.build(ScorerConfig(), Resources(settings))
        SERVICE.build(ScorerConfig(models=tmp_path), Resources(settings))
        SERVICE.build(ScorerConfig(model="other"), Resources(settings))
