"""The frontier on a real Redis: leases, pauses, what is known, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import PREFIX, Frontier, Known, Lease, Settled
from services.ingest.crawl.service import visitor_of
from services.ingest.crawl.tdm import TdmPolicy
from services.runtime import DependencyDown, Resources, Settings
from services.runtime.settings import RedisSettings
from tests.servers import RedisServer

CONFIG = CrawlConfig(
    delay_s=0.05, max_delay_s=10, lease_s=0.6, timeout_s=0.3, batch_s=0.1, max_urls_host=5, retry_s=0.2
)
Make = Callable[..., Frontier]


@pytest.fixture
def make(server: RedisServer) -> Iterator[Make]:
    """Replicas; the server begins empty."""
    with server.client() as client:
        client.flushall()
    made: list[Frontier] = []

    def one(config: CrawlConfig = CONFIG) -> Frontier:
        settings = Settings(redis=RedisSettings(url=server.url))
        made.append(Frontier(config, Resources(settings)))
        return made[-1]

    yield one
    for frontier in made:
        frontier.close()


def add(frontier: Frontier, *urls: str, **known: int) -> dict[str, int]:
    visitor = visitor_of(CONFIG)
    found = [visitor.seed(url) for url in urls]
    return frontier.add(replace(one, known=replace(one.known, **known)) for one in found)


def pages(frontier: Frontier, most: int = 10, patience_s: float = 3.0) -> list[Lease]:
    """Leases of pages, after the files of their hosts were read as empty."""
    deadline, freed = time.monotonic() + patience_s, []
    while time.monotonic() < deadline:
        taken = frontier.take(most, freed)
        found, freed = [], []
        for lease in taken.leases:
            if lease.kind == "url":
                found.append(lease)
                continue
            if lease.kind == "robots":
                frontier.keep_robots(lease, b"", ())
            else:
                frontier.keep_tdm(lease, TdmPolicy())
            freed.append((lease, 0))
        if found:
            return found
        if not freed:
            time.sleep(0.01)
    return []


def done(
    lease: Lease, outcome: str = "new", due_s: float | None = 60, reachable: bool | None = True
) -> Settled:
    return Settled(lease, replace(lease.known, fetched_ms=1), outcome, due_s, reachable)


def test_one_request_a_host_and_a_pause_after_it(make: Make) -> None:
    """Prevents two replicas from speaking to one host at once, or without a pause."""
    one, two = make(), make()
    add(one, "http://a.example/1", "http://a.example/2")
    (lease,) = pages(one)
    assert pages(two, patience_s=0.2) == []
    freed = time.monotonic()
    one.take(0, [(lease, 1)])
    (other,) = pages(two)
    assert other.key != lease.key
    assert time.monotonic() - freed >= 0.045
    two.take(0, [(other, 300)])  # as after a Retry-After
    add(one, "http://a.example/3")
    freed = time.monotonic()
    assert len(pages(one)) == 1
    assert time.monotonic() - freed >= 0.25


def test_what_a_dead_replica_was_fetching_is_fetched_again(make: Make) -> None:
    """Prevents a kill from losing a URL, and one that ends whoever fetches it from ending all in a row."""
    urls = [f"http://h{number}.example/" for number in range(3)]
    dead = make()
    add(dead, *urls)
    assert {lease.known.url for lease in pages(dead)} == set(urls)
    heir = make()
    found = pages(heir)
    assert {lease.known.url for lease in found} == set(urls)
    assert (
        dead.settle([done(replace(lease, session=dead.session)) for lease in found]) == 0
    )  # not its any more
    assert heir.settle([done(found[0])]) == 1
    left = {lease.known.url for lease in found[1:]}
    waited = []
    for _ in range(4):
        begun, taken = time.monotonic(), set[str]()
        last = make()
        while taken != left:
            more = {lease.known.url for lease in pages(last)}
            assert more
            assert not more & taken
            taken |= more
        waited.append(time.monotonic() - begun - CONFIG.lease_s)
    seen = make().status()["seen"]
    assert (seen["new"], seen["again"], seen["crash"]) == (1, 5, 6)
    assert waited[0] < CONFIG.retry_s  # twice by chance: at once
    assert waited[1] > CONFIG.retry_s - 0.05
    assert waited[3] > 4 * CONFIG.retry_s - 0.05


def test_what_had_come_is_not_what_ends_replicas(make: Make) -> None:
    """Prevents pages from waiting since replicas died that had them, and not put them into the river yet."""
    one = make()
    add(one, "http://a.example/")
    for _ in range(6):
        (lease,) = pages(one)
        one.take(0, [(lease, 1)])  # it has come
        one = make()
    assert len(pages(one)) == 1
    assert one.status()["seen"].get("crash") is None


def test_leases_of_an_answer_that_never_came(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a URL from being held for as long as a replica lives that does not know of it."""
    one, two = make(), make()
    add(one, "http://a.example/", "http://b.example/")
    (kept, other) = pages(one)
    one.settle([done(other, due_s=0)])
    one.take(0, [(other, 0)])
    ask = one._call

    def cut(name: str, **arguments: object) -> object:
        ask(name, **arguments)
        raise DependencyDown("Redis", TimeoutError())

    monkeypatch.setattr(one, "_call", cut)
    with pytest.raises(DependencyDown):
        one.take(10)
    monkeypatch.undo()
    assert one.settle([done(kept)]) == 1  # what it does know of it may settle yet
    deadline, found = time.monotonic() + 4, list[Lease]()
    while not found and time.monotonic() < deadline:
        one.take(0)  # it lives
        found = pages(two, patience_s=0.1)
    assert [lease.known.url for lease in found] == [other.known.url]


