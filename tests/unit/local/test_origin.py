"""Which river a folder was mixed from: known again by whatever name, and after it was moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local.origin import check_origin, keep_origin, origin
from services.local.partitions import keep
from services.local.store import begun_with, keep_url
from services.runtime import ConfigurationError


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """From `tmp_path/first`, whose river is known by `its id`."""
    out = tmp_path / "new"
    (out / "state").mkdir(parents=True)
    (tmp_path / "first" / "state").mkdir(parents=True)
    keep_origin(out, tmp_path / "first", "its id")
    keep_url(out, out.as_uri())
    return out


def test_a_folder_has_many_names(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("first")
    monkeypatch.chdir(tmp_path / "new")
    for name in ("../first", "../link", "../new/../first/."):
        check_origin(mixed, Path(name), "its id")
    with pytest.raises(ConfigurationError, match="was mixed from"):
        check_origin(mixed, Path("../new"), "its id")


def test_one_that_was_moved_is_known_again_and_another_in_its_stead_is_not(
    mixed: Path, tmp_path: Path
) -> None:
    """Prevents: a folder that cannot go on, or which withdraws all it has: another river has none of it."""
    moved, copied = tmp_path / "moved\non", tmp_path / "copied"
    (copied / "state").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="was mixed from"):
        check_origin(mixed, copied, "its id")
    (tmp_path / "first").rename(moved)
    check_origin(mixed, moved)
    with pytest.raises(ConfigurationError, match="was mixed from"):
        check_origin(mixed, moved, "another")
    check_origin(mixed, moved, "its id")
    keep_origin(mixed, moved, "its id")
    assert origin(mixed) == moved


def test_what_a_folder_is_is_known_at_each_moment_of_a_later_start(mixed: Path) -> None:
    """Prevents: a river whose parts go elsewhere, since a later start found no room to say the same."""
    keep_url(mixed, "s3://bucket/river")
    keep(mixed, {"CORPUSWORKS_PARTITIONS": "7"})
    files = {path: path.read_text() for path in (mixed / "state").iterdir()}
    opened = {path: path.open() for path in files}
    keep_url(mixed, "s3://bucket/river")
    keep(mixed, {"CORPUSWORKS_PARTITIONS": "7"})
    keep_origin(mixed, mixed.parent / "first", "its id")
    assert {path: file.read() for path, file in opened.items()} == files  # none was emptied to be written
    assert begun_with(mixed) == "s3://bucket/river"
    for file in opened.values():
        file.close()
