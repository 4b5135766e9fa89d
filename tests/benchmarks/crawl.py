"""The crawler against plain Scrapy on the same made web, one after the other: pages a second.

Plain Scrapy obeys robots.txt, follows links with as many requests under way (up to eight a host, its
default) and throws pages away. Ours has one request a host at a time, leases each URL from Redis, reads
what is reserved, writes WARC and has every page in Kafka. The web tells when it was asked for what, so that
starting counts for neither.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.local.stack import Stack
from tests.benchmarks.figures import Figure
from tests.crawling import crawling, ended, serving
from tests.made_web import Web, free_port

HOSTS, PAGES = 50, 40
CONCURRENCY = 32
_SPIDER = """
import sys
import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor

class Plain(scrapy.Spider):
    name = "plain"
    links = LinkExtractor()
    async def start(self):
        for url in open(sys.argv[1]).read().split():
            yield scrapy.Request(url)
    def parse(self, response):
        for link in self.links.extract_links(response):
            yield scrapy.Request(link.url)


hosts = dict(line.split()[::-1] for line in open(sys.argv[2]).read().splitlines())
import socket
plain = socket.gethostbyname
socket.gethostbyname = lambda name: hosts.get(name) or plain(name)
process = CrawlerProcess({
    "ROBOTSTXT_OBEY": True, "LOG_ENABLED": False, "CONCURRENT_REQUESTS": int(sys.argv[3]),
    "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.DownloaderAwarePriorityQueue", "DOWNLOAD_DELAY": 0,
    "RETRY_ENABLED": False, "TELNETCONSOLE_ENABLED": False,
})
process.crawl(Plain)
process.start()
"""


def run() -> Iterator[Figure]:
    """Pages a second of both, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        plain = _plain(Path(name) / "plain")
        ours = _ours(Path(name) / "ours")
    yield Figure("crawl: pages a second, plain Scrapy", plain, "pages/s")
    yield Figure("crawl: pages a second, into Kafka and WARC", ours, "pages/s")
    yield Figure("crawl: of plain Scrapy's rate", ours / plain, "", "≥ 0.8", ours / plain >= 0.8)


def _plain(folder: Path) -> float:
    web = Web(HOSTS, PAGES, free_port(), plain=True)
    folder.mkdir()
    (folder / "spider.py").write_text(_SPIDER)
    (folder / "seeds").write_text("\n".join(web.seeds))
    (folder / "hosts").write_text(web.hosts_file)
    with serving(web, folder) as log:
        command = [sys.executable, str(folder / "spider.py"), str(folder / "seeds"), str(folder / "hosts")]
        subprocess.run([*command, str(CONCURRENCY)], check=True, timeout=300)
    return _rate(log, web)


def _ours(folder: Path) -> float:
    web = Web(HOSTS, PAGES, free_port(), plain=True)
    with (
        Stack(folder / "state") as stack,
        crawling(stack, folder, web, delay_s=0, concurrency=CONCURRENCY) as made,
    ):
        made.seed()
        made.start(0)
        ended(made, timeout_s=300)
    return _rate(made.log, web)


def _rate(log: Path, web: Web) -> float:
    """Pages of the web a second, from the first to the last."""
    asked = [line.split() for line in log.read_text().splitlines()]
    pages = sorted(
        float(came) for came, _, _, path, status, _ in asked if status == "200" and "/." not in path
    )
    if len(pages) < web.num_hosts * web.num_pages:
        raise RuntimeError(f"{len(pages)} pages were fetched, of {web.num_hosts * web.num_pages}")
    return len(pages) / (pages[-1] - pages[0])
