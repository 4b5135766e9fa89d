"""A made web of 20,000 pages, three replicas, and a kill of one of them after the other."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from services.local.stack import Stack
from tests.crawling import complete, crawling, too_close
from tests.made_web import Web, free_port

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(7200)]
DELAY_S = 0.02
REPLICAS, KILLS = 3, 50
# SOAK_PAGES: of the whole web, for a machine that has other things to do.
PAGES = int(os.environ.get("SOAK_PAGES") or 20_000)
PAGES_A_HOST = 100


def test_every_allowed_page_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    """Prevents a page lost, a forbidden one fetched, a host asked too fast or by two, whoever is killed."""
    chance = random.Random(seed)
    web = Web(max(12, PAGES // PAGES_A_HOST), PAGES_A_HOST, free_port())
    with (
        Stack(tmp_path / "state") as stack,
        crawling(stack, tmp_path / "crawl", web, slow_s=0.2, delay_s=DELAY_S) as made,
    ):
        made.seed()
        begun, before = time.monotonic(), 0
        for number in range(REPLICAS):
            made.start(number)
        for kill in range(KILLS):
            # By what was fetched and not by the clock, so that kills are spread over the whole crawl.
            wanted = int(PAGES * 0.9 * (kill + chance.random()) / KILLS)
            deadline = time.monotonic() + 120
            while made.num_asked() < wanted and time.monotonic() < deadline:
                time.sleep(0.2)
            victim = chance.randrange(REPLICAS)
            made.kill(victim)
            made.start(victim)
            before = made.num_asked()
        documents = complete(made, timeout_s=3600, rest_s=3)
        seconds = time.monotonic() - begun
        status = made.frontier.status()["seen"]
        assert made.stop() == [0] * REPLICAS
        asked = made.asked()
        fetched = Counter(document.metadata["url"] for document in documents)
        repeated = Counter((document.uid, document.metadata["url"]) for document in documents)
        print(
            f"\n{len(fetched):,} pages of {len(web.expected):,} expected, {len(asked):,} requests, "
            f"{KILLS} kills, {before:,} requests at the last; {status.get('again', 0):,} leases taken over, "
            f"{status.get('crash', 0):,} made to wait, "
            f"{len(documents) - len(repeated):,} documents a second time, "
            f"{len(asked) / seconds:.0f} requests/s"
        )
        expected = web.expected
        assert expected - set(fetched) == set()
        assert [url for url in fetched if url not in expected and "/day/" not in url] == []
        assert len(repeated) == len(fetched)  # of one page only ever one document, however often
        assert [one for one in asked if one.status == 0 or web.forbidden(one.host, one.path)] == []
        assert too_close(asked, DELAY_S - 0.002) == []
