"""One server of the stack by itself, in a container: on all addresses, with a password that was given.

The process becomes the server, so that signals and its end go straight between it and who started it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from services.local.folder import prepare
from services.local.private import make_private, write_private
from services.local.servers.kafka import JAAS, USER, KafkaServer
from services.local.servers.redis import RedisServer
from services.local.servers.s3 import S3Server
from services.local.servers.server import Server
from services.local.servers.triton import DEFAULT_MODELS, Triton
from services.runtime import ConfigurationError

EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container's address is not known before it has one
KAFKA_PORT, REDIS_PORT, S3_PORT = 9092, 6379, 9000
GRPC_PORT, HTTP_PORT, METRICS_PORT = 8001, 8000, 8002
BUCKET = "corpusworks"


def become(name: str, folder: Path, host: str, password: str, models: Path | None = None) -> NoReturn:
    """Run a server on a folder in place of this process.

    host: the name by which clients reach it. password: theirs, but for Triton, which knows none. models: the
    repository that Triton serves, None for the judges that ship. Raises ConfigurationError.
    """
    if name not in SERVERS:
        raise ConfigurationError(f"no server {name!r}; there are: {', '.join(SERVERS)}")
    if not password and name != Triton.name:
        raise ConfigurationError(f"{name} needs a password: name a file that holds one with --password-file")
    prepare(folder)
    make_private(folder)
    if password:
        write_private(folder / "password", password + "\n")
    server = SERVERS[name](folder, host, password, models)
    try:
        program = server.prepare()
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be set up in {folder}: {error}") from error
    command = list(map(str, program.command))
    os.execve(command[0], command, {**os.environ, **program.environment})  # noqa: S606 - no shell is meant


def _kafka(folder: Path, host: str, password: str, _: Path | None) -> Server:
    options = {
        "listeners": f"PODS://{EVERYWHERE}:{KAFKA_PORT}",
        "advertised.listeners": f"PODS://{host}:{KAFKA_PORT}",
        "listener.security.protocol.map": "PODS:SASL_PLAINTEXT",
        "listener.name.pods.plain.sasl.jaas.config": JAAS.format(user=USER, password=password),
    }
    return KafkaServer(folder, options=options)


def _redis(folder: Path, _host: str, _password: str, _models: Path | None) -> Server:
    return RedisServer(folder, REDIS_PORT, options={"bind": EVERYWHERE})


def _s3(folder: Path, _host: str, password: str, _: Path | None) -> Server:
    server = S3Server(folder, S3_PORT, key=USER, secret=password, host=EVERYWHERE)
    server.bucket(BUCKET)
    return server


def _triton(folder: Path, _host: str, _password: str, models: Path | None) -> Server:
    options = {
        "grpc-address": EVERYWHERE,
        "grpc-port": GRPC_PORT,
        "allow-http": "true",
        "http-port": HTTP_PORT,
        "allow-metrics": "true",
        "metrics-port": METRICS_PORT,
    }
    return Triton(folder, [models or DEFAULT_MODELS], threads=1, options=options)


SERVERS: Mapping[str, Callable[[Path, str, str, Path | None], Server]] = {
    KafkaServer.name: _kafka,
    RedisServer.name: _redis,
    S3Server.name: _s3,
    Triton.name: _triton,
}
