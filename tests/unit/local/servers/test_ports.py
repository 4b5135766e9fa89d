"""Ports."""

from __future__ import annotations

import os
import socket

import pytest

from services.local.servers import ports
from services.runtime import ConfigurationError


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_taken_port_names_its_owner(listener):
    """Prevents a bind error deep in a server's log."""
    port = listener.getsockname()[1]
    with pytest.raises(ConfigurationError, match=rf"{port}: the port is taken.*{os.getpid()}"):
        ports.require_free(port, "kafka")


def test_a_free_port_is_free_and_not_one_that_clients_are_given(listener, monkeypatch, tmp_path):
    """Prevents a client's own outgoing connection from sitting on a restarting server's port."""
    port = ports.free_port()
    assert not ports.taken(port)
    ports.require_free(port, "kafka")
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")
    (tmp_path / "range").write_text("15003\t60999\n")
    assert {ports.free_port() for _ in range(50)} <= {15000, 15001, 15002}
    (tmp_path / "range").write_text("1024\t65535\n")  # nothing else is left
    assert ports.free_port() in ports.RANGE


def test_two_that_do_not_listen_yet_are_given_two_ports(monkeypatch, tmp_path):
    """Prevents a broker whose two listeners are to be on one port."""
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "RANGE", range(15_000, 15_020))
    first = ports.free_port()
    (tmp_path / "port").write_text(f"{15_000 if first != 15_000 else 15_001}")
    kept = ports.kept_port(tmp_path / "port")
    assert len({first, kept, *(ports.free_port() for _ in range(8))}) == 10


def test_a_silent_server_gives_no_answer(listener):
    """Prevents a readiness probe that hangs or raises."""
    assert ports.exchange(listener.getsockname()[1], b"PING\r\n", timeout_s=0.05) == b""
    assert ports.exchange(ports.free_port(), b"PING\r\n") == b""
