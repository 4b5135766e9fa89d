"""API keys: who may come in, and what a wrong file of them says."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.ingest.upload.keys import KEYS, Keys, digest, own_key
from services.runtime import ConfigurationError

GOOD = f"- {{name: team, sha256: {digest('secret')}, bytes_a_day: 10}}\n"


def test_a_key_is_known_by_its_digest(tmp_path: Path) -> None:
    """Prevents a digest that was read from the file from letting anybody in."""
    path = tmp_path / "keys.yaml"
    path.write_text(GOOD)
    keys = Keys(str(path))
    found = keys.of("secret")
    assert found is not None
    assert (found.name, found.bytes_a_day, found.documents_a_day) == ("team", 10, 0)
    assert keys.of("wrong") is None
    assert keys.of(digest("secret")) is None
    assert keys.of("") is None
    assert keys.of("\udcff\0") is None


def test_keys_change_without_a_restart_and_a_torn_file_locks_nobody_out(tmp_path: Path) -> None:
    """Prevents a revoked key that goes on, and an outage by half a file."""
    path = tmp_path / "keys.yaml"
    path.write_text(GOOD)
    keys = Keys(str(path))
    path.write_text("- {name: te")
    assert keys.of("secret") is not None
    path.write_text(GOOD.replace(digest("secret"), digest("another")))
    assert keys.of("secret") is None
    assert keys.of("another") is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "hold none"),
        ("[]", "hold none"),
        ("- secret", "an entry has name, sha256"),
        ("- {name: team}", "an entry has name, sha256"),
        (GOOD.replace("team", "Team A"), "a name is of a-z"),
        (f"- {{name: team, sha256: {'x' * 64}}}", "64 hex digits"),
        (GOOD.replace("10", "-1"), "a whole number"),
        (GOOD.replace("10", "true"), "a whole number"),
        ("- {name: team", "cannot be read"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    """Prevents a service that runs and lets nobody in, or everybody."""
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        Keys(str(path))


def test_without_keys_it_does_not_start(tmp_path: Path) -> None:
    """Prevents an open door."""
    with pytest.raises(ConfigurationError, match="nobody could come in"):
        Keys("")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Keys(str(tmp_path / "nowhere"))


def test_a_users_own_key_is_made_once_and_is_theirs_alone(tmp_path: Path) -> None:
    """Prevents a key that others of the machine can read, or that changes at each start."""
    key = own_key(tmp_path / "upload")
    assert own_key(tmp_path / "upload") == key
    found = Keys(str(tmp_path / "upload" / KEYS)).of(key)
    assert found is not None
    for path in (tmp_path / "upload").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "upload").stat().st_mode) == 0o700
