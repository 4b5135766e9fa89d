"""What a page says that it is, beside its text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import Document
from services.classifier import SERVICE, Classifier, ClassifierConfig, PageKinds
from services.inference import MODELS
from services.runtime import ConfigurationError, Resources, Settings, load_settings
from services.runtime.apply import judged
from services.runtime.topology import Topology
from tests.unit.classifier.test_judge import FakeEncoder, prose

TABLE = PageKinds(
    pages={"": 100, "math": 20, "news": 50},
    declared={"news": {"": 1, "news": 30}, "article": {"": 30, "news": 20, "math": 4}},
)


def read(kind: str, *logits: float, kinds: PageKinds | None = TABLE) -> Document:
    (document,) = prose("a tide")
    if kind:
        document.features[f"page_kind.{kind}"] = 1
    Classifier(FakeEncoder(logits), ClassifierConfig(), kinds)([document])  # type: ignore[arg-type]
    return document


class TestWeighing:
    def test_what_a_page_says_decides_where_the_text_is_not_sure(self) -> None:
        """Prevents news that is told like a novel from being a book, though the page says NewsArticle."""
        alone, said = read("", 3, 0, 1), read("news", 3, 0, 1)
        assert (alone.category, said.category) == ("book", "news")
        assert said.features["category.news"] == said.features["category_probability"] > 0.7
        assert said.features["category_by_text"] == pytest.approx(alone.features["category.news"], abs=1e-5)
        assert "category_by_text" not in alone.features

    def test_a_sure_text_is_not_overruled(self) -> None:
        """Prevents any page from choosing its category by what it declares."""
        certain = PageKinds(pages={"": 10**6, "news": 10**6}, declared={"news": {"news": 10**6}})
        assert read("news", 4.5, -9, 0, kinds=certain).category == "news"
        assert read("news", 4.7, -9, 0, kinds=certain).category == "book"

    def test_a_text_surer_than_right_weighs_less_beside_the_page(self) -> None:
        """Prevents a judge's false sureness from silencing pages; what says nothing stays as it was."""
        half = replace(TABLE, text_weight=0.5)
        assert read("news", 5, -9, 0).category == "book"
        assert read("news", 5, -9, 0, kinds=half).category == "news"
        for kind in ("", "forum"):
            assert read(kind, 5, -9, 0, kinds=half).features == read(kind, 5, -9, 0).features

    def test_what_all_pages_say_weighs_little(self) -> None:
        """Prevents the word article, which is on half of all pages, from making them news."""
        assert 1 == TABLE.factors["article"]["math"] < TABLE.factors["article"]["news"] < 2
        assert TABLE.factors["news"]["news"] > 20
        assert TABLE.factors["news"]["math"] == 1  # few pages, of which none says so

    @pytest.mark.parametrize("kind", ["", "forum"])
    def test_without_a_kind_that_was_counted_the_text_speaks_alone(self, kind: str) -> None:
        """Prevents documents that are no pages, and new kinds, from being judged otherwise than before."""
        with_table, without = read(kind, 0.3, 0.1, 0.2), read(kind, 0.3, 0.1, 0.2, kinds=None)
        assert with_table.category == without.category
        assert with_table.features["category_probability"] == without.features["category_probability"]

    def test_no_word_of_the_page_outlives_it(self) -> None:
        """Prevents what was weighed once from standing beside what is judged by the text alone."""
        document = read("news", 3, 0, 1)
        del document.features["page_kind.news"]
        Classifier(FakeEncoder((3, 0, 1)), ClassifierConfig(), TABLE)([document])  # type: ignore[arg-type]
        assert document.category == "book"
        assert "category_by_text" not in document.features


class TestTable:
    def test_a_table_without_a_weight_leaves_texts_as_they_are(self, tmp_path: Path) -> None:
        """Prevents a table that was written before from being refused."""
        path = tmp_path / "page_kinds.json"
        content = json.loads(replace(TABLE, text_weight=0.5).data)
        del content["text_weight"], content["version"]
        path.write_text(json.dumps(content))
        assert PageKinds.load(path) == TABLE

    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        """Prevents replicas from weighing by tables that only look alike."""
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "page_kinds.json").write_bytes(TABLE.data)
        found = PageKinds.beside(tmp_path, "own")
        assert found is not None
        assert (found, found.version, found.factors) == (TABLE, TABLE.version, TABLE.factors)
        assert PageKinds.beside(tmp_path, "other") is None
        agreed = SERVICE.agrees(ClassifierConfig(models=tmp_path, model="own"), Settings())
        assert agreed == {"page_kinds": TABLE.version}
        assert SERVICE.agrees(ClassifierConfig(declared=False), Settings()) == {"page_kinds": ""}

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"layout": 2}, "layout"),
            ({"bound": 1}, "bound"),
            ({"bound": "high"}, "not supported"),
            ({"text_weight": 0}, "text_weight"),
            ({"text_weight": 1.5}, "text_weight"),
            ({"pages": {}}, "pages"),
            ({"pages": {"": 0}}, "a page of each"),
            ({"pages": 3}, "table of page kinds"),
            ({"declared": {"news": {"news": 51}}}, "more pages of 'news'"),
            ({"declared": {"news": {"novel": 1}}}, "more pages of 'novel'"),
            ({"more": 1}, "more"),
        ],
    )
    def test_a_broken_table_says_what_is_wrong(
        self, tmp_path: Path, change: dict[str, Any], says: str
    ) -> None:
        """Prevents a river from starting with a table that cannot be."""
        path = tmp_path / "page_kinds.json"
        path.write_text(json.dumps(json.loads(TABLE.data) | change))
        with pytest.raises(ConfigurationError, match=says):
            PageKinds.load(path)

    def test_the_judge_that_ships_has_one(self) -> None:
        """Prevents a model from being exported without its table, or with one of other categories."""
        found = PageKinds.beside(None, "judge")
        assert found is not None
        labels = json.loads((MODELS / "judge" / "model.json").read_text())["heads"]["category"]["labels"]
        assert set(found.pages) <= {"", *labels}
        best = {kind: max(factors, key=lambda c: factors[c]) for kind, factors in found.factors.items()}
        assert best == {
            "forum": "forum_qa", "documentation": "tech_doc", "product": "product", "news": "news",
            "article": "news",
        }  # fmt: skip


def test_a_thread_is_found_by_its_page() -> None:
    """Prevents the word of a page from being lost between parse and classifier; its text is a review's."""
    posts = (
        "My old projector shows a green line on the left. I paid a lot for it and now I want a brighter one "
        "for the attic.",
        "Agreed, mine does that too after two years.",
    )
    thread = "".join(f"<article class=message><p>{post}</p></article>" for post in posts)
    head = '<script type="application/ld+json">{"@type": "DiscussionForumPosting"}</script>'
    bodies = [f"<html><head>{each}</head><body>{thread}</body></html>".encode() for each in (head, "")]
    documents = [Document(id="d", body=body, media_type="text/html", language="en") for body in bodies]
    resources, topology = Resources(load_settings()), Topology.load(None, ["en"])
    said, silent = (one for one, _ in judged(["parse", "classifier"], documents, resources, topology))
    assert said.text == silent.text
    assert (said.category, silent.category) == ("forum_qa", "review")
    assert (said.features["page_kind.forum"], said.metadata["page_kind"]) == (1, "discussionforumposting")
    assert said.features["judge.quality"] == pytest.approx(silent.features["judge.quality"], abs=1e-5)
