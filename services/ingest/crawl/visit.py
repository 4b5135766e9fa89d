"""What became of one fetch: what it tells of the URL, what it found, what enters the river and the WARC.

| outcome | what came | looked at again |
| --- | --- | --- |
| new, changed | a page that is not in the river as it is | sooner where it changes often |
| unchanged | a 304, or the same bytes | later each time |
| reserved | a page whose owner reserves it (reservations.py) | as a page |
| listing | a sitemap or feed | as a page |
| other | what is no text: a picture, a film | at the longest interval |
| redirect | another URL, which is fetched in its own turn: its address is checked there | as a page |
| gone | 404, 410 and the like | at the longest interval |
| forbidden | robots.txt says no | at the longest interval |
| busy | 429, 503 | when they say, the host rests |
| error, unreachable | a 5xx; no answer | soon, each time twice as late |
| refused | an address that is not public | at the longest interval |
| too_large | more than `max_page_bytes` | at the longest interval |
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import xxhash

from contracts import Document, media_types
from services.ingest import kinds
from services.ingest.crawl import links, listings, reservations
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import FEED, LINK, LISTING, PAGE, SITEMAP, Found, Known, Lease, Settled
from services.ingest.crawl.url import Refused, Url, Urls

_GONE: Final = range(400, 500)
_MAX_PAUSE_S: Final = 3600.0
_MAX_ID: Final = 512  # characters, as of other documents


class Fetched(NamedTuple):
    """A response: status, headers as they came, the body with its encodings undone. fetched_ms: Unix
    milliseconds.

    address: that was spoken to.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    fetched_ms: int
    address: str = ""


class Recorded(NamedTuple):
    """A WARC record to be written.

    refers: the date of the earlier one, for a revisit. profile: of a revisit.
    """

    url: str
    fetched: Fetched
    digest: str
    profile: str = ""
    refers: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """pause_ms: how long to leave the host be, above its usual pause."""

    settled: Settled
    found: Sequence[Found] = ()
    document: Document | None = None
    record: Recorded | None = None
    pause_ms: int = 1

    @property
    def num_bytes(self) -> int:
        """What it weighs while it waits."""
        return len(self.record.fetched.body) if self.record else 0


