"""Who asks the archive is told where a river has more than is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.archived import archive_in


def test_what_an_interrupted_river_has_not_archived_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: `0 dropped` and `0 tokens in parts` beside parts, without a word."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "river.json").touch()
    archive_in(str(tmp_path))
    assert capsys.readouterr().err == "", "a store that was copied has no river"
    (tmp_path / "state").mkdir()
    for place in (tmp_path, tmp_path / "parts"):
        assert archive_in(str(place)).url == tmp_path.as_uri()
        told = capsys.readouterr()
        assert (told.out, "may not be archived yet" in told.err) == ("", True)
    (tmp_path / "letters.jsonl").touch()  # a run has ended
    archive_in(str(tmp_path))
    assert capsys.readouterr().err == ""
