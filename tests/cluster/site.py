"""A small site on this machine, which pods reach: a page for each text, and one that robots.txt forbids."""

from __future__ import annotations

import functools
import html
import http.server
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PAGE = (
    "<!DOCTYPE html><html><head><meta charset=utf-8><title>{title}</title></head><body>{body}</body></html>"
)


@dataclass
class Site:
    """asked: every path that somebody asked for."""

    address: str
    port: int
    num_pages: int
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the first page, which leads to all."""
        return f"http://{self.address}:{self.port}/"


@contextmanager
def site(address: str, folder: Path, texts: Sequence[str]) -> Iterator[Site]:
    """Page n links to 2n+1 and 2n+2, the first one to the forbidden one too."""
    _write(folder, texts)
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(address, server.server_port, len(texts), asked)
        server.shutdown()


def _write(folder: Path, texts: Sequence[str]) -> None:
    (folder / "private").mkdir(parents=True)
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /private/\n")
    (folder / "private/index.html").write_text(_PAGE.format(title="private", body="<p>forbidden</p>"))
    for number, text in enumerate(texts):
        links = [f"/p{child}.html" for child in (2 * number + 1, 2 * number + 2) if child < len(texts)]
        anchors = "".join(
            f'<a href="{link}">{link}</a> ' for link in [*links, *(["/private/"] * (number == 0))]
        )
        body = f"<article><p>{html.escape(text)}</p></article><nav>{anchors}</nav>"
        name = f"p{number}.html" if number else "index.html"
        (folder / name).write_text(_PAGE.format(title=f"page {number}", body=body))