@dataclass(frozen=True)
class Visitor:
    """Judges fetches. urls: makes normal forms."""

    config: CrawlConfig
    urls: Urls

    def answered(self, lease: Lease, fetched: Fetched) -> Visit:
        """What an answer came to."""
        headers = _by_name(fetched.headers)
        status = fetched.status
        if status == 304 and lease.known.fetched_ms:
            record = Recorded(lease.known.url, fetched, lease.known.digest, NOT_MODIFIED, lease.known.date)
            return Visit(self._unchanged(lease, fetched, headers), record=record)
        if status in (301, 302, 303, 307, 308):
            return self._redirect(lease, fetched, headers)
        if 200 <= status < 300 and status != 206:
            return self._page(lease, fetched, headers)
        if status in (429, 503):
            pause_s = _retry_after(headers, fetched.fetched_ms)
            due = max(pause_s, self._retry_s(lease))
            known = replace(lease.known, fails=lease.known.fails + 1)
            return Visit(Settled(lease, known, "busy", due), pause_ms=int(pause_s * 1000) + 1)
        if status in _GONE:
            return Visit(self._seldom(lease, "gone"))
        return self.failed(lease, "error", reachable=True)

    def failed(self, lease: Lease, outcome: str, *, reachable: bool) -> Visit:
        """An error, or nothing answered: tried again later, each time twice as late."""
        known = replace(lease.known, fails=lease.known.fails + 1)
        return Visit(Settled(lease, known, outcome, self._retry_s(lease), reachable))

    def seldom(self, lease: Lease, outcome: str) -> Visit:
        """Forbidden, refused or too large: there is nothing to be had for long."""
        return Visit(self._seldom(lease, outcome))

    def listed(self, url: str, text: str) -> Iterator[Found]:
        """The sitemap that a robots.txt names."""
        yield from self._found(url, [text], SITEMAP, LISTING, depth=0)

    def seed(self, text: str) -> Found:
        """A URL that a person adds. Raises Refused."""
        url = self.urls.read(text)
        return Found(url, Known(url.text, priority=0, seed=1), open=True)

    def _page(self, lease: Lease, fetched: Fetched, headers: Mapping[str, Sequence[str]]) -> Visit:
        known, body = lease.known, fetched.body
        digest = base64.b32encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
        if known.digest == digest and known.fetched_ms:
            record = Recorded(known.url, fetched, digest, SAME_DIGEST, known.date)
            return Visit(self._unchanged(lease, fetched, headers), record=record)
        settled = self._changed(lease, fetched, headers, digest)
        if known.kind != PAGE or listings.is_listing(body):
            found = tuple(self._entries(lease, body))
            return Visit(replace(settled, outcome="listing"), found)
        media_type = _media_type(headers, body)
        if not media_type:
            return Visit(replace(self._seldom(lease, "other"), known=settled.known))
        said = links.Links()
        if media_type == media_types.HTML:
            said = links.read(body, _charset(headers))
        usage = lease.robots.usage(known.url) if lease.robots else ""
        tdm = lease.tdm.reserves(known.url)
        reserved = reservations.read(headers, said.metas, self.config.agent, usage, tdm)
        found = tuple(self._linked(lease, said)) if reserved.follows else ()
        if reserved.refusals(self.config.refuse):
            # Without validators: it is to be read whole again, since what is reserved may change and the page
            # not.
            bare = replace(settled.known, digest="", etag="", modified="")
            return Visit(replace(settled, outcome="reserved", known=bare), found)
        document = _document(lease, fetched, media_type, said, reserved)
        return Visit(settled, found, document, Recorded(known.url, fetched, digest))

    def _redirect(self, lease: Lease, fetched: Fetched, headers: Mapping[str, Sequence[str]]) -> Visit:
        known = lease.known
        settled = self._changed(lease, fetched, headers, "")
        settled = replace(
            settled, outcome="redirect", known=replace(settled.known, fetched_ms=known.fetched_ms)
        )
        if known.hops >= self.config.max_redirects:
            return Visit(self._seldom(lease, "redirects"))
        try:
            url = self.urls.read(next(iter(headers.get("location", ())), ""), known.url)
        except Refused:
            return Visit(self._seldom(lease, "refused"))
        if url.text == known.url:
            return Visit(self._seldom(lease, "redirects"))
        onward = Known(
            url.text, known.kind, known.priority, depth=known.depth, hops=known.hops + 1, seed=known.seed
        )
        return Visit(settled, (Found(url, onward, open=self._opens(known)),))

    def _entries(self, lease: Lease, body: bytes) -> Iterator[Found]:
        """What a sitemap or feed lists; as near as what lists it, and a sitemap in it too."""
        known = lease.known
        for entry in listings.read(body):
            kind, priority = (SITEMAP, LISTING) if entry.listing else (PAGE, LINK)
            depth = known.depth + (1 if entry.listing else 0)
            yield from self._found(
                known.url, [entry.url], kind, priority, depth=depth, modified_ms=entry.modified_ms
            )

    def _linked(self, lease: Lease, said: links.Links) -> Iterator[Found]:
        known = lease.known
        if known.depth >= self.config.max_depth:
            return
        try:
            base = self.urls.read(said.base, known.url).text if said.base else known.url
        except Refused:
            base = known.url
        yield from self._found(base, said.pages, PAGE, LINK, depth=known.depth + 1)
        yield from self._found(base, said.feeds, FEED, LISTING, depth=known.depth)

    def _found(
        self, base: str, texts: Sequence[str], kind: str, priority: int, *, depth: int, modified_ms: int = 0
    ) -> Iterator[Found]:
        """Those that can be fetched, each once."""
        seen: set[str] = set()
        for text in texts:
            try:
                url = self.urls.read(text, base)
            except Refused:
                continue
            if url.text not in seen:
                seen.add(url.text)
                known = Known(url.text, kind, priority, depth=depth)
                yield Found(url, known, self.config.follow == "any", modified_ms)

    def _opens(self, known: Known) -> bool:
        return self.config.follow == "any" or bool(known.seed)

    def _changed(
        self, lease: Lease, fetched: Fetched, headers: Mapping[str, Sequence[str]], digest: str
    ) -> Settled:
        config, known = self.config, lease.known
        again = bool(known.fetched_ms)
        interval = max(config.min_revisit_s, known.interval_s / 2) if again else config.revisit_s
        known = replace(
            _validated(known, headers), fetched_ms=fetched.fetched_ms, fails=0, interval_s=int(interval),
            digest=digest, date=warc_date(fetched.fetched_ms),
        )  # fmt: skip
        return Settled(lease, known, "changed" if again else "new", interval)

    def _unchanged(self, lease: Lease, fetched: Fetched, headers: Mapping[str, Sequence[str]]) -> Settled:
        known = lease.known
        interval = min(self.config.max_revisit_s, max(1.5 * known.interval_s, self.config.min_revisit_s))
        known = replace(
            _validated(known, headers), fetched_ms=fetched.fetched_ms, fails=0, interval_s=int(interval)
        )
        return Settled(lease, known, "unchanged", interval)

    def _seldom(self, lease: Lease, outcome: str) -> Settled:
        return Settled(lease, replace(lease.known, fails=0), outcome, self.config.max_revisit_s)

    def _retry_s(self, lease: Lease) -> float:
        return min(self.config.max_revisit_s, self.config.retry_s * 2.0 ** min(lease.known.fails, 20))


