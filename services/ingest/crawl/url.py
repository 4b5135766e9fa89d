"""The one form of a URL under which the frontier knows it, and the forms that it does not take.

Hosts are read as browsers read them (WHATWG URL), so that a number in any base is the address that a resolver
would make of it, and is checked before anybody resolves it. What browsers mend silently (backslashes, control
characters, credentials) is refused: two programs that read one URL in two ways are how such checks are passed
by.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import xxhash

from services.ingest.crawl.address import Admission, IPAddress

MAX_URL: Final = 2048  # characters; sitemaps.org has the same limit
_MAX_SEGMENTS, _MAX_REPEATS = 32, 3  # of a path: /a/b/a/b/a/b… is a trap, not a place
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ODD = re.compile(r"[\x00-\x1f\x7f\\\u0080-\u009f\u2028\u2029]")
_TO_ESCAPE = re.compile(r"[ ^`{|}<>\"]")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})?")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Names of a session or of where somebody came from: the page is the same without.
_TRACKING = re.compile(
    r"(?:^|(?<=&))(?:utm_[a-z]+|fbclid|gclid|msclkid|phpsessid|jsessionid|aspsessionid\w*)=[^&]*(?:&|$)",
    re.IGNORECASE,
)
_SESSION_PATH = re.compile(r";jsessionid=[^/?]*", re.IGNORECASE)
# Names that mean a machine of one's own network wherever they are asked (RFC 6761, 6762, 8375; ICANN:
# internal).
_INSIDE = ("localhost", "local", "internal", "localdomain", "lan", "intranet", "home.arpa", "onion", "alt")


class Refused(ValueError):
    """A URL that is not fetched. reason: one of REASONS."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


# Why a URL is not taken: malformed, too long, another scheme or port, with credentials, of an address or a
# name that is not public, shaped like a trap.
REASONS: Final = ("malformed", "length", "scheme", "port", "credentials", "address", "trap")


@dataclass(frozen=True, slots=True)
class Url:
    """text: the normal form. host: name (with the port where it is not the default): who is spoken to
    politely.

    origin: whose robots.txt holds. key: 64 bits of the text, 16 characters; within a host.
    """

    text: str
    host: str
    origin: str

    @property
    def key(self) -> str:
        """Its name in the frontier: one collision in 10^7 hosts of 10^6 URLs each."""
        return xxhash.xxh3_64_hexdigest(self.text.encode())


@dataclass(frozen=True)
class Urls:
    """Makes normal forms.

    admission: of addresses; ports: that may be named; known: names that are inside and meant.
    """

    admission: Admission = field(default_factory=Admission)
    ports: frozenset[int] = frozenset(_DEFAULT_PORTS.values())
    known: frozenset[str] = frozenset()

    def read(self, text: str, base: str = "") -> Url:
        """Raises Refused. base: the URL that a relative one belongs to."""
        text = text.strip(" \t\r\n\f").replace(" ", "%20")
        if len(text) > MAX_URL:
            raise Refused("length", f"a URL of {len(text):,} characters; {MAX_URL:,} is the most")
        if found := _ODD.search(text):
            raise Refused(
                "malformed", f"a URL with {found[0]!r} in it is read differently by different programs"
            )
        try:
            whole = urljoin(base, text) if base else text
            parts = urlsplit(whole)
        except ValueError as error:
            raise Refused("malformed", f"no URL: {error}") from error
        if parts.scheme not in _DEFAULT_PORTS:
            raise Refused("scheme", f"{parts.scheme[:20]!r} is not http or https")
        host, port = self._authority(parts.scheme, parts.netloc)
        path = _path(parts.path)
        query = (
            _escaped(_TRACKING.sub("", parts.query).rstrip("&"), "!$&'()*+,;=:@/?[]") if parts.query else ""
        )
        shown = f"[{host}]" if ":" in host else host
        authority = shown if port == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{port}"
        origin = f"{parts.scheme}://{authority}"
        made = f"{origin}{path}?{query}" if query else origin + path
        if len(made) > MAX_URL:
            raise Refused("length", f"a URL of {len(made):,} characters; {MAX_URL:,} is the most")
        return Url(made, authority, origin)

    def _authority(self, scheme: str, netloc: str) -> tuple[str, int]:
        if "@" in netloc:
            raise Refused("credentials", "a URL with credentials is not fetched")
        name, port = _split_port(netloc)
        number = int(port) if port else _DEFAULT_PORTS[scheme]
        if number not in self.ports:
            raise Refused("port", f"port {number} is not one of {', '.join(map(str, sorted(self.ports)))}")
        host = _host(name)
        if isinstance(host, str):
            self._check_name(host)
        elif not self.admission.admits(host):
            raise Refused("address", f"{host} is not a public address")
        return str(host), number

    def _check_name(self, name: str) -> None:
        if name in self.known:
            return
        if "." not in name or name.endswith(tuple("." + inside for inside in _INSIDE)):
            raise Refused("address", f"{name} is a name of one's own network")


