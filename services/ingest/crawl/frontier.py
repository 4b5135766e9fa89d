"""The frontier: every URL that is known, in Redis, shared by all replicas. What each step does:
`frontier.lua`.

A lease belongs to a session, and a session to a process that asks again and again. One that stays silent for
`lease_s` is taken to be dead: what it was fetching is fetched again, and its hosts are spoken to by others.
A URL is settled only when what it gave is durable; until then it is held, or it is to be fetched. It costs
some 400 bytes of Redis a URL, and nothing is kept of a link that was seen before.
"""

from __future__ import annotations

import json
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.robots import Robots
from services.ingest.crawl.tdm import TdmPolicy
from services.ingest.crawl.url import Url
from services.runtime import DependencyDown, Resources

PREFIX: Final = "{crawl}:"
PAGE, SITEMAP, FEED = "p", "s", "f"
# What a URL is fetched before others for; lower is sooner. Depth is added.
SEED, LISTING, LINK = 0, 5, 10
# What robots.txt says of a host that cannot be asked (RFC 9309, 2.3.1.4): nothing may be fetched, for now.
_UNREACHABLE, _RULES = b"U", b"R"
_UNREACHABLE_S: Final = 600.0
_MOST_ORIGINS: Final = 20_000  # whose files a process keeps read
_TDM_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the frontier knows of a URL; a record of its fields by tabs, the first four of which the script
    reads.

    kind: page, sitemap or feed. fetched_ms: when a fetch last succeeded, 0 for never. interval_s: until the
    next. fails: in a row. etag, modified: its validators. digest: of the body that is in the river.
    date: of the WARC record that holds it. seed: whether a person added it, or such a URL redirects to it.
    """

    url: str
    kind: str = PAGE
    priority: int = LINK
    fetched_ms: int = 0
    depth: int = 0
    hops: int = 0
    fails: int = 0
    interval_s: int = 0
    etag: str = ""
    modified: str = ""
    digest: str = ""
    date: str = ""
    seed: int = 0

    def pack(self) -> str:
        """The record."""
        return "\t".join(str(value).replace("\t", " ") for value in asdict(self).values())

    @classmethod
    def unpack(cls, record: str) -> Known:
        """The inverse. Fields that a newer version added are left out."""
        found = record.split("\t")
        url, kind = found[:2]
        priority, fetched_ms, depth, hops, fails, interval_s = (int(number) for number in found[2:8])
        etag, modified, digest, date = found[8:12]
        return cls(
            url, kind, priority, fetched_ms, depth, hops, fails, interval_s, etag, modified, digest, date,
            int(found[12]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A URL that was found: where it belongs, and what is known of it. modified_ms: as a sitemap says.

    open: its host may be new to the frontier.
    """

    url: Url
    known: Known
    open: bool = False
    modified_ms: int = 0

    @property
    def item(self) -> dict[str, Any]:
        """As the script takes it."""
        known = self.known
        found: dict[str, Any] = {
            "host": self.url.host,
            "key": self.url.key,
            "record": known.pack(),
            "priority": known.priority + known.depth,
            "open": self.open,
        }
        if self.modified_ms:
            found["modified"] = self.modified_ms
        return found


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one request to a host. kind: url, robots or tdm; the latter two before any URL of the
    origin.

    robots, tdm: what the origin's files say, as far as they are known by then. session: that it belongs to.
    """

    session: str
    kind: str
    host: str
    key: str
    known: Known
    robots: Robots | None = None
    tdm: TdmPolicy = field(default_factory=TdmPolicy)
    since: float = field(default_factory=time.monotonic)

    @property
    def origin(self) -> str:
        """Scheme and authority."""
        scheme, _, rest = self.known.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"


class Freed(NamedTuple):
    """A request that is over. pause_ms: how long to leave its host be; 0 where none was made."""

    lease: Lease
    pause_ms: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a leased URL.

    due_s: until it is fetched again, None for never. reachable: its host answered.
    """

    lease: Lease
    known: Known
    outcome: str
    due_s: float | None
    reachable: bool | None = True


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one call.

    wait_s: until a host may be visited, 0 where one may. new_age_s: since a URL was new to it.
    lost: the session was taken to be dead. found: what became of what was found, by outcome.
    """

    leases: Sequence[Lease]
    wait_s: float
    new_age_s: float
    lost: bool = False
    found: Mapping[str, int] = field(default_factory=dict)


class Frontier:
    """One process's way to it. Every method is one round trip, and raises DependencyDown."""

    def __init__(self, config: CrawlConfig, resources: Resources) -> None:
        self._config = config
        self._resources = resources
        self._source = Path(__file__).with_name("frontier.lua").read_text()
        self._script: Any = None
        self._client: Any = None
        self._began = False
        self._rules: dict[str, tuple[str, Robots]] = {}
        self._tdm: dict[str, tuple[float, TdmPolicy]] = {}
        self.session = uuid.uuid4().hex[:12]

    def take(self, most: int, freed: Iterable[Freed] = (), found: Iterable[Found] = ()) -> Taken:
        """Leases for up to `most` requests. freed: those that are over.

        lost: this session was taken to be dead; what it held is others' business. It goes on as a new one.
        So it does after DependencyDown: what it may have been leased then nobody here knows of, and for what
        it has yet, others will not wait longer than a lease.
        """
        config = self._config
        try:
            answer = self._call("take", **self._taking(most, freed, found))
            leases = [self._lease(*lease) for lease in answer.get("leases") or ()]
        except DependencyDown:
            self._renew()
            raise
        if answer.get("lost"):
            self._renew()
            return Taken((), 0.0, 0.0, lost=True, found=dict(answer["found"] or {}))
        self._began = True
        now, due = answer["now"], answer.get("next")
        wait = max(0.0, (due - now) / 1000) if due else config.delay_s or 1.0
        age = (now - answer["new_ms"]) / 1000 if answer["new_ms"] else 0.0
        return Taken(leases, wait, age, found=dict(answer["found"] or {}))

    def _taking(self, most: int, freed: Iterable[Freed], found: Iterable[Found]) -> dict[str, Any]:
        config = self._config
        return dict(
            session=self.session,
            known=self._began,
            lease=int(config.lease_s * 1000),
            most=most,
            freed=[(lease.session, lease.host, pause_ms) for lease, pause_ms in freed],
            found=_items(found),
            delay=int(config.delay_s * 1000),
            retry=int(config.retry_s * 1000),
            max_revisit=int(config.max_revisit_s * 1000),
            tdm="tdm" in config.refuse,
            **self._caps,
        )

    def _renew(self) -> None:
        self.session, self._began = uuid.uuid4().hex[:12], False

    def settle(self, settled: Sequence[Settled]) -> int:
        """All that is durable now; how many of it was still leased to the session that it was leased to."""
        items = []
        for done in settled:
            item: dict[str, Any] = {
                "session": done.lease.session,
                "host": done.lease.host,
                "key": done.lease.key,
                "record": done.known.pack(),
                "outcome": done.outcome,
            }
            if done.due_s is not None:
                item["due"] = int(done.due_s * 1000)
            if done.reachable is not None:
                item["down"] = not done.reachable
            items.append(item)
        return int(self._call("settle", items=items))

    def add(self, found: Iterable[Found]) -> dict[str, int]:
        """URLs from outside. How many of them were new, known, beyond the cap of their host and so on."""
        return dict(self._call("add", items=_items(found), **self._caps) or {})

    def keep_robots(self, lease: Lease, body: bytes | None, found: Iterable[Found]) -> None:
        """What an origin's robots.txt says, b"" for no rules; None where it cannot be asked."""
        config, packed = self._config, zlib.compress(body or b"")
        digest = f"{zlib.crc32(body or b''):08x}".encode()
        value = (_UNREACHABLE if body is None else _RULES) + digest + packed
        keep_s = config.robots_s if body is not None else min(_UNREACHABLE_S, config.robots_s)
        delay = Robots.read(body or b"", config.agent).delay_s
        pause = None if delay is None else int(min(max(delay, config.delay_s), config.max_delay_s) * 1000)
        said = {"pause": pause} if pause is not None else {}
        self._call("robots", host=lease.host, found=_items(found), **said, **self._caps)
        # Last: from here on it is not asked for.
        self._do(lambda client: client.set(f"{PREFIX}robots:{lease.origin}", value, px=int(keep_s * 1000)))

    def keep_tdm(self, lease: Lease, policy: TdmPolicy) -> None:
        """What an origin's tdmrep.json says."""
        self._call("tdm", origin=lease.origin, value=policy.pack(), keep=int(self._config.robots_s * 1000))

    def leave(self) -> None:
        """Give back what is held: nobody has to wait for the lease to end."""
        if self._began:
            self._call("leave", session=self.session, delay=int(self._config.delay_s * 1000))
            self._began = False

    def host(self, name: str, settings: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """What is known of a host, with `paused`, `own` (ms) or `cap` set; "" takes one back.

        None: it is unknown.
        """
        answer = self._call("host", host=name, set=dict(settings or {}))
        return dict(answer) if answer else None

    def status(self) -> dict[str, Any]:
        """Counts: what was seen, by outcome; hosts due, soon (within a minute) and waiting, or busy now;
        replicas; URLs under way, until they are durable; paused.
        """
        return dict(self._call("status"))

    def pause(self, on: bool) -> None:
        """No replica takes a further URL, or all go on."""
        self._call("pause", on=on)

    def known(self, url: Url) -> Known | None:
        """What is known of one URL."""
        raw = self._hget("u:" + url.host, url.key)
        return Known.unpack(raw.decode()) if raw else None

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._script = self._client = None
            self._resources.close()

    @property
    def _caps(self) -> dict[str, int]:
        config = self._config
        return {
            "max_urls_host": config.max_urls_host,
            "max_hosts": config.max_hosts,
            "max_urls": config.max_urls,
        }

    def _lease(self, kind: str, host: str, name: str, record: str, robots: str) -> Lease:
        lease = Lease(self.session, kind, host, name, Known.unpack(record))
        if kind == "robots":
            return lease
        rules = self._robots(lease.origin, robots[1:9])
        return replace(lease, robots=rules, tdm=self._tdm_of(lease.origin) if kind == "url" else TdmPolicy())

    def _tdm_of(self, origin: str) -> TdmPolicy:
        """Of no reservation where it was not asked."""
        cached = self._tdm.get(origin)
        if cached and cached[0] > time.monotonic():
            return cached[1]
        raw = self._get("tdm:" + origin) if "tdm" in self._config.refuse else None
        policy = TdmPolicy.unpack(raw.decode()) if raw else TdmPolicy()
        if len(self._tdm) > _MOST_ORIGINS:
            self._tdm.clear()
        self._tdm[origin] = (time.monotonic() + _TDM_S, policy)
        return policy

    def _robots(self, origin: str, digest: str) -> Robots:
        """Parsed once a process and version."""
        cached = self._rules.get(origin)
        if cached and cached[0] == digest:
            return cached[1]
        raw = self._get("robots:" + origin) or b""
        body = zlib.decompress(raw[9:]) if len(raw) > 9 else b""
        rules = Robots.read(body, self._config.agent)
        if len(self._rules) > _MOST_ORIGINS:
            self._rules.clear()
        self._rules[origin] = (digest, rules)
        return rules

    def _get(self, name: str) -> bytes | None:
        found: bytes | None = self._do(lambda client: client.get(PREFIX + name))
        return found

    def _hget(self, name: str, entry: str) -> bytes | None:
        found: bytes | None = self._do(lambda client: client.hget(PREFIX + name, entry))
        return found

    def _call(self, name: str, **arguments: Any) -> Any:
        said = json.dumps(arguments, ensure_ascii=False)
        return json.loads(self._do(lambda _: self._script(keys=[PREFIX], args=[name, said])))

    def _do(self, ask: Callable[[Any], Any]) -> Any:
        """By a connection that is made anew after an error."""
        try:
            if self._client is None:
                client = self._resources.redis
                # Of a cluster the node that holds the prefix's slot.
                self._client = client.connections([PREFIX])[0] if hasattr(client, "connections") else client
                self._script = self._client.register_script(self._source)
            return ask(self._client)
        except redis.RedisError as error:
            self._client = self._script = None
            raise DependencyDown("Redis", error) from error


def _items(found: Iterable[Found]) -> list[dict[str, Any]]:
    return [one.item for one in found]


def spread(found: Sequence[Found], most: int) -> Iterator[Sequence[Found]]:
    """Pieces of a long list, so that no call keeps Redis from the others for long."""
    for begin in range(0, len(found), most):
        yield found[begin : begin + most]
