"""The private Redis: Valkey or Redis, append-only file on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.local.child import Program
from services.local.packages import programs
from services.local.private import password, write_private
from services.local.process import Supervisor
from services.local.servers.ports import HOST, exchange
from services.local.servers.server import Server

# What Kafka calls done Redis must not forget. With `always` every reply follows its fsync, and a
# pipelined batch shares one; `everysec` would make each WAITAOF wait for the next second.
APPEND_FSYNC = "always"
OPTIONS = {
    "bind": HOST,
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": APPEND_FSYNC,
    "aof-load-truncated": "yes",  # a kill may cut the last command; it was not acknowledged
    "save": '""',  # no snapshots: the append-only file has everything
    "maxmemory-policy": "noeviction",  # a forgotten document would be a duplicate that passes
    "tcp-backlog": "128",
}


USER = "default"


class RedisServer(Server):
    """A Redis on one folder: redis.conf, password, appendonlydir/.

    options: directives of redis.conf over the defaults above.
    """

    name = "redis"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        supervisor: Supervisor | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, port, supervisor)
        self._options = {**OPTIONS, **(options or {})}
        self.password_file = self.folder / "password"

    @property
    def access(self) -> dict[str, str | Path]:
        """See Server."""
        return {"url": self.url, "username": USER, "password_file": self.password_file}

    @property
    def url(self) -> str:
        """What CORPUSWORKS_REDIS__URL takes."""
        return f"redis://{HOST}:{self.port}/0"

    def prepare(self) -> Program:
        """See Server."""
        binary = programs.redis_server()
        options = {
            **self._options,
            "port": str(self.port),
            "dir": f'"{self.folder}"',
            "requirepass": password(self.password_file),
        }
        configuration = self.folder / "redis.conf"
        write_private(configuration, "".join(f"{key} {value}\n" for key, value in options.items()))
        return Program(self.name, [binary, configuration], self.folder / "redis.log")

    def ready(self) -> bool:
        """It has loaded its file and answers PING."""
        login = f"AUTH {USER} {password(self.password_file)}\r\n".encode()
        return exchange(self.port, login, b"PING\r\n").startswith(b"+PONG")
