"""A replica's crawl: leases from the frontier, pages by way of Scrapy, what came of them to the river.

Politeness is the frontier's alone: it gives one URL of a host at a time, over all replicas. Redirects and
retries are URLs of their own, checked and paced like any other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import urljoin

import scrapy
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)

from services.ingest.crawl import downloader, robots, tdm
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.delivery import Delivery
from services.ingest.crawl.frontier import Found, Freed, Frontier, Lease, Taken
from services.ingest.crawl.resolver import CheckingResolver, read_hosts
from services.ingest.crawl.tdm import TdmPolicy
from services.ingest.crawl.url import Refused
from services.ingest.crawl.visit import Visit, Visitor
from services.runtime import DependencyDown, Keeper

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_OF_HOSTS: Final = (
    CannotResolveHostError, DownloadCancelledError, DownloadConnectionRefusedError, DownloadFailedError,
    DownloadTimeoutError, IgnoreRequest, ResponseDataLossError,
)  # fmt: skip
_GATHER_S: Final = 0.01  # requests that end within it are told to the frontier together
_ASK_S: Final = 0.5  # at most, between two calls: a call is a sign of life, and stops are seen by it
_AHEAD: Final = 2  # leases held, of what may be under way: nobody waits for Redis
_FOUND_AT_ONCE: Final = 2000  # URLs of one call: some 10 ms of Redis
_MAX_BODY_OF_FILE: Final = 1 << 20  # of robots.txt and tdmrep.json; of the former 500 KiB are read


class Crawl:
    """One process's crawl, in the reactor's thread. failure: what ended it."""

    def __init__(
        self,
        config: CrawlConfig,
        frontier: Frontier,
        visitor: Visitor,
        delivery: Delivery,
        keeper: Keeper,
        *,
        seeds: Sequence[Found] = (),
    ) -> None:
        self._config = config
        self._frontier = frontier
        self._visitor = visitor
        self._delivery = delivery
        self._keeper = keeper
        self._executor = ThreadPoolExecutor(2, "frontier")
        self._active: dict[str, Lease] = {}  # by host
        self._freed: list[Freed] = []
        self._seeds = list(seeds)
        self._come: deque[Visit] = deque()  # until what they found is known
        self._over = asyncio.Event()
        self._hosts = read_hosts(config.hosts_file)
        self.resolver = CheckingResolver(visitor.urls.admission, self._hosts)
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Until the keeper stops it. Raises what ended it."""
        downloader.run(self._config, self.resolver, self.pump)
        if self.failure:
            raise self.failure

    async def pump(self, crawler: Any) -> None:
        """Ask for leases and hand them to the engine; at the end deliver what is under way, and leave."""
        try:
            while not self._keeper.stopping and self._delivery.failure is None:
                self._keeper.moved()
                taken = await self._take()
                if taken is None or taken.lost:  # a new session: of the last one nothing further is begun
                    crawler.engine.scheduler.requests.clear()
                    self._active.clear()
                    await asyncio.sleep(_ASK_S)
                    continue
                crawler.engine.scheduler.until = time.monotonic() + self._config.lease_s / 2
                for lease in taken.leases:
                    self._begin(crawler, lease)
                await self._pause(taken)
            await self._finish(crawler)
        except BaseException as error:  # noqa: BLE001 - raised again by run
            self.failure = error
        self.failure = self.failure or self._delivery.failure
        await crawler.stop_async()

    async def _take(self) -> Taken | None:
        """One call of the frontier; None where it does not answer."""
        busy = self._keeper.stopping or self._delivery.full or len(self._come) > self._config.batch_pages
        room = 0 if busy else max(0, _AHEAD * self._config.concurrency - len(self._active))
        freed, self._freed = self._freed, []
        visits = self._some()
        self._over.clear()
        found = self._seeds[:_FOUND_AT_ONCE] + [one for visit in visits for one in visit.found]
        try:
            taken = await self._in_thread(self._frontier.take, room, freed, found)
        except DependencyDown as error:
            self._freed = freed + self._freed
            self._come.extendleft(reversed(visits))
            self._keeper.unwell("Redis", error)
            return None
        del self._seeds[:_FOUND_AT_ONCE]
        for visit in visits:
            self._delivery.put(visit)
        for outcome, number in taken.found.items():
            self._keeper.count("crawl_urls", outcome, number=number)
        self._keeper.well("Redis")
        self._keeper.gauge("crawl_new_url_age_seconds", taken.new_age_s)
        return taken

    def _some(self) -> list[Visit]:
        """Of those that have come, so many that one call does not keep Redis from the others for long."""
        visits, num_found = [], 0
        while self._come and num_found < _FOUND_AT_ONCE:
            visits.append(self._come.popleft())
            num_found += len(visits[-1].found)
        return visits

    async def _pause(self, taken: Taken) -> None:
        """Until something is over, or a host may be visited again."""
        try:
            await asyncio.wait_for(self._over.wait(), min(_ASK_S, max(_GATHER_S, taken.wait_s)))
            await asyncio.sleep(_GATHER_S)
        except TimeoutError:
            pass

    async def _finish(self, crawler: Any) -> None:
        crawler.engine.scheduler.requests.clear()  # not begun: given back below
        deadline = time.monotonic() + min(self._config.timeout_s, self._keeper.settings.stop_grace_s / 3)
        while crawler.engine.downloader.active and time.monotonic() < deadline:
            self._keeper.moved()
            await asyncio.sleep(_GATHER_S)
        while self._come and time.monotonic() < deadline:
            await self._take()
        await self._in_thread(self._delivery.close, self._keeper.settings.stop_grace_s / 3)
        try:
            await self._in_thread(self._frontier.leave)
        except DependencyDown as error:  # its leases end by themselves
            self._keeper.unwell("Redis", error)

    def _in_thread(self, act: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, act, *arguments)

    def _begin(self, crawler: Any, lease: Lease) -> None:
        self._active[lease.host] = lease
        if lease.kind == "url" and not self._may(lease):
            return
        if lease.kind == "url":
            request = self._request(lease, lease.known.url, self.answered, self.failed)
            known = lease.known
            if known.fetched_ms and known.etag:
                request.headers["If-None-Match"] = known.etag
            if known.fetched_ms and known.modified:
                request.headers["If-Modified-Since"] = known.modified
        elif lease.robots and not lease.robots.allows(lease.origin + tdm.PATH):
            self._quietly = asyncio.ensure_future(self._keep(lease, None))
            return
        else:
            path = tdm.PATH if lease.kind == "tdm" else "/robots.txt"
            request = self._request(lease, lease.origin + path, self.answered_file, self.failed_file)
            request.meta["download_maxsize"] = _MAX_BODY_OF_FILE
        crawler.engine.crawl(request)

    def _may(self, lease: Lease) -> bool:
        """Whether robots.txt and the rules of addresses let it: they may be others than when it was found."""
        try:
            self._visitor.urls.read(lease.known.url)
        except Refused:
            self._free(lease, 0, self._visitor.seldom(lease, "refused"))
            return False
        if lease.robots and not lease.robots.allows(lease.known.url):
            self._free(lease, 0, self._visitor.seldom(lease, "forbidden"))
            return False
        return True

    @staticmethod
    def _request(lease: Lease, url: str, callback: Any, errback: Any) -> scrapy.Request:
        return scrapy.Request(
            url,
            callback,
            errback=errback,
            dont_filter=True,
            meta={"lease": lease, "hops": 0},
            headers={"Accept": downloader.ACCEPT},
        )

    def _free(self, lease: Lease, pause_ms: int, visit: Visit | None = None) -> None:
        """The host may be spoken to again, after its pause; what came of it is to be delivered."""
        if self._active.get(lease.host) is lease:
            del self._active[lease.host]
            self._over.set()
        self._freed.append(Freed(lease, pause_ms))
        if visit:
            self._come.append(visit)

    def answered(self, response: Any) -> None:
        """A page came."""
        lease: Lease = response.meta["lease"]
        address = response.ip_address
        if address is not None and not self._visitor.urls.admission.admits(address):
            visit = self._visitor.seldom(lease, "refused")  # never seen: the resolver lets none through
        else:
            try:
                visit = self._visitor.answered(lease, downloader.fetched(response))
            except Exception as error:  # noqa: BLE001 - one page must not cost the others
                _LOG.error("%s cannot be read: %r", lease.known.url, error)
                visit = self._visitor.failed(lease, "error", reachable=True)
        self._free(lease, visit.pause_ms, visit)

    def failed(self, failure: Any) -> None:
        """No page came."""
        lease: Lease = failure.request.meta["lease"]
        self._note(failure)
        self._free(lease, 1, self._failure(lease, failure.value))

    @staticmethod
    def _note(failure: Any) -> None:
        """What no host can cause is a bug of ours."""
        if not isinstance(failure.value, _OF_HOSTS):
            _LOG.error("a request failed: %s", failure.getTraceback())

    def _failure(self, lease: Lease, error: BaseException) -> Visit:
        name = (
            lease.host.strip("[]").rpartition(":")[0] or lease.host
            if lease.host.count(":") == 1
            else lease.host
        )
        if isinstance(error, CannotResolveHostError) and name.strip("[]") in self.resolver.refused:
            return self._visitor.seldom(lease, "refused")
        if isinstance(error, IgnoreRequest | DownloadCancelledError):
            return self._visitor.seldom(lease, "too_large")
        reachable = isinstance(error, ResponseDataLossError)
        return self._visitor.failed(lease, "error" if reachable else "unreachable", reachable=reachable)

    async def answered_file(self, response: Any) -> Any:
        """robots.txt or tdmrep.json came, or what stands for it."""
        lease: Lease = response.meta["lease"]
        hops: int = response.meta["hops"]
        if response.status in (301, 302, 303, 307, 308) and hops < robots.MAX_HOPS:
            return await self._onward(lease, response, hops)
        body: bytes | None = response.body if response.status == 200 else b""
        if response.status >= 500 or response.status == 429:
            body = None
        await self._keep(lease, body)
        return None

    async def failed_file(self, failure: Any) -> None:
        """Nothing came: nothing of the host is fetched for now (RFC 9309, 2.3.1.4)."""
        lease: Lease = failure.request.meta["lease"]
        self._note(failure)
        too_large = isinstance(failure.value, DownloadCancelledError | IgnoreRequest)
        await self._keep(lease, b"" if too_large else None)

    async def _onward(self, lease: Lease, response: Any, hops: int) -> Any:
        target = response.headers.get("Location", b"").decode("utf-8", "replace")
        try:
            url = self._visitor.urls.read(urljoin(response.url, target))
        except Refused:
            await self._keep(lease, b"")
            return None
        if url.host == lease.host:
            await asyncio.sleep(self._config.delay_s)
        request = self._request(lease, url.text, self.answered_file, self.failed_file)
        request.meta["hops"] = hops + 1
        return request

    async def _keep(self, lease: Lease, body: bytes | None) -> None:
        """Before the host is freed, or others would ask for the file again."""
        try:
            if lease.kind == "tdm":
                policy = TdmPolicy.read(body) if body else TdmPolicy()
                await self._in_thread(self._frontier.keep_tdm, lease, policy)
            else:
                found: list[Found] = []
                if body:
                    for text in robots.Robots.read(body, self._config.agent).sitemaps:
                        found += self._visitor.listed(lease.origin + "/", text)
                await self._in_thread(self._frontier.keep_robots, lease, body, found)
        except DependencyDown as error:
            self._keeper.unwell("Redis", error)  # it is asked for again
        self._free(lease, 1)
