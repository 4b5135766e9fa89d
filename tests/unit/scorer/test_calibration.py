"""The table: ranks by it, what it does not know, and its file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from contracts import Document
from services.inference import MODELS
from services.runtime import ConfigurationError
from services.scorer import Calibration, ScorerConfig, chosen
from services.scorer.calibration import Quantiles, Standing
from services.scorer.formats import TERMS
from services.scorer.formats import VERSION as FORMATS
from services.scorer.group import Group
from tests.scoring import calibration, document, stream, true_ranks

NEWS = Group("judge@1", "prose", "en", "news")


def quantiles(documents: int, *scores: float) -> Quantiles:
    """Of scores at 0, .25, .5, .75 and 1."""
    levels = [Standing(n / 4, n / 4) for n in range(5)]
    return Quantiles(documents, tuple(map(float, scores)), tuple(levels))


def table(*scores: float, group: Group = NEWS) -> Calibration:
    return Calibration({group: quantiles(900, *scores)})


def heap(score: float, below: float, upto: float) -> Calibration:
    """With many times the same score, between 0 and 9."""
    ends = (Standing(0, 0), Standing(below, upto), Standing(1, 1))
    return Calibration({NEWS: Quantiles(900, (0.0, score, 9.0), ends)})


def prose(scores: list[float]) -> list[Document]:
    """A document of one group for each score."""
    rng = random.Random(len(scores))
    return [document(rng, "news", score) for score in scores]


class TestRank:
    @pytest.mark.parametrize(
        ("score", "rank"),
        [
            (-9, 0),
            (0, 0),
            (0.5, 0.125),
            (1, 0.25),
            (1.5, 0.375),
            (2, 0.5),
            (4, 0.75),
            (6, 0.875),
            (8, 1),
            (9, 1),
        ],
    )
    def test_golden_numbers(self, score: float, rank: float) -> None:
        """Prevents a change of the interpolation from moving every rank in silence."""
        assert table(0, 1, 2, 4, 8).rank(NEWS, score, 1 << 63, 0.5).rank == rank

    def test_equal_scores_share_a_rank_and_have_places_of_their_own(self) -> None:
        """Prevents a heap of equal scores from being kept, or dropped, as one."""
        flat = heap(3, 0, 1)
        assert [flat.rank(NEWS, 3, uid << 61, 0.5).rank for uid in range(8)] == [0.5] * 8
        assert [flat.rank(NEWS, 3, uid << 61, 0.5).place for uid in range(8)] == [n / 8 for n in range(8)]
        some = heap(3, 0.25, 0.75)
        assert (some.rank(NEWS, 3, 1 << 63, 0.5).rank, some.rank(NEWS, 3, 1 << 63, 0.5).place) == (0.5, 0.5)
        assert some.rank(NEWS, 3, 0, 0.5).place == 0.25
        assert some.rank(NEWS, 1.5, 0, 0.5).place == 0.125
        assert some.rank(NEWS, 6, 0, 0.5).place == 0.875

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.8, 0.95])
    def test_a_flat_score_keeps_its_share(self, share: float) -> None:
        """Also where the model says the same of everything, up to what floats cannot tell."""
        rng = random.Random(1)
        flat = heap(0.123456, 0, 1)
        noisy = [0.1234564 + rng.uniform(-1, 1) * 4e-9 for _ in range(20_000)]
        kept = sum(flat.rank(NEWS, score, rng.getrandbits(64), share).kept for score in noisy)
        assert kept / 20_000 == pytest.approx(share, abs=0.01)

    def test_a_higher_score_never_has_a_lower_place(self) -> None:
        """Prevents a table with heaps from turning the order round at their edges."""
        rng = np.random.default_rng(7)
        scores = np.concatenate([rng.integers(0, 30, 3000) / 8, rng.normal(size=3000)])
        made = calibration(prose(scores.tolist()))
        places = [made.rank(NEWS, score, 12345, 0.5).place for score in sorted(scores.tolist())]
        assert places == sorted(places)
        assert len(set(places)) > 2000

    @pytest.mark.parametrize("shape", ["normal", "heavy", "ties"])
    def test_ranks_are_within_two_percent_and_the_lowest_within_half(self, shape: str) -> None:
        """What 49 quantiles of a group are worth against all of its scores."""
        rng = np.random.default_rng(5)
        draw = {
            "normal": lambda size: rng.normal(size=size),
            "heavy": rng.standard_cauchy,
            "ties": lambda size: rng.integers(0, 400, size),
        }
        documents = prose(draw[shape](15_000).tolist())
        made = calibration(documents)
        truth = true_ranks([each.features["judge.quality"] for each in documents])
        errors = {
            rank: abs(made.rank(NEWS, score, 1 << 63, 0.5).rank - rank) for score, rank in truth.items()
        }
        assert max(errors.values()) < 0.02
        assert max(error for rank, error in errors.items() if 0.01 < rank < 0.1) < 0.005


class TestWhatItDoesNotKnow:
    wide = Calibration(
        {
            NEWS._replace(category=None): quantiles(900, 0, 1, 2, 3, 4),
            NEWS._replace(category=None, language=None): quantiles(950, 0, 10, 20, 30, 40),
        }
    )

    def test_a_group_without_enough_documents_ranks_by_its_language_and_format(self) -> None:
        found = self.wide.rank(NEWS, 1, 5, 0.5)
        assert (found.rank, found.kept, str(found.by)) == (0.25, True, "en/prose")

    def test_a_category_that_is_left_out_is_ranked_by_its_language_and_kept(self) -> None:
        """Prevents a category that the judge mistakes others for from condemning them."""
        whole = Calibration({**self.wide.groups, NEWS: quantiles(900, 5, 6, 7, 8, 9)})
        assert not whole.rank(NEWS, 1, 5, 0.5).kept
        found = whole.without(["news"]).rank(NEWS, 1, 5, 0.5)
        assert (found.rank, found.kept, str(found.by)) == (0.25, True, "en/prose")

    def test_a_language_that_nobody_measured_is_ranked_and_not_dropped(self) -> None:
        """Prevents a judge that likes a language less from silently killing it."""
        found = self.wide.rank(NEWS._replace(language="ja"), 1, 5, 0.5)
        assert (found.rank, found.kept, str(found.by)) == (0.025, True, "prose")

    @pytest.mark.parametrize("change", [{"source": "judge@2"}, {"format": "latex"}])
    def test_a_source_that_nobody_measured_is_kept(self, change: dict[str, str]) -> None:
        """Prevents a new version of a model, on another scale, from dropping everything."""
        found = self.wide.rank(NEWS._replace(**change), -1e9, 5, 0.05)
        assert (found.rank, found.by) == (0.5, None)
        assert found.kept
        assert not self.wide.knows("judge@2")
        assert self.wide.knows("judge@1")

    def test_a_share_of_nothing_asks_for_no_rank(self) -> None:
        """Prevents what a user does not want from coming in because nobody measured it."""
        for group in (NEWS, NEWS._replace(language="ja"), NEWS._replace(source="judge@2")):
            assert not self.wide.rank(group, 1e9, 5, 0.0).kept
            assert self.wide.rank(group, -1e9, 5, 1.0).kept


class TestFile:
    def written(self, folder: Path, made: Calibration) -> Path:
        path = folder / "calibration.json"
        path.write_bytes(made.data)
        return path

    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        made = calibration(stream(5000))
        again = Calibration.load(self.written(tmp_path, made))
        assert (again, again.data) == (made, made.data)
        assert len(made.groups) == 6  # four groups, en/prose, prose

    def test_the_bytes_do_not_depend_on_the_order(self) -> None:
        """Prevents a table that is another each time that it is made."""
        documents = stream(40_000)
        made = calibration(documents)
        random.Random(3).shuffle(documents)
        assert calibration(documents).data == made.data
        assert calibration([*documents, *documents[:5000]]).version != made.version  # it counts what came
        twice = calibration(documents * 2)
        assert {g: q.scores for g, q in twice.groups.items()} == {g: q.scores for g, q in made.groups.items()}

    def test_the_version_follows_from_the_content(self) -> None:
        one, other = table(0, 1, 2, 4, 8), table(0, 1, 2, 4, 9)
        assert one.version != other.version
        assert one.version == table(0, 1, 2, 4, 8).version

    def test_a_file_that_is_missing_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"No such file.*corpusworks judge calibrate"):
            chosen(ScorerConfig(calibration=tmp_path / "no.json"))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda data: data[:-30], "is not JSON"),
            (lambda data: b"\xff\xfe" + data, "is not JSON"),
            (lambda data: b"[1]", "has layout None"),
            (
                lambda data: data.replace(b'"layout": 1', b'"layout": 2'),
                f"has layout 2, and this .* reads {Calibration.LAYOUT}",
            ),
            (lambda data: data.replace(b'"documents": 900', b'"documents": 901'), "changed by hand"),
            (lambda data: data.replace(b"[1.0, 0.25]", b"[1.0]"), "damaged"),
            (lambda data: data.replace(b"[1.0, 0.25]", b"[3.0, 0.25]"), "no ascending numbers"),
            (lambda data: data.replace(b"[1.0, 0.25]", b"[NaN, 0.25]"), "no ascending numbers"),
            (lambda data: data.replace(b'"source"', b'"sauce"'), "damaged"),
            (lambda data: data.replace(b"0.25", b"0.75"), "levels do not rise"),
            (lambda data: data.replace(b'"groups"', b'"gruppen"'), "damaged"),
        ],
    )
    def test_a_damaged_file_is_one_clear_line(self, tmp_path: Path, change: object, says: str) -> None:
        """Prevents half a table from ranking; and a stack trace for it."""
        path = tmp_path / "table.json"
        plain = table(0, 1, 2, 4, 8).data
        changed = change(plain)  # type: ignore[operator]
        assert changed != plain
        path.write_bytes(changed)
        with pytest.raises(ConfigurationError, match=says) as caught:
            Calibration.load(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


class TestWhichTable:
    def test_the_shipped_one_covers_the_judge_and_every_format(self) -> None:
        """Prevents a release whose scorer keeps everything, or ranks by a table of another version."""
        shipped = chosen(ScorerConfig())
        versions = [int(p.name) for p in (MODELS / "judge").iterdir() if p.name.isdigit()]
        assert shipped.knows(f"judge@{max(versions)}")
        measured = {g.format for g in shipped.groups if g.source == f"formats@{FORMATS}"}
        assert measured == set(TERMS) - {"table", "log"}, "too few of these are free to use"
        for language in ("zh", "en"):
            assert Group("judge@1", "prose", language) in shipped.groups
            # else all is kept of it, and much spam is taken for a product
            assert Group("judge@1", "prose", language, "product") in shipped.groups
        assert all(
            quantiles.documents >= 100 for group, quantiles in shipped.groups.items() if group.category
        )

    def test_the_models_own_comes_before_the_shipped_one(self, tmp_path: Path) -> None:
        (tmp_path / "judge").mkdir()
        (tmp_path / "judge" / Calibration.FILE).write_bytes(table(0, 1, 2, 4, 8).data)
        assert chosen(ScorerConfig(models=tmp_path)) == table(0, 1, 2, 4, 8)

    def test_a_model_without_one_takes_only_what_is_no_models(self, tmp_path: Path) -> None:
        """Prevents a user's own judge, version 1, from being ranked by the shipped judge's version 1."""
        found = chosen(ScorerConfig(models=tmp_path))
        assert {group.source for group in found.groups} == {f"formats@{FORMATS}"}
        assert found.version != chosen(ScorerConfig()).version

    def test_a_file_that_is_named_comes_first(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.json"
        path.write_bytes(table(0, 1, 2, 4, 8).data)
        assert chosen(ScorerConfig(calibration=path)) == table(0, 1, 2, 4, 8)


def test_the_file_is_for_people() -> None:
    """A line a group, and plain JSON."""
    made = table(0, 1, 2, 4, 8)
    lines = made.data.decode().splitlines()
    assert json.loads(made.data)["version"] == made.version
    assert any("news" in line and "900" in line for line in lines)
