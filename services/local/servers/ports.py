"""Ports on the loopback address."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from services.runtime import ConfigurationError

HOST = "127.0.0.1"
# Not where the kernel takes ports for outgoing connections: a client that tries a dead server's port
# again and again would one day be given that port as its own, and the server could not come back.
RANGE = range(15_000, 32_000)
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()  # by this process, for servers that may not listen yet


def free_port() -> int:
    """A port that nobody listens on now, another each time while there are others.

    Raises ConfigurationError if there is none.
    """
    choices = range(RANGE.start, min(RANGE.stop, _first_ephemeral())) or RANGE
    for port in sorted(random.sample(choices, min(100, len(choices))), key=_given.__contains__):
        if not taken(port):
            _given.add(port)
            return port
    raise ConfigurationError(f"no free port on {HOST} between {choices[0]} and {choices[-1]}")


def kept_port(file: Path) -> int:
    """The port that stands in a file, if nobody listens there; else a free one. Raises ConfigurationError."""
    try:
        known = int(file.read_text())
    except (OSError, ValueError):
        return free_port()
    if known not in RANGE or taken(known):
        return free_port()
    _given.add(known)
    return known


def taken(port: int) -> bool:
    """Somebody listens on the port, or it may not be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def require_free(port: int, name: str) -> None:
    """Raises ConfigurationError that names the port and, where the system tells, who has it."""
    if taken(port):
        raise ConfigurationError(
            f"{name} cannot listen on {HOST}:{port}: the port is taken{_owner(port)}. "
            "Stop that process or give another port."
        )


def exchange(port: int, *requests: bytes, timeout_s: float = 1.0) -> bytes:
    """The first bytes of the answer to the last of some requests, each sent when the former is answered.

    Nothing if the server does not answer one.
    """
    answer = b""
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            for request in requests:
                connection.sendall(request)
                if not (answer := connection.recv(4096)):
                    break
    except OSError:
        return b""
    return answer


def _first_ephemeral() -> int:
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return RANGE.stop


def _owner(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
