"""What becomes of a fetch: its outcome, when the URL is looked at again, what goes into the river."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import SITEMAP, Known, Lease
from services.ingest.crawl.robots import Robots
from services.ingest.crawl.service import visitor_of
from services.ingest.crawl.tdm import TdmPolicy
from services.ingest.crawl.visit import Fetched, Visit

CONFIG = CrawlConfig(retry_s=10)
VISITOR = visitor_of(CONFIG)
URL = "http://a.example/x"
NOW_MS = 1_800_000_000_000
HTML = ("Content-Type", "text/html; charset=utf-8")
PAGE = b"""<html><head><title>t</title><base href="/d/"></head><body><p>text</p>
<a href="e">e</a> <a href="e#part">again</a> <a href="http://b.example/">b</a>
<a rel="nofollow" href="n">n</a>
<a href="http://127.0.0.1/">inside</a> <a href="javascript:x()">none</a>
<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">by</a></body></html>"""


def leased(known: Known, robots: bytes = b"", tdm: bytes = b"[]") -> Lease:
    rules = Robots.read(robots, CONFIG.agent)
    return Lease("s", "url", "a.example", "k", known, rules, TdmPolicy.read(tdm))


def visit(
    status: int = 200, *headers: tuple[str, str], body: bytes = PAGE, lease: Lease | None = None
) -> Visit:
    answer = Fetched(status, [HTML, *headers], body, NOW_MS, "192.0.2.1")
    return VISITOR.answered(lease or leased(Known(URL)), answer)


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "due_s"),
    [
        (200, [], "new", CONFIG.revisit_s),
        (404, [], "gone", CONFIG.max_revisit_s),
        (410, [], "gone", CONFIG.max_revisit_s),
        (500, [], "error", CONFIG.retry_s),
        (304, [], "error", CONFIG.retry_s),  # nobody asked for it
        (206, [], "error", CONFIG.retry_s),
        (429, [("Retry-After", "120")], "busy", 120),
        (503, [("Retry-After", "99999999999999")], "busy", 3600),
        (503, [("Retry-After", "soon")], "busy", 60),
        (301, [("Location", "/y")], "redirect", CONFIG.revisit_s),
        (302, [("Location", URL)], "redirects", CONFIG.max_revisit_s),
        (302, [("Location", "http://10.0.0.1/")], "refused", CONFIG.max_revisit_s),
        (302, [], "redirects", CONFIG.max_revisit_s),
        (200, [("X-Robots-Tag", "noindex")], "reserved", CONFIG.revisit_s),
        (200, [("X-Robots-Tag", "otherbot: noindex")], "new", CONFIG.revisit_s),
        (200, [("Content-Usage", "train-ai=n")], "reserved", CONFIG.revisit_s),
        (200, [("TDM-Reservation", "1")], "reserved", CONFIG.revisit_s),
    ],
)
def test_outcomes(status: int, headers: list[tuple[str, str]], outcome: str, due_s: float) -> None:
    """Prevents an answer from being taken for another, and a reserved page from getting into the river."""
    found = visit(status, *headers)
    assert (found.settled.outcome, found.settled.due_s) == (outcome, due_s)
    assert bool(found.document) == bool(found.record) == (outcome == "new")


def test_what_fails_is_tried_again_each_time_twice_as_late() -> None:
    """Prevents a URL from being given up for months since its host was away for an hour."""
    known, waits = Known(URL), list[float]()
    for _ in range(30):
        settled = VISITOR.failed(leased(known), "unreachable", reachable=False).settled
        waits.append(settled.due_s or 0)
        known = settled.known
    assert waits[:5] == [10, 20, 40, 80, 160]
    assert waits[-1] == CONFIG.max_revisit_s
    assert visit(lease=leased(known)).settled.known.fails == 0


