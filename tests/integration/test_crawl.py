"""A made web of every kind, crawled by two replicas, of which one is killed; and then once more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from services.local.stack import Stack
from tests.crawling import Crawling, crawling, too_close
from tests.made_web import Web, free_port

pytestmark = pytest.mark.stack
DELAY_S = 0.02


def wait_for(made: Crawling, number: int, since: int = 0, timeout_s: float = 60) -> None:
    """Until so many requests came."""
    made.river.wait_until(lambda: len(made.asked()) - since >= number, timeout_s)


def _poll(holds: Callable[[], bool], timeout_s: float) -> None:
    """As wait_until, for what is long to ask."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s")
        time.sleep(1)


def by_url(made: Crawling) -> Counter[str]:
    return Counter(document.metadata["url"] for document in made.documents())


def test_a_web_of_every_kind(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents a page that is lost by a kill, fetched though forbidden, or fetched whole again unchanged."""
    web = Web(12, 9, free_port())
    revisit = {"revisit_s": 4, "min_revisit_s": 4, "max_revisit_s": 3600}
    with crawling(shared_stack, tmp_path, web, slow_s=0.1, delay_s=DELAY_S, **revisit) as made:
        made.seed()
        made.start(0)
        made.start(1)
        wait_for(made, 40)
        made.kill(0)
        made.start(0)
        _poll(lambda: web.expected <= set(by_url(made)), 90)
        asked = made.asked()
        assert [one for one in asked if one.status == 0 or web.forbidden(one.host, one.path)] == []
        assert too_close(asked, DELAY_S - 0.002) == []
        extra = {url for url in by_url(made) if url not in web.expected and "/day/" not in url}
        assert extra == set()  # nothing reserved, no listing, no redirect
        made.round(2)
        changed = {web.url(11, path) for path in web.pages(11)}
        _poll(lambda: min(Counter(by_url(made))[url] for url in changed) >= 2, 60)
        second = [one for one in made.asked()[len(asked) :] if one.conditional and "/p" in one.path]
        changing = web.name(11)
        assert [one for one in second if one.host != changing and one.status != 304] == []
        assert sum(one.status == 304 for one in second) > 20
        assert made.stop() == [0, 0]
        _documents_say_what_they_are(made)
        _warc_holds_them(tmp_path / "store", made)


def _documents_say_what_they_are(made: Crawling) -> None:
    documents = {document.metadata["url"]: document for document in made.documents()}
    page = documents[made.web.url(10)]  # it came as gzip
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert (page.media_type, page.id) == ("text/html", made.web.url(10))
    assert abs(page.features["fetched_s"] - time.time()) < 300
    assert page.features["reserved"] == 0
    twice = Counter(document.uid for document in made.documents())
    # Killed between Kafka and the frontier, a page comes a second time: as the same document.
    assert len(set(twice)) == len({(d.metadata["url"], d.body) for d in made.documents()})


def _warc_holds_them(store: Path, made: Crawling) -> None:
    found: set[tuple[str, bytes]] = set()
    revisits = 0
    for path in store.glob("crawl/*/*.warc.gz"):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.any_type, verify_digests=True):
                if record.record_type == WarcRecordType.revisit:
                    revisits += 1
                    assert record.headers["WARC-Refers-To-Date"]
                    assert record.headers["WARC-Profile"].startswith(
                        "http://netpreserve.org/warc/1.1/revisit/"
                    )
                elif record.record_type == WarcRecordType.response:
                    record.parse_http()
                    found.add((record.headers["WARC-Target-URI"], record.reader.read()))
    assert revisits > 20
    documents = {(document.metadata["url"], document.body) for document in made.documents()}
    assert documents - found == set()
