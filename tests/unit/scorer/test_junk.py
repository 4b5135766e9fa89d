"""What is junk among its like: where the limits come from, what the scorer does past them, who may pass."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from contracts import Document
from services.runtime import ConfigurationError, Drop, Emit, Resources, Settings, metrics
from services.runtime.contracts.unit import verdicts_of
from services.scorer import SERVICE, Limits, Scorer, ScorerConfig
from services.scorer.calibration import Calibration
from services.scorer.junk import Group, Limit, measured
from tests import tiny_model
from tests.scoring import no_encoder

TABLE = Limits(
    {Group("en"): Limit(1.0, 900), Group("en", "email"): Limit(3.0, 300), Group("zh"): Limit(-1.0, 500)}
)


def mail(logit: float | None, language: str = "en", category: str = "email") -> Document:
    made = Document(
        uid=random.Random(logit).getrandbits(63), text="Buy now.", language=language, category=category
    )
    made.format = "prose"
    made.features["judge.quality"] = 0.5
    if logit is not None:
        made.features["judge.junk"] = logit
    return made


def scorer(limits: Limits | None = TABLE, **settings: object) -> Scorer:
    config = ScorerConfig(**settings)  # type: ignore[arg-type]
    return Scorer(Calibration({}), no_encoder, config, limits)


class TestLimits:
    def test_a_hundredth_of_good_texts_is_past_its_own_limit(self) -> None:
        """Prevents one limit for all, which would call a shop's page junk for what a chat may not say."""
        draw = random.Random(1)

        def texts(count: int) -> list[tuple[Group, float]]:
            middle = {"news": 1.0, "law": 1.0, "math": 1.0, "product": 2.5}
            return [(Group("en", n), draw.gauss(mean, 1)) for n, mean in middle.items() for _ in range(count)]

        made = measured(texts(4000), least=100)
        for name in ("news", "product"):
            new = [logit for group, logit in texts(4000) if group.category == name]
            limit = made.of("en", name)
            assert limit is not None
            past = sum(logit > limit.logit for logit in new) / len(new)
            assert past <= 0.016
        assert made.groups[Group("en", "product")].logit > made.groups[Group("en")].logit

    def test_few_texts_have_their_languages_limit_and_a_strange_language_none(self) -> None:
        """Prevents a category or a language that nobody measured from being called junk for it."""
        good = [(Group("en", "news"), float(n)) for n in range(300)] + [(Group("en", "law"), 900.0)] * 50
        good += [(Group("fr", "news"), 0.0)] * 50
        made = measured(good, least=100)
        assert set(made.groups) == {Group("en"), Group("en", "news")}
        assert made.of("en", "law") == made.of("en", "exam") == made.groups[Group("en")]
        assert made.of("fr", "news") is None

    def test_what_is_like_no_junk_is_none(self) -> None:
        """Prevents a source that the table has not seen from being junk for lying above the ones it has."""
        posts = [(Group("en", "social"), n / 100) for n in range(200)]
        made = measured([(Group("en", "math"), -4.0 - n / 100) for n in range(500)] + posts, least=100)
        assert made.of("en", "math") == Limit(1.98, 500)  # of all 700 the second highest: a third of 1 %
        assert made.of("en", "exam") == Limit(1.98, 700)
        shops = [(Group("en", "product"), 3.0 + n / 100) for n in range(200)]
        assert measured(posts + shops, least=100).of("en", "product") == Limit(4.99, 200)

    def test_a_table_that_too_few_texts_could_make_is_refused(self) -> None:
        with pytest.raises(ValueError, match="99 good documents"):
            measured([(Group("en", "news"), 1.0)] * 98, least=2)
        assert measured([(Group("en", "news"), 1.0)] * 99, least=2).groups

    def test_the_file_says_all_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "junk.json"
        path.write_bytes(TABLE.data)
        assert Limits.load(path) == TABLE
        assert Limits.load(path).version == TABLE.version
        assert Limits({Group("en"): Limit(2.0, 900)}).version != TABLE.version

    @pytest.mark.parametrize(
        "text",
        ["", "[]", '{"layout": 2}', '{"layout": 1, "loss": 2, "groups": []}',
         '{"layout": 1, "loss": 0.01, "groups": [{"language": "en", "logit": "x", "documents": 1}]}',
         '{"layout": 1, "loss": 0.01, "groups": [{"language": "en", "logit": NaN, "documents": 1}]}',
         '{"layout": 1, "loss": 0.01, "groups": [{"language": "en", "logit": 1, "documents": Infinity}]}'],
    )  # fmt: skip
    def test_what_is_no_table_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "junk.json"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="corpusworks judge junk"):
            Limits.load(path)


