"""What a store holds after a run, and how a command is refused it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.e2e.commands import Done, ask


def parts_in(folder: Path) -> dict[str, bytes]:
    """Every file of the parts in a folder, by its path below it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "parts").rglob("*") if p.is_file()}


def assert_whole(place: str | Path, number: int, settings: Mapping[str, str] | None = None) -> None:
    """Every part is as it was sealed, and every document is there once."""
    verified = ask("parts", "verify", place, settings=settings)
    assert verified.code == 0, verified.out + verified.err
    rows = ask("parts", "decode", place, settings=settings).rows
    assert len(rows) == len({(row["id"], row["source"]) for row in rows}) == number


def assert_refused(done: Done, *told: str) -> None:
    """Exit code 2 and a message that holds all of this."""
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    for part in told:
        assert part in done.err.replace("\n", " "), done.err
