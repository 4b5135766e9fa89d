"""/livez, /readyz and /metrics of a service process."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


class Health:
    """What the loop reports and the probes read.

    live: the loop moved within `limit_s`; a broker that is away keeps it moving, so it never restarts a pod.
    ready: partitions are assigned and every dependency answered last time.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._moved = time.monotonic()
        self._reasons: dict[str, str] = {"partitions": "not assigned yet"}
        self._lock = threading.Lock()

    def moved(self) -> None:
        """The loop has come round."""
        self._moved = time.monotonic()

    def ready(self, what: str) -> None:
        """`what` is well."""
        with self._lock:
            self._reasons.pop(what, None)

    def unready(self, what: str, why: str) -> None:
        """`what` is not well."""
        with self._lock:
            self._reasons[what] = why

    def unready_reasons(self) -> set[str]:
        """What is not well."""
        with self._lock:
            return set(self._reasons)

    @property
    def live(self) -> tuple[bool, str]:
        """(yes or no, explanation)."""
        age = time.monotonic() - self._moved
        return age < self._limit_s, f"the loop moved {age:.1f} s ago (limit {self._limit_s:.0f} s)"

    @property
    def readiness(self) -> tuple[bool, str]:
        """(yes or no, explanation)."""
        with self._lock:
            return not self._reasons, "; ".join(f"{k}: {v}" for k, v in self._reasons.items()) or "ready"


def serve_health(health: Health, host: str, port: int) -> ThreadingHTTPServer:
    """Answer probes in the background. port 0: any free one (see server_port). Raises OSError if taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
                return
            probes = {"/livez": lambda: health.live, "/readyz": lambda: health.readiness}
            if self.path not in probes:
                self._answer(404, b"paths: /livez /readyz /metrics\n", "text/plain")
                return
            well, why = probes[self.path]()
            self._answer(200 if well else 503, why.encode() + b"\n", "text/plain; charset=utf-8")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            with contextlib.suppress(ConnectionError):  # who asks may not wait long
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are not news."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
