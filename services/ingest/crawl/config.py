"""What the crawler may be told."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]  # "a,b" in the environment

# What a page, its response or its host may reserve, see reservations.py.
RESERVATIONS = ("noindex", "noai", "usage", "tdm")
_TOKEN = re.compile(r"[A-Za-z_-]+")  # RFC 9309, 2.2.1
_MINUTE, _DAY = 60.0, 86_400.0


@dataclass(frozen=True)
class CrawlConfig:
    """How the crawler behaves. Raises ValueError.

    seeds: URLs to begin with, or files with a URL a line; `corpusworks crawl add` adds more.
    agent: the product token that robots.txt is asked for. contact: a URL or address put into User-Agent, so
        that who runs a host can find who asks.
    follow: host stays on the hosts that were added (and where their first pages redirect to); any goes on to
        every host that a page links to.
    refuse: reservations that keep a page out of the river; those left out are stored with it and no more.
        robots.txt is always obeyed.
    delay_s: least pause between the end of one request to a host and the beginning of the next, over all
        replicas; a Crawl-delay in robots.txt counts where it is longer, up to max_delay_s.
    concurrency: requests under way in this process; of one host there is one at a time in all of them.
    timeout_s: of one request. lease_s: after so long without a sign of life from a replica, what it was
        fetching is fetched again: longer than a request may take.
    max_page_bytes: of a body, after decompression too. max_depth: links from a seed. max_redirects: hops in a
        row. max_urls_host, max_hosts, max_urls: what the frontier knows at most; a URL takes some 400 bytes
        of Redis (tests/contract/test_frontier.py measures it).
    retry_s: until a URL that failed is tried again, then each time twice as long, up to max_revisit_s; so too
        one that was being fetched when three replicas in a row died.
    revisit_s: until a new page is looked at again; then half of that where it had changed and 1.5 times where
        it had not, between min_revisit_s and max_revisit_s (J. Cho, H. Garcia-Molina, "The Evolution of the
        Web and Implications for an Incremental Crawler", VLDB 2000: frequent looks only where they find
        something).
    robots_s: how long robots.txt and tdmrep.json are kept; RFC 9309, 2.4: no longer than a day.
    allow_addresses: networks that are fetched from though they are not public, for tests and mirrors inside.
    ports: that a URL may name. hosts_file: names answered before DNS, as /etc/hosts writes them; their
        addresses are checked like all others.
    batch_pages, batch_bytes, batch_s: one WARC object and one transaction end at the first that is reached.
    """

    seeds: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    agent: str = "corpusworks"
    contact: str = ""
    follow: Literal["host", "any"] = "host"
    refuse: Names = RESERVATIONS
    delay_s: float = 1.0
    max_delay_s: float = _MINUTE
    concurrency: int = 32
    timeout_s: float = 30.0
    lease_s: float = 2 * _MINUTE
    max_page_bytes: int = 16 << 20
    max_depth: int = 32
    max_redirects: int = 5
    max_urls_host: int = 100_000
    max_hosts: int = 1_000_000
    max_urls: int = 20_000_000
    retry_s: float = 5 * _MINUTE
    revisit_s: float = 7 * _DAY
    min_revisit_s: float = 6 * 3600.0
    max_revisit_s: float = 90 * _DAY
    robots_s: float = _DAY
    allow_addresses: Names = ()
    ports: Annotated[tuple[int, ...], BeforeValidator(_listed)] = (80, 443)
    hosts_file: Path | None = None
    keep_warc: bool = True
    batch_pages: int = 500
    batch_bytes: int = 32 << 20
    batch_s: float = 5.0

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.agent):
            raise ValueError(f"agent {self.agent!r} is no product token: letters, _ and - (RFC 9309)")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ValueError("contact must be printable ASCII: it goes into a header")
        if unknown := set(self.refuse) - set(RESERVATIONS):
            raise ValueError(
                f"refuse names {', '.join(sorted(unknown))}; there are {', '.join(RESERVATIONS)}"
            )
        for name in ("concurrency", "max_page_bytes", "max_urls_host", "max_hosts", "max_urls",
                     "batch_pages", "batch_bytes"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("timeout_s", "retry_s", "min_revisit_s", "batch_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")
        for name in ("delay_s", "max_depth", "max_redirects"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if not self.delay_s <= self.max_delay_s:
            raise ValueError("max_delay_s must be at least delay_s")
        if not self.min_revisit_s <= self.revisit_s <= self.max_revisit_s:
            raise ValueError("revisit_s must lie between min_revisit_s and max_revisit_s")
        if not 0 < self.robots_s <= _DAY:
            raise ValueError("robots_s must be between 0 and 86,400: a day at most (RFC 9309, 2.4)")
        if not self.lease_s > self.timeout_s + self.batch_s:
            raise ValueError(
                "lease_s must be longer than timeout_s + batch_s, or slow pages are fetched twice"
            )
        if not self.ports or not all(0 < port < 65536 for port in self.ports):
            raise ValueError("ports must name at least one port between 1 and 65535")
        for network in self.allow_addresses:
            ipaddress.ip_network(network)  # raises ValueError, which names it

    @property
    def user_agent(self) -> str:
        """The User-Agent header."""
        return f"{self.agent} (+{self.contact})" if self.contact else self.agent
