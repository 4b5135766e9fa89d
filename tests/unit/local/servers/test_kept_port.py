"""A folder's server keeps its port from one start to the next, unless somebody else has it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from services.local.servers.ports import HOST, RANGE, free_port, kept_port


def test_the_port_of_the_last_start_is_taken_again(tmp_path: Path) -> None:
    """Prevents: an address that was copied and leads nowhere after a restart."""
    port = free_port()
    (tmp_path / "port").write_text(f"{port}\n")
    assert kept_port(tmp_path / "port") == port
    with socket.socket() as other:
        other.bind((HOST, port))
        other.listen()
        assert kept_port(tmp_path / "port") != port


@pytest.mark.parametrize("said", [None, "", "x", "22", "-1", "99999999"])
def test_what_is_no_port_of_ours_is_replaced(tmp_path: Path, said: str | None) -> None:
    if said is not None:
        (tmp_path / "port").write_text(said)
    assert kept_port(tmp_path / "port") in RANGE