class TestReport:
    def test_junk_is_said_and_goes_on(self) -> None:
        """Prevents an update of the package from dropping what nobody asked it to."""
        documents = [mail(3.1), mail(2.9), mail(1.1, category="news"), mail(0.0, "zh"), mail(9.0, "fr")]
        verdicts = verdicts_of(SERVICE, scorer(), documents)
        assert all(isinstance(verdict, Emit) for verdict in verdicts)
        assert [each.features["junk"] for each in documents[:4]] == [1, 0, 1, 1]
        assert "junk" not in documents[4].features
        counted = [count for verdict in verdicts for count in verdict.counted]  # type: ignore[union-attr]
        assert [count.labels for count in counted] == [
            ("en", "email", "yes"), ("en", "email", "no"), ("en", "news", "yes"), ("zh", "email", "yes")
        ]  # fmt: skip
        assert {count.name for count in counted} <= metrics.COUNTED.keys()

    def test_an_old_mark_does_not_outlive_its_table(self) -> None:
        document = mail(None)
        document.features["junk"] = 1
        scorer(None)([document])
        assert "junk" not in document.features

    def test_a_model_without_the_head_is_no_trouble(self) -> None:
        """Prevents old corpora and a user's own judge from stopping at the update."""
        assert isinstance(scorer()([mail(None)])[0], Emit)
        assert isinstance(scorer(None)([mail(9.0)])[0], Emit)


class TestDrop:
    def test_the_drop_says_what_was_measured(self) -> None:
        (dropped,) = verdicts_of(SERVICE, scorer(junk="drop"), [mail(3.5)])
        assert isinstance(dropped, Drop)
        assert (dropped.reason, dropped.measured, dropped.threshold) == ("junk", 3.5, 3.0)
        assert "1.0% of good en email" in dropped.detail
        assert "300 documents" in dropped.detail
        assert isinstance(scorer(junk="drop")([mail(2.5)])[0], Emit)

    def test_a_person_lets_a_text_pass(self) -> None:
        """Prevents what `audit reinstate` put back from being dropped again: the rules saw its waiver."""
        document, other = mail(3.5), mail(3.6)
        document.features["waived"] = 1.0
        found = scorer(junk="drop")([document, other])
        assert [type(each) for each in found] == [Emit, Drop]
        assert document.features["junk"] == 1

    def test_it_asks_for_a_head_and_a_table(self, tmp_path: Path) -> None:
        """Prevents a river from saying that it drops junk, and dropping none."""
        folder = tiny_model.make(tmp_path)
        config = ScorerConfig(models=tmp_path, junk="drop")
        with pytest.raises(ConfigurationError, match=r"no head junk.*corpusworks judge head"):
            SERVICE.needs(config, Settings())
        described = (folder / "model.json").read_text()
        (folder / "model.json").write_text(
            described.replace('"quality": {', '"junk": {"kind": "score"}, "quality": {')
        )
        with pytest.raises(ConfigurationError, match=r"no junk.json.*corpusworks judge junk"):
            SERVICE.build(config, Resources(Settings()))
        (folder / "junk.json").write_bytes(TABLE.data)
        SERVICE.needs(config, Settings())
        assert SERVICE.agrees(config, Settings())["junk"] == TABLE.version

    def test_a_mistyped_choice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="report or drop"):
            ScorerConfig(junk="dorp")  # type: ignore[arg-type]


def test_the_judge_that_ships_has_head_and_table() -> None:
    """Prevents a release whose default judge cannot do what its settings offer."""
    SERVICE.needs(ScorerConfig(junk="drop"), Settings())
    table = Limits.beside(None, "judge")
    assert table is not None
    assert {group.language for group in table.groups} == {"zh", "en"}
