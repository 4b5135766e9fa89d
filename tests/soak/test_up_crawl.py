"""`corpusworks up --crawl`: from a seed through a whole river, and once more from where it was."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.commands import ask, left_running, start
from tests.soak.web import PAGES, site

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(900)]


def test_pages_get_into_parts_and_are_not_fetched_twice(tmp_path: Path) -> None:
    """Prevents `--crawl` from being of no effect: pages fill no bucket of the default recipe but those of
    their languages, and where the mix waits for code no part is ever sealed. And a second start from fetching
    all that is there.
    """
    out, names = tmp_path / "out", sorted(path.name for path in PAGES.iterdir())
    settings = {
        "CORPUSWORKS_UNITS__ARCHIVE_DOCUMENTS__SEAL_AGE_S": "10",
        "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "10",
    }
    with site() as (url, allowed):
        for number in range(2):
            process = start("up", "--out", out, "--crawl", url, settings=settings | allowed)
            try:
                deadline = time.monotonic() + 240
                while _starts(out) <= number or _fates(out, url, names) < len(names) or not _parts(out):
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < deadline, number
                    time.sleep(1)
                seen = json.loads(ask("crawl", "status", "--json", "--out", out).out)["seen"]
                assert seen.get("changed") is seen.get("unchanged") is None
                assert seen["new"] == len(names) + 1
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