def _split_port(netloc: str) -> tuple[str, str]:
    name, port = netloc, ""
    if netloc.startswith("["):
        name, bracket, rest = netloc.partition("]")
        name += bracket
        if rest and not rest.startswith(":"):
            raise Refused("malformed", f"no host: {netloc[:80]!r}")
        port = rest[1:]
    elif ":" in netloc:
        name, _, port = netloc.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise Refused("malformed", f"no port: {port[:20]!r}")
    if port and not 0 < int(port) < 65536:
        raise Refused("port", f"no port: {port}")
    return name, port


@lru_cache(4096)
def _host(text: str) -> str | IPAddress:
    """A name in its ASCII form, or an address. Raises Refused."""
    if text.startswith("["):
        try:
            address = ipaddress.IPv6Address(text[1:-1])
        except ValueError as error:
            raise Refused("malformed", f"no IPv6 address: {text[:80]!r}") from error
        if address.scope_id is not None:
            raise Refused("address", "an address with a zone is one of one's own network")
        return address
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    if len(name) > 253 or not all(map(_NAME.fullmatch, labels)):
        raise Refused("malformed", f"no host: {text[:80]!r}")
    return name


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    import idna

    try:
        return idna.encode(text, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        plain = "".join(_folded(letter) for letter in text)
        if plain.isascii():  # digits in circles and the like: a number after all
            return plain.lower()
        raise Refused("malformed", f"no host: {text[:80]!r}: {error}") from error


def _folded(letter: str) -> str:
    import unicodedata

    folded = unicodedata.normalize("NFKC", letter)
    return "." if folded in "。．｡" else folded


def _ipv4(labels: list[str]) -> ipaddress.IPv4Address:
    """As WHATWG URL and inet_aton: up to four numbers, hexadecimal and octal too, the last fills the rest."""
    try:
        numbers = [_number(label) for label in labels]
    except ValueError as error:
        raise Refused("malformed", f"no host: {'.'.join(labels)[:80]!r}") from error
    rest = 256 ** (5 - len(numbers)) if len(numbers) <= 4 else 0
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= rest:
        raise Refused("malformed", f"no address: {'.'.join(labels)[:80]!r}")
    value = numbers[-1] + sum(number << (8 * (3 - place)) for place, number in enumerate(numbers[:-1]))
    return ipaddress.IPv4Address(value)


def _number(label: str) -> int:
    """Raises ValueError."""
    if not label or not _NUMBER.fullmatch(label):
        raise ValueError(label)
    if label[:2].lower() == "0x":
        return int(label[2:] or "0", 16)
    return int(label, 8) if label[0] == "0" and len(label) > 1 else int(label)


def _path(path: str) -> str:
    if ";" in path:
        path = _SESSION_PATH.sub("", path)
    path = _escaped(path, "!$&'()*+,;=:@/")
    segments: list[str] = []
    parts = path.split("/")[1:] if path.startswith("/") else path.split("/")
    for number, segment in enumerate(parts):
        last = number == len(parts) - 1
        if segment == "..":
            if segments:
                segments.pop()
        elif segment != ".":
            segments.append(segment)
            continue
        if last:
            segments.append("")
    named = [segment for segment in segments if segment]
    if len(segments) > _MAX_SEGMENTS or any(named.count(segment) > _MAX_REPEATS for segment in set(named)):
        raise Refused("trap", f"a path of {len(segments)} parts, or with the same part again and again")
    return "/" + "/".join(segments)


def _escaped(text: str, kept: str) -> str:
    """Percent-encoding in one form: letters that need none without, capital digits, a bare % as %25."""
    if "%" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if text.isascii() and not _TO_ESCAPE.search(text):
        return text
    return quote(text, safe=kept + "%")


def _unescaped(match: re.Match[str]) -> str:
    if match[1] is None:
        return "%25"
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else "%" + match[1].upper()
