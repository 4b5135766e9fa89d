"""Partitions and lanes of a folder's river: by the cores of who began it, and the same ever after."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local import partitions
from services.local.store import STATE, keep_url
from services.runtime import Settings

PARTITIONS, LANES = "CORPUSWORKS_PARTITIONS", "CORPUSWORKS_LANES"


@pytest.mark.parametrize(
    ("cores", "told", "lanes"),
    [(1, "2", "1"), (2, "2", "1"), (12, "12", "1"), (16, "16", "2"), (192, "32", "4")],
)
def test_a_folder_is_begun_by_the_cores_and_keeps_what_it_has(
    cores: int, told: str, lanes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: documents in partitions, and lanes, that a machine with fewer cores does not look at."""
    monkeypatch.setattr(partitions, "available_cores", lambda: cores)
    begun = partitions.environment(tmp_path, Settings())
    assert begun == {PARTITIONS: told, LANES: lanes}
    (tmp_path / STATE).mkdir()
    keep_url(tmp_path, tmp_path.as_uri())
    partitions.keep(tmp_path, begun)
    monkeypatch.setattr(partitions, "available_cores", lambda: 6)
    assert partitions.environment(tmp_path, Settings()) == begun
    assert partitions.number(begun, Settings()) == int(told)


def test_what_is_mixed_from_another_has_one_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: fifty empty partitions that are made for another mix, and four that become one."""
    assert partitions.environment(tmp_path, Settings(), mixed=True) == {PARTITIONS: "1", LANES: "1"}
    assert partitions.environment(tmp_path, Settings(partitions=7, lanes=2), mixed=True) == {}
    monkeypatch.setattr(partitions, "available_cores", lambda: 2)
    (tmp_path / STATE).mkdir()
    keep_url(tmp_path, tmp_path.as_uri())
    partitions.keep(tmp_path, {PARTITIONS: "4"})
    assert partitions.environment(tmp_path, Settings(), mixed=True) == {PARTITIONS: "4"}


def test_what_the_user_sets_counts_and_a_folder_from_before_keeps_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a setting that is passed over, and a river of four partitions that is asked for twelve."""
    monkeypatch.setattr(partitions, "available_cores", lambda: 12)
    assert partitions.environment(tmp_path, Settings(partitions=7)) == {LANES: "1"}
    assert partitions.environment(tmp_path, Settings(lanes=3)) == {PARTITIONS: "12"}
    (tmp_path / STATE).mkdir()
    keep_url(tmp_path, tmp_path.as_uri())
    assert partitions.environment(tmp_path, Settings()) == {}