def test_a_page_and_what_it_links_to() -> None:
    """Prevents links that are lost, followed against its will, or read by another base than a browser's."""
    found = visit()
    assert [one.known.url for one in found.found] == [
        "http://a.example/d/e", "http://b.example/", "https://creativecommons.org/licenses/by/4.0/",
    ]  # fmt: skip
    assert {one.known.depth for one in found.found} == {1}
    assert found.document
    assert found.document.metadata == {
        "url": URL, "date": "2027-01-15T08:00:00Z", "licence": "https://creativecommons.org/licenses/by/4.0/",
    }  # fmt: skip
    assert visit(200, ("X-Robots-Tag", "nofollow")).found == ()
    deep = leased(Known(URL, depth=CONFIG.max_depth))
    assert visit(lease=deep).found == ()


def test_what_the_host_reserves() -> None:
    """Prevents robots.txt's Content-Usage and tdmrep.json from being read and not obeyed."""
    usage = b"User-agent: *\nContent-Usage: /x train-ai=n\n"
    assert visit(lease=leased(Known(URL), robots=usage)).settled.outcome == "reserved"
    tdm = b'[{"location": "/x*", "tdm-reservation": 1}]'
    assert visit(lease=leased(Known(URL), tdm=tdm)).settled.outcome == "reserved"
    lenient = replace(VISITOR, config=replace(CONFIG, refuse=()))
    kept = lenient.answered(leased(Known(URL), usage, tdm), Fetched(200, [HTML], PAGE, NOW_MS)).document
    assert kept
    assert (kept.metadata["content_usage"], kept.metadata["tdm_reservation"]) == ("train-ai=n", "1")
    assert kept.features["reserved"] == 1


def test_a_second_look() -> None:
    """Prevents an unchanged page from entering again, and a changed one from passing for the first."""
    first = visit(200, ("ETag", '"1"'))
    known = first.settled.known
    assert known.etag == '"1"'
    for same in (visit(304, lease=leased(known)), visit(lease=leased(known))):
        assert same.settled.outcome == "unchanged"
        assert same.settled.due_s == 1.5 * CONFIG.revisit_s
        assert same.document is None
        assert same.record
        assert same.record.refers == known.date
        assert "revisit" in same.record.profile
    other = visit(body=PAGE + b"more", lease=leased(known))
    assert (other.settled.outcome, other.settled.due_s) == ("changed", CONFIG.revisit_s / 2)
    assert first.document
    assert other.document
    assert other.document.uid != first.document.uid
    assert visit().document == first.document  # fetched twice: the same one


def test_redirects_end() -> None:
    """Prevents a chain without end: each hop is a URL of its own, and counts."""
    known = Known(URL)
    for hop in range(CONFIG.max_redirects):
        found = visit(302, ("Location", f"/hop{hop}"), lease=leased(known))
        (onward,) = found.found
        known = onward.known
    assert known.hops == CONFIG.max_redirects
    assert visit(302, ("Location", "/more"), lease=leased(known)).settled.outcome == "redirects"


@pytest.mark.parametrize("body", [b"\x89PNG\r\n\x1a\n" + bytes(64), b""])
def test_what_is_no_text(body: bytes) -> None:
    """Prevents pictures and empty answers from becoming documents."""
    answer = Fetched(200, [("Content-Type", "image/png")], body, NOW_MS)
    found = VISITOR.answered(leased(Known(URL)), answer)
    assert (found.settled.outcome, found.document) == ("other", None)


@pytest.mark.parametrize(
    "body",
    [
        b"<urlset><url><loc>http://a.example/1</loc></url><url><loc>http://a.example/2</loc></url></urlset>",
        b"http://a.example/1\nhttp://a.example/2\nftp://a.example/3\n",
        b"<urlset><url><loc>http://a.example/1</loc></url><url><loc>http://a.example/2</loc></url><url><lo",
        b'<!DOCTYPE u [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>http://a.example/1</loc></url>'
        b"<url><loc>http://a.example/2</loc></url><url><loc>&b;</loc></url></urlset>",
    ],
    ids=["xml", "text", "cut", "entities"],
)
def test_sitemaps(body: bytes) -> None:
    """Prevents a sitemap that is damaged or hostile from costing what can be read of it."""
    found = visit(body=body, lease=leased(Known("http://a.example/sitemap", SITEMAP)))
    assert found.settled.outcome == "listing"
    assert [one.known.url for one in found.found] == ["http://a.example/1", "http://a.example/2"]
    assert found.document is None
