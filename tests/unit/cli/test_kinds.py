"""`judge kinds`: what pages say is counted, and measured on other sites than it is counted on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from services.classifier import PageKinds
from services.cli.judge import app
from services.cli.kinds import ALL, MEAN, Page, counted, worth
from services.runtime import ConfigurationError

LABELS = ("news", "product")


def kinds(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["kinds", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def index(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "index.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_pages_are_counted_as_they_say(tmp_path: Path) -> None:
    """Prevents a table of a user's own categories from needing a program of theirs."""
    text = (
        "<p>The lamp burned all night, and the keeper slept by the stairs until the ships had gone.</p>" * 4
    )
    shop = "<meta property='og:type' content='product'>"
    for name, head in (("a", shop), ("b", ""), ("c", ""), ("d", shop)):
        (tmp_path / f"{name}.html").write_text(f"<html><head>{head}</head><body>{text}</body></html>")
    (tmp_path / "e.html").write_text("<html></html>")
    told = [("a", "product", ""), ("b", "product", "https://x.example/forum/1"), ("c", "", ""), ("d", "", "")]
    lines = [{"file": f"{name}.html", "category": category, "url": url} for name, category, url in told]
    made = tmp_path / "page_kinds.json"
    assert "product" in kinds(
        index(tmp_path, *lines, {"file": "e.html", "category": "product"}), "--to", made
    )
    table = PageKinds.load(made)
    assert table.pages == {"product": 2, "": 2}
    assert table.declared == {"product": {"product": 1, "": 1}, "forum": {"product": 1}}


def test_a_site_is_not_measured_by_itself() -> None:
    """Prevents a word that one site alone has from seeming to be worth something."""
    unsure = np.array([0.6, 0.4], np.float32)
    one = [Page("product", "shop", "a.example", unsure) for _ in range(9)]
    others = [Page("", "", f"{n}.example", unsure) for n in range(30)]
    (alone,) = worth(one + others, LABELS)
    assert alone == ("", "product", 9, 9, 0, 0)
    more = [Page("product", "shop", f"shop{n}.example", unsure) for n in range(30)]
    (among,) = worth(one + others + more, LABELS)
    assert among == ("", "product", 39, 39, 0, 1)


@pytest.mark.parametrize(("wrong", "weight"), [(0, 1.0), (3, 0.3)])
def test_a_text_weighs_as_much_as_it_is_right(wrong: int, weight: float) -> None:
    """Prevents a table from believing what a judge is sure of, where it is sure of what is not so."""
    sure = np.array([0.001, 0.999], np.float32)
    shops = [Page("product", "shop", f"{n}.example", sure) for n in range(20)]
    rows = [sure] * wrong + [sure[::-1]] * (20 - wrong)
    papers = [Page("news", "paper", f"news{n}.example", row) for n, row in enumerate(rows)]
    rest = [Page("", "", f"rest{n}.example", sure) for n in range(20)]
    assert counted(shops + papers + rest, LABELS).text_weight == pytest.approx(weight, abs=0.11)


def test_few_pages_of_a_category_count_as_much_as_many() -> None:
    """Prevents a judge that knows shops alone from passing for one that knows pages."""
    sure = np.array([0.1, 0.9], np.float32)
    shops = [Page("product", "", f"{n}.example", sure, "zh") for n in range(30)]
    papers = [Page("news", "", f"news{n}.example", sure, "zh") for n in range(10)]
    english = [Page("product", "", f"en{n}.example", sure, "en") for n in range(2)]
    rows = worth(shops + papers + english, LABELS)
    assert [(row.language, row.category, row.pages, row.with_kinds) for row in rows] == [
        ("en", "product", 2, 1),
        ("zh", "news", 10, 0),
        ("zh", "product", 30, 1),
        ("zh", ALL, 40, 0.75),
        ("zh", MEAN, 40, 0.5),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"file": "none.html", "category": "product"}, "no such file"),
        ({"file": "index.jsonl"}, "'category'"),
        ({"file": "index.jsonl", "category": None}, "no category"),
        ({"file": 3, "category": "product"}, "unsupported operand"),
    ],
)
def test_a_wrong_index_is_one_error(tmp_path: Path, line: dict[str, object], says: str) -> None:
    """Prevents a stack trace, and a table of what was left over."""
    made = tmp_path / "page_kinds.json"
    with pytest.raises(ConfigurationError, match=says):
        kinds(index(tmp_path, line), "--to", made)
    assert not made.exists()


def test_no_page_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no table can be made of 0 pages"):
        kinds(index(tmp_path))
