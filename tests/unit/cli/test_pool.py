"""`pool quarantine` and `pool forget`: what they refuse, before it asks any server."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.pool import app
from services.runtime import ConfigurationError

UID = "00f3a1b2c3d4e5f6"


@pytest.mark.parametrize("command", ["quarantine", "forget"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["notes/7.md", "--why", "spoils"], "'notes/7.md' is no uid: 16 hex digits"),
        ([UID[:-1], "--why", "spoils"], "is no uid"),
        (["0x" + UID, "--why", "spoils"], f"did you mean the uid {UID}?"),
        ([str(int(UID, 16)), "--why", "spoils"], f"did you mean the uid {UID}?"),
        ([UID, "--why", " "], "--why is empty"),
        (["-", "--why", "spoils"], "no uid was given"),
    ],
)
def test_what_is_no_uid_or_no_reason_is_refused(command: str, arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(app, [command, *arguments], input="")
    assert isinstance(found.exception, ConfigurationError)
    assert said in str(found.exception)


@pytest.mark.parametrize("command", ["quarantine", "forget"])
def test_a_folder_that_holds_no_river_is_named(command: str, tmp_path: object) -> None:
    found = CliRunner().invoke(app, [command, UID.upper(), "--why", "spoils", "--out", str(tmp_path)])
    assert isinstance(found.exception, ConfigurationError)
    assert "holds no river" in str(found.exception)


@pytest.mark.parametrize("command", ["quarantine", "forget"])
def test_a_uid_that_never_came_is_named_and_the_others_are_told(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: done said of a mistyped uid."""
    (tmp_path / "state").mkdir()
    monkeypatch.setattr("services.local.run.running", lambda _: {})
    monkeypatch.setattr(
        "services.ledger.known.unknown", lambda _, __, uids, ___: [uid for uid in uids if uid == 0]
    )
    told: list[int] = []
    monkeypatch.setattr(f"services.ledger.quarantine.{command}", lambda _, uids, __: told.extend(uids))
    arguments = ["--why", "spoils", "--out", str(tmp_path)]
    none = CliRunner().invoke(app, [command, "0" * 16, *arguments])
    assert isinstance(none.exception, ConfigurationError)
    assert f"not in this river: {'0' * 16}" in str(none.exception)
    assert told == []
    some = CliRunner().invoke(app, [command, "0" * 16, UID, *arguments])
    assert (some.exit_code, told) == (1, [int(UID, 16)])
    assert f"passed over: {'0' * 16}" in some.output
    assert some.output.startswith("1 documents ")
