"""`pool quarantine` and `pool forget`: what they refuse, before it asks any server."""

from __future__ import annotations

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
