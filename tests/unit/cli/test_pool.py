"""`pool quarantine`: what it refuses, before it asks any server."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.cli.pool import app
from services.runtime import ConfigurationError

UID = "00f3a1b2c3d4e5f6"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["notes/7.md", "--why", "spoils"], "'notes/7.md' is no uid: 16 hex digits"),
        ([UID[:-1], "--why", "spoils"], "is no uid"),
        ([UID, "--why", " "], "--why is empty"),
        (["-", "--why", "spoils"], "no uid was given"),
    ],
)
def test_what_is_no_uid_or_no_reason_is_refused(arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(app, arguments, input="")
    assert isinstance(found.exception, ConfigurationError)
    assert said in str(found.exception)


def test_a_folder_that_holds_no_river_is_named(tmp_path: object) -> None:
    found = CliRunner().invoke(app, [UID.upper(), "--why", "spoils", "--out", str(tmp_path)])
    assert isinstance(found.exception, ConfigurationError)
    assert "holds no river" in str(found.exception)
