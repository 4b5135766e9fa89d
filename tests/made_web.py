"""A web for crawlers to be tried on: many hosts on loopback, each of a kind, all of it known in advance.

Host i is `hI.web.test`; what its number says:

| i % 12 | kind |
| --- | --- |
| 0 | plain: a tree of pages, each linking to its home, to the next host, to an address inside |
| 1 | robots.txt keeps /private/ from everybody; odd pages link there |
| 2 | robots.txt has a group for the crawler that allows what that for others forbids |
| 3 | robots.txt forbids everything |
| 4 | robots.txt cannot be had (500): nothing may be fetched |
| 5 | pages are in sitemaps alone (an index of gzip files), not linked |
| 6 | pages come by a chain of redirects; one of a loop; one to an address inside |
| 7 | each third page fails once with 500 before it comes |
| 8 | reserved pages, in turns: X-Robots-Tag, meta, Content-Usage, tdmrep.json |
| 9 | a trap: a calendar without end beside the pages |
| 10 | robots.txt by way of a redirect, with a Crawl-delay; pages as gzip; a bomb; one that is too large |
| 11 | pages change with each round |

Every request is a line of the log: time, host, path, status, whether it was conditional.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = 12
WORDS = ["river", "sand", "mill", "stone", "harbour", "bridge", "lantern", "cellar", "garden", "ferry"]
BOMB = gzip.compress(bytes(80 << 20), 9)
INSIDE = "127.250.0.1"  # nobody may ever connect to it
AGENT = "corpusworks"


@dataclass(frozen=True)
class Web:
    """num_pages: of each host, beside what its kind adds. plain: all hosts are of kind 0."""

    num_hosts: int
    num_pages: int
    port: int
    plain: bool = False

    def kind(self, number: int) -> int:
        return 0 if self.plain else number % KINDS

    def name(self, number: int) -> str:
        return f"h{number}.web.test"

    def authority(self, number: int) -> str:
        return f"{self.name(number)}:{self.port}"

    def address(self, number: int) -> str:
        return f"127.0.{1 + number // 200}.{1 + number % 200}"

    def url(self, number: int, path: str = "/") -> str:
        return f"http://{self.authority(number)}{path}"

    @property
    def hosts_file(self) -> str:
        """As /etc/hosts. The last two: a name that is inside, and one that is on both sides."""
        lines = [f"{self.address(n)} {self.name(n)}" for n in range(self.num_hosts)]
        return "\n".join(
            [
                *lines,
                f"{INSIDE} inside.web.test",
                f"{INSIDE} both.web.test",
                f"{self.address(0)} both.web.test",
            ]
        )

    @property
    def seeds(self) -> list[str]:
        return [self.url(n) for n in range(self.num_hosts)]

    def pages(self, number: int) -> Iterator[str]:
        """Paths of the pages whose text is to be in the river."""
        kind = self.kind(number)
        if kind in (3, 4):
            return
        for page in range(self.num_pages):
            if kind == 8 and (page % 2 or str(page).startswith("7")):
                continue  # reserved; the latter by tdmrep.json
            if kind == 1 and page % 2 and page:
                yield f"/p{page}"
                continue
            yield f"/p{page}" if page else "/"

    @property
    def expected(self) -> set[str]:
        """URLs of all of them."""
        return {self.url(n, path) for n in range(self.num_hosts) for path in self.pages(n)}

    def forbidden(self, host: str, path: str) -> bool:
        """Whether robots.txt keeps the crawler from it."""
        if path in ("/robots.txt", "/r.txt"):
            return False
        kind = self.kind(int(host[1:].partition(".")[0]))
        return (
            kind in (3, 4)
            or (kind == 1 and path.startswith("/private/"))
            or (kind == 2 and path.startswith("/no/"))
        )


class Site:
    """Answers; round changes what changes."""

    def __init__(self, web: Web, slow_s: float) -> None:
        self.web = web
        self.round = 1
        self.slow_s = slow_s
        self._failed: set[tuple[int, str]] = set()

    def answer(self, number: int, path: str, conditional: str) -> tuple[int, dict[str, str], bytes]:
        kind = self.web.kind(number)
        if path == "/robots.txt" or path == "/r.txt":
            return self._robots(number, kind, path)
        if path == "/.well-known/tdmrep.json":
            if kind == 8:
                return 200, {}, b'[{"location": "/p7*", "tdm-reservation": 1}]'
            return 404, {}, b""
        if kind == 5 and path.startswith("/sitemap"):
            return self._sitemap(number, path)
        if kind == 9 and path.startswith("/day/"):
            day = int(path[5:])
            return 200, _HTML, self._html(number, f"d{day}", [f"/day/{day + 1}", f"/day/{day * 2 + 2}"])
        if kind == 6 and (found := self._redirect(path)):
            return found
        if kind == 10 and path == "/bomb":
            return 200, _HTML | {"Content-Encoding": "gzip"}, BOMB
        if kind == 10 and path == "/large":
            return 200, _HTML, bytes(3 << 20)
        if path != "/" and not path.startswith("/p"):
            return 404, {}, b"no"
        page = int(path[2:] or 0)
        if page >= self.web.num_pages:
            return 404, {}, b"no"
        return self._page(number, kind, page, path, conditional)

    def _page(
        self, number: int, kind: int, page: int, path: str, conditional: str
    ) -> tuple[int, dict[str, str], bytes]:
        if kind == 7 and page % 3 == 2 and (number, path) not in self._failed:
            self._failed.add((number, path))
            return 500, {}, b"not now"
        version = self.round if kind == 11 else 1
        etag = f'"{number}-{page}-{version}"'
        if conditional == etag:
            return 304, {"ETag": etag}, b""
        headers = _HTML | {"ETag": etag}
        links, head = self._links(number, kind, page), ""
        if kind == 8 and page % 2:
            which = page % 8
            if which == 1:
                headers["X-Robots-Tag"] = "noai"
            elif which == 3:
                head = '<meta name="robots" content="noindex">'
            elif which == 5:
                headers["Content-Usage"] = "train-ai=n"
            elif not path.startswith("/p7"):
                headers["TDM-Reservation"] = "1"
        body = self._html(number, f"p{page}-{version}", links, head)
        if kind == 10:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        return 200, headers, body

    def _links(self, number: int, kind: int, page: int) -> list[str]:
        web = self.web
        children = [f"/p{child}" for child in (2 * page + 1, 2 * page + 2) if child < web.num_pages]
        links = ["/", *children] if kind != 5 else ["/"]
        if kind == 6:
            links = ["/", *(f"/c3{child}" for child in children)]
        if page == 0:
            links += [
                web.url((number + 1) % web.num_hosts),
                f"http://{INSIDE}:{web.port}/",
                f"http://inside.web.test:{web.port}/",
                "http://169.254.169.254/latest",
                "javascript:void(0)",
            ]
            links += {
                1: ["/private/x"],
                2: ["/no/x"],
                6: ["/loop", "/in"],
                9: ["/day/1"],
                10: ["/bomb", "/large"],
            }.get(kind, [])
        return links

    def _redirect(self, path: str) -> tuple[int, dict[str, str], bytes] | None:
        if path.startswith("/c") and path[2:3].isdigit():
            left, rest = int(path[2]), path[3:]
            return 302, {"Location": rest if left == 0 else f"/c{left - 1}{rest}"}, b""
        if path == "/loop":
            return 301, {"Location": "/loop2"}, b""
        if path == "/loop2":
            return 301, {"Location": "/loop"}, b""
        if path == "/in":
            return 302, {"Location": f"http://{INSIDE}:{self.web.port}/secret"}, b""
        return None

    def _robots(self, number: int, kind: int, path: str) -> tuple[int, dict[str, str], bytes]:
        texts = {
            0: None, 1: "User-agent: *\nDisallow: /private/\n", 3: "User-agent: *\nDisallow: /\n",
            2: f"User-agent: *\nDisallow: /\n\nUser-agent: {AGENT}\nDisallow: /no/\n",
            5: f"Sitemap: {self.web.url(number, '/sitemap.xml')}\n", 7: "# nothing\n",
        }  # fmt: skip
        if kind == 4:
            return 500, {}, b"no"
        if kind == 10:
            return (
                (301, {"Location": "/r.txt"}, b"")
                if path == "/robots.txt"
                else (200, {}, b"User-agent: *\nCrawl-delay: 0.05\n")
            )
        text = texts.get(kind)
        return (404, {}, b"") if text is None else (200, {}, text.encode())

    def _sitemap(self, number: int, path: str) -> tuple[int, dict[str, str], bytes]:
        space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        pages = range(1, self.web.num_pages)
        if path == "/sitemap.xml":
            entries = "".join(
                f"<sitemap><loc>{self.web.url(number, f'/sitemap{n}.xml.gz')}</loc></sitemap>" for n in (0, 1)
            )
            return (
                200,
                {"Content-Type": "application/xml"},
                f"<?xml version='1.0'?><sitemapindex {space}>{entries}</sitemapindex>".encode(),
            )
        half = [page for page in pages if page % 2 == int(path[8])]
        entries = "".join(f"<url><loc>{self.web.url(number, f'/p{page}')}</loc></url>" for page in half)
        return (
            200,
            {"Content-Type": "application/gzip"},
            gzip.compress(f"<?xml version='1.0'?><urlset {space}>{entries}</urlset>".encode()),
        )

    def _html(self, number: int, name: str, links: list[str], head: str = "") -> bytes:
        random_ = random.Random(f"{number}/{name}")
        said = " ".join(random_.choices(WORDS, k=300))
        anchors = "".join(f'<p><a href="{link}">{link}</a></p>' for link in links)
        title = f"<title>{name} of {number}</title>{head}"
        return f"<!DOCTYPE html><html><head>{title}</head><body><p>{said}</p>{anchors}</body></html>".encode()


_HTML = {"Content-Type": "text/html; charset=utf-8"}


class _Connection(asyncio.Protocol):
    def __init__(self, site: Site, log: list[str]) -> None:
        self._site = site
        self._log = log
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head, self._data = self._data[:end].decode("latin-1"), self._data[end + 4 :]
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            self._answer(path, headers)

    def _answer(self, path: str, headers: dict[str, str]) -> None:
        came, host = time.monotonic(), headers.get("host", "").partition(":")[0]
        if path.startswith("/control/round/"):
            self._site.round = int(path.rpartition("/")[2])
            self._write(200, {}, b"")
            return
        if not host.startswith("h"):
            self._log.append(f"{came:.6f} {came:.6f} {host} {path} 0 -\n")
            self._write(200, _HTML, b"<html>secret</html>")
            return
        number = int(host[1:].partition(".")[0])
        conditional = headers.get("if-none-match", "")
        status, more, body = self._site.answer(number, path, conditional)
        pause = self._site.slow_s if number % 7 == 3 else 0.0

        def send() -> None:
            self._log.append(
                f"{came:.6f} {time.monotonic():.6f} {host} {path} {status} {'c' if conditional else '-'}\n"
            )
            self._write(status, more, body)

        asyncio.get_running_loop().call_later(pause, send) if pause else send()

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        lines = [
            f"HTTP/1.1 {status} X",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
        ]
        if not self._transport.is_closing():
            self._transport.write("\r\n".join([*lines, "", ""]).encode() + (b"" if status == 304 else body))


async def _serve(web: Web, log_file: Path, slow_s: float) -> None:
    loop, lines = asyncio.get_running_loop(), []
    site = Site(web, slow_s)
    addresses = [web.address(n) for n in range(web.num_hosts)] + [INSIDE]
    server = await loop.create_server(lambda: _Connection(site, lines), addresses, web.port, backlog=1024)
    print("ready", flush=True)
    with log_file.open("a") as log:
        while server.is_serving():
            await asyncio.sleep(0.05)
            written, lines[:] = lines[:], []
            log.writelines(written)
            log.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, kind in (("hosts", int), ("pages", int), ("port", int), ("log", Path), ("slow", float)):
        parser.add_argument(f"--{name}", type=kind, default=0)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    try:
        asyncio.run(_serve(Web(given.hosts, given.pages, given.port, given.plain), given.log, given.slow))
    except KeyboardInterrupt:
        sys.exit(0)
