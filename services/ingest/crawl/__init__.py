"""Crawl: fetches what hosts allow, again when it may have changed, and puts pages into the river.

    frontier (Redis) ─► engine (Scrapy) ─► visit ─► delivery: WARC to the store, documents to Kafka, then the
    frontier

Read first: `frontier.lua` (what is known of each URL, and who may fetch which), `visit.py` (what became of a
fetch), `delivery.py` (the order in which it becomes durable), `address.py` (where it never connects to).
"""

from typing import TYPE_CHECKING

from services.ingest.crawl.config import CrawlConfig
from services.runtime import Door

if TYPE_CHECKING:
    from services.runtime import Keeper

__all__ = ["SERVICE", "CrawlConfig"]


def _serve(config: CrawlConfig, keeper: "Keeper") -> None:
    from services.ingest.crawl.service import serve  # Scrapy is loaded by who crawls alone

    serve(config, keeper)


SERVICE = Door(name="crawl", config=CrawlConfig, serve=_serve)
