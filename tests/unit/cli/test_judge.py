"""`judge calibrate` over documents, and what `judge refresh` says of a version that has no table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import services.local.run
from services.cli.judge import app
from services.inference import MODELS
from services.runtime import ConfigurationError
from services.scorer import Calibration, ScorerConfig, chosen
from tests.corpus import write_jsonl


def calibrate(*arguments: str | Path) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["calibrate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_a_table_is_made_of_files_without_a_server(tmp_path: Path) -> None:
    """Prevents a table that only a river can make; the file is the same each time that it is made."""
    source = write_jsonl(tmp_path / "made.jsonl", 90, seed=3)
    made = []
    for name in ("one.json", "other.json"):
        out, err = calibrate(source, "--anew", "--least", "5", "--to", tmp_path / name)
        assert "code" in out
        assert "CORPUSWORKS_UNITS__SCORER__CALIBRATION=" in err
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    table = Calibration.load(tmp_path / "one.json")
    assert {group.source for group in table.groups} == {"judge@1", "formats@1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.jsonl", "one.json", "other.json"]


def test_it_shows_what_the_present_table_keeps_and_writes_nothing(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "made.jsonl", 60, seed=4)
    out, err = calibrate(source)
    assert "95.0%" in out
    assert chosen(ScorerConfig()).version in err, "too few of any group: the table is the present one"
    assert [path.name for path in tmp_path.iterdir()] == ["made.jsonl"]


def test_what_cannot_be_done_is_one_error(tmp_path: Path) -> None:
    """Prevents an empty table from being written, and a stack trace for a folder that is not there."""
    (tmp_path / "none.jsonl").write_text('{"id": "a", "text": ""}\n')
    with pytest.raises(ConfigurationError, match="no document has a score"):
        calibrate(tmp_path / "none.jsonl", "--to", tmp_path / "table.json")
    assert not (tmp_path / "table.json").exists()
    source = write_jsonl(tmp_path / "made.jsonl", 10, seed=4)
    with pytest.raises(ConfigurationError, match=r"table\.json: No such file"):
        calibrate(source, "--to", tmp_path / "no" / "table.json")


def test_a_switch_to_a_version_without_a_table_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a judge that keeps everything from now on, and nobody who knows what to run."""
    shutil.copytree(MODELS / "judge", tmp_path / "judge", ignore=shutil.ignore_patterns("1"))
    monkeypatch.setenv("CORPUSWORKS_UNITS__SCORER__MODELS", str(tmp_path))
    for version, told in ((1, False), (2, True)):
        monkeypatch.setattr(services.local.run, "refresh_judges", lambda out, v=version: {"judge": v})
        done = CliRunner().invoke(app, ["refresh", "--out", str(tmp_path)], catch_exceptions=False)
        assert f"judge: version {version}" in done.stdout
        assert ("judge calibrate --out" in done.stderr) is told
