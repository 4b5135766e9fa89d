"""A hub on loopback that speaks Hugging Face's HTTP API for datasets, and a web server of plain files.

Files are given out by ranges, after a redirect to another path, as from a CDN. Faults are asked for by name.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class HubServer:
    """datasets: files by repository. token: what must be sent, if it is one. page: files in a listing.

    cut_bytes: the connection ends after so many of each answer. busy: so many answers are 503 first, at each
    path. ranges: whether it knows them.
    """

    def __init__(self, datasets: dict[str, dict[str, bytes]]) -> None:
        self.datasets = datasets
        self.token = ""
        self.page = 2
        self.cut_bytes = 0
        self.busy = 0
        self.ranges = True
        self.asked: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()  # bytes, by file
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(self, repo: str) -> str:
        named = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in self.datasets[repo].items())
        return hashlib.sha1(json.dumps(named).encode()).hexdigest()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub, parts = self.hub, urlsplit(self.path)
        path = unquote(parts.path)
        hub.asked[path] += 1
        if hub.asked[path] <= hub.busy:
            return self._answer(503, b"busy")
        if match := re.fullmatch(r"/(cdn|file)/([^/]+/[^/]+)/(.*)", path):
            return self._bytes(match[2], match[3])
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._answer(401, b"{}")
        if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/revision/(.+)", path):
            if match[1] not in hub.datasets or match[2] not in ("main", hub.commit(match[1])):
                return self._answer(404, b"{}")
            return self._json({"sha": hub.commit(match[1])})
        if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)/?(.*)", path):
            return self._tree(match[1], match[3], parse_qs(parts.query))
        if match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.*)", path):
            if match[2] != hub.commit(match[1]) or match[3] not in hub.datasets[match[1]]:
                return self._answer(404, b"gone")
            self.send_response(302)
            self.send_header("Location", f"/cdn/{match[1]}/{match[3]}?Signature=secret")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self._answer(404, b"no such thing")

    def _tree(self, repo: str, folder: str, query: dict[str, list[str]]) -> None:
        names = sorted(n for n in self.hub.datasets[repo] if not folder or n.startswith(folder + "/"))
        if not names:
            return self._answer(404, b"{}")
        begin = int(query.get("cursor", ["0"])[0])
        entries = [
            {"type": "file", "path": n, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for n in names[begin : begin + self.hub.page]
            for data in [self.hub.datasets[repo][n]]
        ]
        more: dict[str, str] = {}
        if begin + self.hub.page < len(names):  # a mirror names the hub that it mirrors
            following = f"https://hub.invalid{urlsplit(self.path).path}?cursor={begin + self.hub.page}"
            more["Link"] = f'<{following}>; rel="next"'
        return self._json(entries, **more)

    def _bytes(self, repo: str, name: str) -> None:
        data = self.hub.datasets.get(repo, {}).get(name)
        if data is None:
            return self._answer(404, b"gone")
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None or not self.hub.ranges:
            return self._answer(200, data)
        begin, end = int(match[1]), min(int(match[2]) + 1, len(data))
        if begin >= len(data):
            return self._answer(416, b"")
        place = f"bytes {begin}-{end - 1}/{len(data)}"
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self._answer(206, data[begin:end], name, **{"Content-Range": place, "ETag": etag})

    def _json(self, value: Any, **headers: str) -> None:
        self._answer(200, json.dumps(value).encode(), **headers)

    def _answer(self, status: int, body: bytes, name: str = "", **headers: str) -> None:
        self.send_response(status)
        for field, value in headers.items():
            self.send_header(field, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.hub.cut_bytes if name else 0
        self.wfile.write(body[: cut or None])
        self.hub.sent[name] += len(body[: cut or None])
        if cut and cut < len(body):
            self.close_connection = True