def test_what_a_replica_found_is_known_though_it_was_taken_for_dead(make: Make) -> None:
    """Prevents what a page links to from being lost, where the page itself is settled by another."""
    one, visitor = make(), visitor_of(CONFIG)
    one.take(0)
    time.sleep(CONFIG.lease_s + 0.1)
    make().take(0)
    taken = one.take(0, found=[visitor.seed("http://a.example/")])
    assert (taken.lost, taken.found) == (True, {"new": 1})


def test_who_leaves_gives_back_at_once(make: Make) -> None:
    """Prevents a planned stop from costing a lease's time, or counting as a crash."""
    one, two = make(), make()
    add(one, "http://a.example/")
    assert len(pages(one)) == 1
    one.leave()
    assert len(pages(two)) == 1
    assert "again" not in two.status()["seen"], "as after the end of its lease"


def test_a_failed_url_is_not_seen(make: Make) -> None:
    """Prevents a URL that failed from never being fetched again; a settled one waits until it is due."""
    one = make()
    add(one, "http://a.example/")
    (lease,) = pages(one)
    one.settle([done(lease, "error", due_s=0.1)])
    one.take(0, [(lease, 1)])
    (again,) = pages(one)
    assert again.known.url == lease.known.url
    one.settle([done(again, due_s=60)])
    one.take(0, [(again, 1)])
    assert pages(one, patience_s=0.3) == []


def test_a_dead_host_rests(make: Make) -> None:
    """Prevents a host that does not answer from being asked again and again for each of its URLs."""
    one = make()
    add(one, "http://a.example/1", "http://a.example/2")
    (lease,) = pages(one)
    one.take(0, [(lease, 1)])
    one.settle([done(lease, "unreachable", due_s=1, reachable=False)])
    assert pages(one, patience_s=0.4) == []
    said = one.host("a.example")
    assert said
    assert said["down"] == "1"
    assert one.take(1).wait_s > 5


def test_nothing_is_fetched_while_robots_cannot_be_read(make: Make) -> None:
    """Prevents a host whose robots.txt fails from being crawled as if it allowed all (RFC 9309, 2.3.1.4)."""
    one = make()
    add(one, "http://a.example/")
    (lease,) = one.take(1).leases
    assert lease.kind == "robots"
    one.keep_robots(lease, None, ())
    one.take(0, [(lease, 1)])
    assert pages(one, patience_s=0.3) == []


def test_rules_reach_the_lease(make: Make) -> None:
    """Prevents a replica from going by other rules than another one read."""
    one, two = make(), make()
    add(one, "http://a.example/x", "http://a.example/private")
    (lease,) = one.take(1).leases
    one.keep_robots(lease, b"User-agent: *\nDisallow: /private\nCrawl-delay: 0.2", ())
    one.take(0, [(lease, 1)])
    freed = time.monotonic()
    (found,) = pages(two)
    assert time.monotonic() - freed >= 0.15  # the Crawl-delay holds for all
    assert found.robots
    assert not found.robots.allows("http://a.example/private")
    assert found.robots.allows("http://a.example/x")


