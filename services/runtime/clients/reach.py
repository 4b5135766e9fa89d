"""Whether a server lets us in.

Asked once at a start, since clients take a wrong secret for a server that is away and try again for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kafka.net.sasl import get_sasl_mechanism

from services.runtime.clients.kafka import connection
from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.journal import is_file
from services.runtime.settings import KafkaSettings, RedisSettings

if TYPE_CHECKING:
    import redis

    from services.runtime.clients.redis import ClusterClient

TIMEOUT_S = 10.0
KAFKA, REDIS = "CORPUSWORKS_KAFKA__", "CORPUSWORKS_REDIS__"
# Kafka's requests (number, version) and error codes: kafka.apache.org/protocol
_API_VERSIONS, _METADATA, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = (18, 0), (3, 1), (17, 1), (36, 0)
_UNSUPPORTED_MECHANISM, _ILLEGAL_STATE = 33, 34
_MOST_BYTES = 1 << 20  # of an answer; more is no Kafka
_ADMITTED: set[KafkaSettings] = set()
_BY_PARENT = "_CORPUSWORKS_ADMITTED"  # in the environment; nobody's setting


def check_kafka(settings: KafkaSettings) -> None:
    """Raises ConfigurationError naming the setting for which a broker refuses us; DependencyDown."""
    options = connection(settings)
    problem: object = "no address is given"
    for address in options["bootstrap_servers"]:
        host, port = _host_port(address)
        where = f"Kafka at {address}"
        try:
            with socket.create_connection((host, port), TIMEOUT_S) as plain:
                if "ssl_context" not in options:
                    _log_in(plain, where, host, options)
                else:
                    with options["ssl_context"].wrap_socket(plain, server_hostname=host) as secured:
                        _log_in(secured, where, host, options)
                _ADMITTED.add(settings)
                return
        except (
            ssl.SSLEOFError,
            EOFError,
            ConnectionResetError,
        ) as error:  # it starts or stops, or it is not meant
            chosen = f"{KAFKA}SECURITY_PROTOCOL={settings.security_protocol}"
            problem = f"it closes the connection ({error}); is {chosen} that of this port?"
        except (OSError, OverflowError) as error:
            if refusal := settings.tls.refusal(where, error):
                raise refusal from error
            problem = error
    raise DependencyDown(f"Kafka at {settings.bootstrap_servers}", problem)


def admission(settings: KafkaSettings) -> dict[str, str]:
    """The environment of processes whose maker has been let in by these: each login costs the broker 5 ms."""
    return {_BY_PARENT: settings.bootstrap_servers}


def admitted(settings: KafkaSettings) -> None:
    """As check_kafka, for whoever waits for a broker that is away; asked once in a process."""
    known = settings in _ADMITTED or os.environ.get(_BY_PARENT) == settings.bootstrap_servers
    if known or is_file(settings.bootstrap_servers):
        return
    with contextlib.suppress(DependencyDown):
        check_kafka(settings)


def check_redis(client: redis.Redis | ClusterClient, settings: RedisSettings) -> None:
    """Raises ConfigurationError if it refuses us; that it is away, who asks next will see, and wait."""
    import redis

    try:
        client.ping()
    except redis.RedisError as error:
        where = f"Redis at {address_of(settings.url)}"
        if isinstance(error, redis.AuthenticationError):
            wrong = f"correct {REDIS}USERNAME and {REDIS}PASSWORD_FILE (or PASSWORD)"
            raise ConfigurationError(f"{where} refuses us: {error}; {wrong}") from error
        if refusal := settings.tls.refusal(where, error):
            raise refusal from error
        parts = urlsplit(settings.url)
        if parts.scheme == "rediss" and isinstance(error, redis.ConnectionError) and parts.hostname:
            with contextlib.suppress(OSError):  # the client's own words may be lost with the connection
                settings.tls.check("Redis", parts.hostname, parts.port or 6379, settings.timeout_s)


def address_of(url: str) -> str:
    """A URL without the password that may be in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _log_in(stream: socket.socket, where: str, host: str, options: dict[str, Any]) -> None:
    """Ask what every broker answers, then authenticate if that is wanted."""
    _ask(stream, _API_VERSIONS, b"")
    mechanism = options.get("sasl_mechanism")
    if not mechanism:
        try:
            _ask(stream, _METADATA, struct.pack(">i", 0))  # about no topic
        except EOFError as error:
            wrong = f"{KAFKA}SECURITY_PROTOCOL={options['security_protocol']}"
            raise ConfigurationError(f"{where} asks for SASL: correct {wrong}") from error
        return
    answer = _ask(stream, _SASL_HANDSHAKE, struct.pack(">h", len(mechanism)) + mechanism.encode())
    (code,) = struct.unpack(">h", answer[:2])
    if code == _UNSUPPORTED_MECHANISM:
        raise ConfigurationError(f"{where} does not take {KAFKA}SASL_MECHANISM={mechanism}")
    if code == _ILLEGAL_STATE:
        raise ConfigurationError(
            f"{where} asks for no SASL: correct {KAFKA}SECURITY_PROTOCOL={options['security_protocol']}"
        )
    secret = "OAUTH_TOKEN_FILE" if mechanism == "OAUTHBEARER" else "SASL_USERNAME and SASL_PASSWORD_FILE"
    refused = f"{where} refuses us by {mechanism}; correct {KAFKA}{secret}"
    exchange = get_sasl_mechanism(mechanism)(host=host, **options)
    while not exchange.is_done():
        token = exchange.auth_bytes()
        answer = _ask(stream, _SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token)
        code, length = struct.unpack(">hh", answer[:4])
        if code:
            raise ConfigurationError(f"{refused}: {answer[4 : 4 + max(0, length)].decode(errors='replace')}")
        begin = 4 + max(0, length)
        try:
            exchange.receive(answer[begin + 4 :])
        except ValueError as error:  # SCRAM: the broker does not know the password either
            raise ConfigurationError(f"{refused}: {error}") from error


def _ask(stream: socket.socket, what: tuple[int, int], body: bytes) -> bytes:
    """The body of the answer to one request. Raises EOFError, OSError."""
    header = struct.pack(">hhih", *what, 0, -1)  # correlation id 0, no client id
    stream.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    (size,) = struct.unpack(">i", _read(stream, 4))
    if not 4 <= size <= _MOST_BYTES:
        raise EOFError("after an answer that is none of Kafka's")
    return _read(stream, size)[4:]


def _read(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = stream.recv(size - len(found))
        if not piece:
            raise EOFError("without an answer")
        found += piece
    return found


def _host_port(address: str) -> tuple[str, int]:
    """Raises ConfigurationError."""
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"{KAFKA}BOOTSTRAP_SERVERS: {address!r} is not host:port")
    return host.strip("[]"), int(port)
