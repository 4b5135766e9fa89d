"""`corpusworks up --crawl`: from a seed through a whole river, and once more from where it was."""

from __future__ import annotations

import functools
import http.server
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import SAMPLES, ask, left_running, start

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(900)]
PAGES = SAMPLES / "documents" / "html"
ADDRESS = "127.0.6.1"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server of real pages; its first is the list of the folder."""
    handler = functools.partial(_Quiet, directory=str(PAGES))
    with http.server.ThreadingHTTPServer((ADDRESS, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_pages_get_into_parts_and_are_not_fetched_twice(tmp_path: Path, port: int) -> None:
    """Prevents `--crawl` from being of no effect: pages fill no bucket of the default recipe but those of
    their languages, and where the mix waits for code no part is ever sealed. And a second start from fetching
    all that is there.
    """
    out, names = tmp_path / "out", sorted(path.name for path in PAGES.iterdir())
    settings = {
        "CORPUSWORKS_UNITS__CRAWL__ALLOW_ADDRESSES": json.dumps([ADDRESS]),
        "CORPUSWORKS_UNITS__CRAWL__PORTS": json.dumps([port]),
        "CORPUSWORKS_UNITS__CRAWL__DELAY_S": "0.05",
        "CORPUSWORKS_UNITS__ARCHIVE_DOCUMENTS__SEAL_AGE_S": "10",
        "CORPUSWORKS_UNITS__ARCHIVE_DROPS__SEAL_AGE_S": "10",
        "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "10",
    }
    url = f"http://{ADDRESS}:{port}/"
    for number in range(2):
        process = start("up", "--out", out, "--crawl", url, settings=settings)
        try:
            deadline = time.monotonic() + 240
            while _starts(out) <= number or _fates(out, url, names) < len(names) or not _parts(out):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, number
                time.sleep(1)
            seen = json.loads(ask("crawl", "status", "--json", "--out", out).out)["seen"]
            assert (seen["new"], seen.get("changed"), seen.get("unchanged")) == (len(names) + 1, None, None)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=90)
        finally:
            process.kill()
        assert process.returncode == 130, told
        assert left_running(out) == []


def _starts(out: Path) -> int:
    """How often a crawler has begun. Asked for first: a command would start the servers itself."""
    log = out / "state" / "logs" / "crawl.log"
    return log.read_text().count('"event": "started"') if log.exists() else 0


def _parts(out: Path) -> list[Path]:
    """Sealed from what was crawled."""
    return [*out.rglob("part-*.bin")]


def _fates(out: Path, url: str, names: list[str]) -> int:
    """Of how many pages the archive tells what became."""
    return sum(ask("audit", "show", out, url + name).code == 0 for name in names)