def test_bounds(make: Make) -> None:
    """Prevents a trap from filling Redis: of a host so many URLs, of the world so many hosts."""
    one = make()
    outcomes = add(one, *(f"http://a.example/{number}" for number in range(9)))
    assert outcomes == {"new": 5, "cap": 4}
    assert add(one, "http://a.example/0") == {"known": 1}
    small = make(replace(CONFIG, max_hosts=2))
    assert add(small, "http://b.example/", "http://c.example/") == {"new": 1, "hosts": 1}
    full = make(replace(CONFIG, max_urls=6))
    assert add(full, "http://b.example/2") == {"full": 1}


def test_hosts_that_nobody_asked_for_stay_outside(make: Make) -> None:
    """Prevents links from leading the crawl to every host there is, unless it is told so."""
    one, visitor = make(), visitor_of(CONFIG)
    found = replace(visitor.seed("http://b.example/"), open=False)
    assert one.add([found]) == {"elsewhere": 1}
    add(one, "http://b.example/x")
    assert one.add([found]) == {"new": 1}


def test_a_sitemap_brings_a_changed_page_forward(make: Make) -> None:
    """Prevents a page from waiting for weeks that its host says has changed."""
    one, visitor = make(), visitor_of(CONFIG)
    add(one, "http://a.example/")
    (lease,) = pages(one)
    one.settle([replace(done(lease), known=replace(lease.known, fetched_ms=1000))])
    one.take(0, [(lease, 1)])
    found = visitor.seed("http://a.example/")
    assert one.add([replace(found, modified_ms=999)]) == {"known": 1}
    assert one.add([replace(found, modified_ms=1001)]) == {"due": 1}
    (again,) = pages(one)
    assert again.known.fetched_ms == 1000


def test_pause_and_hosts(make: Make) -> None:
    """Prevents a person from having no way to stop it: all of it, or one host."""
    one = make()
    add(one, "http://a.example/", "http://b.example/")
    one.pause(True)
    assert pages(one, patience_s=0.2) == []
    one.pause(False)
    one.host("a.example", {"paused": "1"})
    assert {lease.host for lease in pages(one)} == {"b.example"}
    assert pages(one, patience_s=0.2) == []
    one.host("a.example", {"paused": ""})
    assert {lease.host for lease in pages(one)} == {"a.example"}
    assert one.host("nowhere.example") is None


def test_bytes_a_url(make: Make, server: RedisServer) -> None:
    """Prevents the stated cost of a URL, by which Redis is planned, from being wrong."""
    one, visitor = make(replace(CONFIG, max_urls_host=10_000)), visitor_of(CONFIG)
    with server.client() as client:
        before = client.info("memory")["used_memory_dataset"]
        found = [
            visitor.seed(f"http://a.example/some/path/of/a/page-{number:07d}.html") for number in range(5000)
        ]
        fetched = Known(
            "", etag='"5f3c-61f0a1b2c3d4e"', modified="Wed, 21 Oct 2026 07:28:00 GMT", digest="A" * 32
        )
        for begin in range(0, 5000, 1000):
            one.add(
                replace(each, known=replace(fetched, url=each.known.url, date="2026-10-21T07:28:00Z"))
                for each in found[begin : begin + 1000]
            )
        used = client.info("memory")["used_memory_dataset"] - before
        assert client.hlen(PREFIX + "u:a.example") == 5000
    assert 100 < used / 5000 < 450


def test_redis_away(make: Make, tmp_path: Path) -> None:
    """Prevents a Redis that does not answer from looking like an empty frontier; back again, it goes on."""
    other = RedisServer(tmp_path, "--appendonly", "yes")
    one = Frontier(CONFIG, Resources(Settings(redis=RedisSettings(url=other.url, timeout_s=1))))
    try:
        add(one, "http://a.example/")
        other.kill()
        with pytest.raises(DependencyDown, match="Redis"):
            one.take(1)
        other.start()
        assert len(one.take(1).leases) == 1
    finally:
        one.close()
        other.kill()


def test_records_are_read_as_they_were_written() -> None:
    """Prevents a field that moves from being read as another one."""
    known = Known("http://a.example/", "s", 5, 123, 2, 1, 3, 60, '"e\tx"', "m", "d", "t", 1)
    assert Known.unpack(known.pack()) == replace(known, etag='"e x"')
