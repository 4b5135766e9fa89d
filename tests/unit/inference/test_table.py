"""Tables beside a model: one file for all of them, and what is no such file is told in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.classifier import PageKinds
from services.inference import MODELS, Table
from services.runtime import ConfigurationError
from services.scorer import Calibration, Limits

TABLES: list[type[Table]] = [PageKinds, Calibration, Limits]
SHIPPED = MODELS / "judge"
pytestmark = pytest.mark.parametrize("kind", TABLES)


def test_the_judge_that_ships_has_it_as_it_would_be_written(kind: type[Table]) -> None:
    """Prevents a table that was changed by hand from being shipped, and one of a single line."""
    found = kind.beside(None, "judge")
    assert found is not None
    assert found.data == (SHIPPED / kind.FILE).read_bytes()
    assert json.loads(found.data)["version"] == found.version
    assert len(found.data.splitlines()) > 10


def test_a_model_without_it_has_none(kind: type[Table], tmp_path: Path) -> None:
    """Prevents a judge of one's own from being read by what was measured of the one that ships."""
    assert kind.beside(tmp_path, "judge") is None


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (b"{", b"", "is not JSON"),
        (b"{", b"[{", "is not JSON"),
        (b'"layout": 1', b'"layout": 7', "has layout 7, and this version reads 1"),
        (b'"version": "', b'"version": "0', "changed by hand: it says version 0"),
        (b"news", b"olds", "damaged"),
    ],
)
def test_what_is_no_table_says_so_and_who_makes_one(
    kind: type[Table], tmp_path: Path, before: bytes, after: bytes, says: str
) -> None:
    path = tmp_path / "mine.json"
    content = (SHIPPED / kind.FILE).read_bytes()
    path.write_bytes(content.replace(before, after, 1))
    with pytest.raises(ConfigurationError, match=says) as caught:
        kind.load(path)
    assert str(caught.value).endswith(f"make one with `{kind.MADE_BY}`")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_says_who_makes_one(kind: type[Table], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"No such file.*{kind.MADE_BY}"):
        kind.load(tmp_path / "no.json")
