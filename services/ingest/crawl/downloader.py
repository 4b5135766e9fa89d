"""Scrapy, as far as it is used: the downloader, its connections, decompression with a bound, time-outs.

Not used: what it would do next (the frontier's), redirects and retries (the crawl's), robots.txt, proxies (a
proxy would connect to what was never checked), cookies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import scrapy
from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.exceptions import DontCloseSpider

from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.resolver import CheckingResolver
from services.ingest.crawl.visit import Fetched

ACCEPT: Final = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,application/pdf,text/plain;q=0.9,*/*;q=0.1"
)
_RESOLVER: Final = "CHECKING_RESOLVER"
Pump = Callable[[Any], Coroutine[Any, Any, None]]


def run(config: CrawlConfig, resolver: CheckingResolver, pump: Pump) -> None:
    """Until it is stopped by `pump`, which is given Scrapy's crawler, and hands it requests."""
    logging.disable(logging.WARNING)  # it lists its versions and settings
    process = AsyncCrawlerProcess(_settings(config, resolver))
    logging.disable(logging.NOTSET)
    logging.getLogger("scrapy").setLevel(logging.ERROR)
    logging.getLogger("twisted").setLevel(logging.CRITICAL)
    crawler = process.create_crawler(_Spider)
    process.crawl(crawler, pump=pump)
    process.start(install_signal_handlers=False)


class Leases:
    """Scrapy's scheduler: holds what the frontier leased, and gives nothing once the lease may be over."""

    def __init__(self) -> None:
        self.requests: deque[scrapy.Request] = deque()
        self.until = float("inf")

    @classmethod
    def from_crawler(cls, _crawler: Any) -> Leases:
        """As Scrapy makes it."""
        return cls()

    def open(self, _spider: Any) -> None:
        """As Scrapy calls it."""

    def close(self, _reason: str) -> None:
        """Likewise."""

    def has_pending_requests(self) -> bool:
        """Likewise."""
        return bool(self.requests)

    def enqueue_request(self, request: scrapy.Request) -> bool:
        """Likewise."""
        self.requests.append(request)
        return True

    def next_request(self) -> scrapy.Request | None:
        """Likewise; None after a long sleep (a paused machine), until the frontier has been asked again."""
        if not self.requests or time.monotonic() > self.until:
            return None
        return self.requests.popleft()


class _Spider(scrapy.Spider):
    """Starts the crawl inside Scrapy, and keeps it open while there is nothing to do."""

    name = "crawl"
    pump: Pump

    @classmethod
    def from_crawler(cls, crawler: Any, *args: Any, **named: Any) -> _Spider:
        """As Scrapy makes it."""
        spider: _Spider = super().from_crawler(crawler, *args, **named)
        crawler.signals.connect(spider.idle, signal=signals.spider_idle)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        """Nothing to begin with: what is to be fetched comes from the frontier."""
        self._task = asyncio.ensure_future(self.pump(self.crawler))
        return
        yield

    def idle(self, spider: Any) -> None:
        """It is never done."""
        raise DontCloseSpider


def fetched(response: Any) -> Fetched:
    """A response of Scrapy as the visitor takes it."""
    headers = [
        (name.decode("latin-1"), value.decode("utf-8", "replace"))
        for name, values in response.headers.items()
        for value in values
    ]
    address = str(response.ip_address or "")
    return Fetched(response.status, headers, response.body, time.time_ns() // 1_000_000, address)


class _Resolver:
    """Puts ours into the reactor, where Scrapy puts its own."""

    def __init__(self, resolver: CheckingResolver, reactor: Any) -> None:
        self._resolver = resolver
        self._reactor = reactor

    @classmethod
    def from_crawler(cls, process: Any, reactor: Any) -> _Resolver:
        """As Scrapy makes it."""
        return cls(process.settings[_RESOLVER], reactor)

    def install_on_reactor(self) -> None:
        """As Scrapy calls it."""
        self._reactor.installNameResolver(self._resolver)


def _settings(config: CrawlConfig, resolver: CheckingResolver) -> dict[str, Any]:
    """Scrapy's, all that is not wanted left out."""
    middlewares = {
        "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
        "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
        "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
        "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    }
    return {
        "SCHEDULER": "services.ingest.crawl.downloader.Leases",
        "TWISTED_DNS_RESOLVER": _Resolver,
        _RESOLVER: resolver,
        "DOWNLOADER_MIDDLEWARES_BASE": middlewares,
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "TELNETCONSOLE_ENABLED": False,
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "HTTPPROXY_ENABLED": False,
        "USER_AGENT": config.user_agent,
        "CONCURRENT_REQUESTS": config.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": config.concurrency,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": config.timeout_s,
        "DOWNLOAD_MAXSIZE": config.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "REFERER_ENABLED": False,
    }
