"""Which files there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest import IngestConfig, walk
from services.ingest.pattern import compiled, folder_of
from services.runtime import ConfigurationError


def found(*paths: Path | str) -> list[str]:
    return [file.path for file in walk.find(IngestConfig(paths=tuple(map(str, paths))))]


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_a_folder_of_more_names_than_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents files that are lost or come twice where a folder is listed in parts."""
    names = [f"{number:03}.txt" for number in range(50)]
    made(tmp_path, *names, "deep/a.txt", "deeper/b.txt", ".hidden")
    for size in (1, 7, 10, 25, 50, 51, 1000):
        monkeypatch.setattr(walk, "_MAX_NAMES", size)
        expected = [str(tmp_path / name) for name in (*names, "deep/a.txt", "deeper/b.txt")]
        assert found(tmp_path) == expected


def test_patterns(tmp_path: Path) -> None:
    folder = made(tmp_path, "a.jsonl", "b.txt", "deep/c.jsonl", "deep/deeper/d.jsonl", "[odd]*.jsonl")
    assert found(folder / "*.txt") == [str(folder / "b.txt")]
    assert found(folder / "deep" / "**" / "*.jsonl") == [
        str(folder / "deep/c.jsonl"), str(folder / "deep/deeper/d.jsonl"),
    ]  # fmt: skip
    assert found(folder / "de*") == [str(folder / "deep/c.jsonl"), str(folder / "deep/deeper/d.jsonl")]
    assert found(folder / "[odd]*.jsonl") == [str(folder / "[odd]*.jsonl")], "what is there is no pattern"
    assert found(folder / "a.jsonl", folder / "*.jsonl").count(str(folder / "a.jsonl")) == 1
    with pytest.raises(ConfigurationError, match="matches no file"):
        walk.check([str(folder / "*.csv")])


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a/*.gz", "a/b.gz", True),
        ("a/*.gz", "a/b/c.gz", False),
        ("a/**/*.gz", "a/c.gz", True),
        ("a/**/*.gz", "a/b/b/c.gz", True),
        ("a/**", "a/b/c", True),
        ("a/?[0-9].gz", "a/x7.gz", True),
        ("a/[!x]*.gz", "a/x7.gz", False),
        ("a/[!x]*.gz", "a/y/7.gz", False),
        ("a.b/*", "aXb/c", False),
        ("a/[x", "a/[x", True),
    ],
)
def test_a_pattern_of_keys(pattern: str, name: str, matches: bool) -> None:
    assert (compiled(pattern).fullmatch(name) is not None) == matches
    if matches:
        assert name.startswith(folder_of(pattern))
