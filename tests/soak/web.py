"""A small site to crawl: our own pages of HTML, on an address of loopback that is no one else's."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.commands import SAMPLES

PAGES = SAMPLES / "documents" / "html"
_ADDRESS = "127.0.6.1"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def site() -> Iterator[tuple[str, dict[str, str]]]:
    """Its first page, which is the list of the folder, and the settings that let a crawler in."""
    handler = functools.partial(_Quiet, directory=str(PAGES))
    with http.server.ThreadingHTTPServer((_ADDRESS, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield (
            f"http://{_ADDRESS}:{server.server_port}/",
            {
                "CORPUSWORKS_UNITS__CRAWL__ALLOW_ADDRESSES": json.dumps([_ADDRESS]),
                "CORPUSWORKS_UNITS__CRAWL__PORTS": json.dumps([server.server_port]),
                "CORPUSWORKS_UNITS__CRAWL__DELAY_S": "0.05",
            },
        )
        server.shutdown()
