"""Clients of Redis or Valkey."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.runtime.errors import ConfigurationError
from services.runtime.settings import RedisSettings, secret


def _tls(settings: RedisSettings) -> dict[str, str]:
    """The files of TLS under the client's names, checked; nothing where no TLS is spoken."""
    if not settings.url.startswith("rediss://"):
        return {}
    settings.tls.context()  # the client would say so only when it connects
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
    }
    return {name: str(file) for name, file in files.items() if file}


def connect(settings: RedisSettings) -> redis.Redis:
    """A client, TLS and ACL from the settings; bytes in, bytes out. No I/O yet. Raises ConfigurationError."""
    try:
        return redis.Redis.from_url(
            settings.url,
            username=settings.username,
            password=secret(settings.password, settings.password_file),
            socket_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0),  # the runtime's loop is the one that tries again
            socket_connect_timeout=settings.timeout_s,
            **_tls(settings),
        )
    except ValueError as error:
        raise ConfigurationError(f"CORPUSWORKS_REDIS__URL: {error}") from error  # may hold a password
