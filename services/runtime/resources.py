"""The connections a unit may ask for, opened on first use and closed by the runtime."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from services.runtime.clients.store import ObjectStore
from services.runtime.settings import Settings


class Resources:
    """One per process. No I/O until a property is read."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Kafka's ids of topics by name: the runtime fills it in before it builds units and lane tasks.
        self.topic_ids: dict[str, str] = {}
        self.inputs: tuple[str, ...] = ()  # likewise: the topics that a lane service reads

    @cached_property
    def redis(self) -> Any:
        """A client of the configured Redis (TLS and ACL from the settings); bytes in, bytes out.

        With redis.cluster a ClusterClient, which gives the connection to the node of a key.
        Raises ConfigurationError when the URL is none, or the server refuses us.
        """
        from services.runtime.clients.reach import check_redis
        from services.runtime.clients.redis import connect

        client = connect(self.settings.redis)
        check_redis(client, self.settings.redis)
        return client

    @cached_property
    def store(self) -> ObjectStore:
        """The object store that holds parts and large bodies."""
        settings = self.settings
        return ObjectStore(
            settings.store_url, timeout_s=settings.store_timeout_s, retry_s=settings.store_retry_s
        )

    def close(self) -> None:
        """Close what was opened."""
        if "redis" in self.__dict__:
            self.redis.close()