# WARC 1.1, 6.7.2 and 6.7.3.
NOT_MODIFIED: Final = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
SAME_DIGEST: Final = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"


def warc_date(milliseconds: int) -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(
    lease: Lease, fetched: Fetched, media_type: str, said: links.Links, reserved: reservations.Reservations
) -> Document:
    """Make it: id and uid follow from URL and content: the same page fetched twice is the same document."""
    url = lease.known.url
    number = xxhash.xxh3_64_intdigest(url.encode())
    metadata = {"url": url, "date": warc_date(fetched.fetched_ms)} | reserved.metadata
    if said.licence:
        metadata["licence"] = said.licence
    return Document(
        id=url[:_MAX_ID],
        uid=xxhash.xxh3_64_intdigest(url.encode() + b"\0" + fetched.body) or 1,
        source=f"{lease.origin}#{number}",
        media_type=media_type,
        body=fetched.body,
        metadata=metadata,
        features={"fetched_s": fetched.fetched_ms / 1000, "reserved": float(bool(reserved.metadata))},
        ingested_ms=fetched.fetched_ms,
    )


def _validated(known: Known, headers: Mapping[str, Sequence[str]]) -> Known:
    """With the validators of this answer; those of the last where it has none."""
    etag = next(iter(headers.get("etag", ())), "")[:200]
    modified = next(iter(headers.get("last-modified", ())), "")[:60]
    return replace(known, etag=etag or known.etag, modified=modified or known.modified)


def _by_name(headers: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def _media_type(headers: Mapping[str, Sequence[str]], body: bytes) -> str:
    """Of a page that the river takes, else ""."""
    if not body:
        return ""
    declared = next(iter(headers.get("content-type", ())), "").partition(";")[0].strip().lower()
    return kinds.page_type(body[:4096]) or kinds.PAGES.get(declared, "")


def _charset(headers: Mapping[str, Sequence[str]]) -> str | None:
    declared = next(iter(headers.get("content-type", ())), "")
    _, found, rest = declared.lower().partition("charset=")
    return rest.partition(";")[0].strip(" \"'")[:40] or None if found else None


def _retry_after(headers: Mapping[str, Sequence[str]], now_ms: int) -> float:
    """Seconds, up to an hour; a minute where nothing is said."""
    said = next(iter(headers.get("retry-after", ())), "").strip()
    if said.isdigit():
        return min(float(said[:9]), _MAX_PAUSE_S)
    try:
        return min(max(0.0, parsedate_to_datetime(said).timestamp() - now_ms / 1000), _MAX_PAUSE_S)
    except (ValueError, TypeError, IndexError):
        return 60.0


__all__ = ["NOT_MODIFIED", "SAME_DIGEST", "Fetched", "Recorded", "Url", "Visit", "Visitor", "warc_date"]
