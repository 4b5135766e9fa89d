"""Bytes over HTTP: by ranges, so that a download that was cut goes on where it was."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from services.ingest.remote.place import Unreachable
from services.ingest.remote.ranged import Remote
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from services.ingest.config import IngestConfig

T = TypeVar("T")

_CONNECT_S, _SILENCE_S = 5.0, 15.0  # without a byte
_PAUSE_S = (0.2, 5.0)  # the first, and the longest, between two tries
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")
_REMEDY = {
    401: "it wants a password or a token",
    403: "it may not be read with what was sent",
    404: "there is no such thing: look at the address",
    410: "it is there no more",
}


class Refused(Exception):
    """An answer that no waiting mends. status: of HTTP. The text says what was refused, and why."""

    def __init__(self, status: int, url: str) -> None:
        super().__init__(f"{shown(url)}: HTTP {status}, {_REMEDY.get(status, 'refused')}")
        self.status = status


class _Passing(Exception):
    """An answer, or none, that may be another next time."""


class Web:
    """A client. patience_s: how long a request is tried before Unreachable. Proxies and certificates by the
    environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE).
    """

    def __init__(self, patience_s: float, headers: Mapping[str, str] | None = None) -> None:
        import httpx

        timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
        self._client = httpx.Client(
            headers={"User-Agent": "corpusworks", "Accept-Encoding": "identity", **(headers or {})},
            timeout=timeout,
            follow_redirects=True,
        )
        self._patience_s = patience_s

    def get(self, url: str) -> httpx.Response:
        """An answer read whole. Raises Refused, Unreachable."""

        def once() -> httpx.Response:
            response = self._client.get(url)
            _check(response)
            return response

        return self._tried(url, once)

    def head(self, url: str) -> tuple[int, str]:
        """Size and version of a file. Raises Refused, Unreachable, ConfigurationError."""

        def once() -> tuple[int, str]:
            with self._client.stream("GET", url, headers={"Range": "bytes=0-0"}) as response:
                if response.status_code == 416 or response.headers.get("content-length") == "0":
                    return 0, ""  # an empty file has no first byte
                _check(response)
                return _size(response, url), _version(response)

        return self._tried(url, once)

    def fetch(self, url: str, begin: int, end: int, version: str) -> bytes:
        """Bytes of a file; whatever came before a cut is kept. Raises Refused, Unreachable, OSError."""
        found = bytearray()

        def once() -> bytes:
            place = f"bytes={begin + len(found)}-{end - 1}"
            with self._client.stream("GET", url, headers={"Range": place}) as response:
                if response.status_code == 416:
                    raise OSError(errno.ESTALE, "it has become shorter since it was listed")
                _check(response)
                _size(response, url)
                if version and _version(response) not in ("", version):
                    raise OSError(errno.ESTALE, "it has changed since it was listed")
                for piece in response.iter_raw():
                    found.extend(piece)
            if len(found) < end - begin:
                raise _Passing("the answer ended early")
            return bytes(found[: end - begin])

        return self._tried(url, once, lambda: len(found))

    def _tried(self, url: str, once: Callable[[], T], come: Callable[[], int] = lambda: 0) -> T:
        """come: bytes so far. What came gives new patience."""
        import httpx

        deadline, pause, before = time.monotonic() + self._patience_s, _PAUSE_S[0], 0
        while True:
            try:
                return once()
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ConfigurationError(f"{shown(url)}: {error}") from error
            except (httpx.TransportError, httpx.TooManyRedirects, httpx.DecodingError, _Passing) as error:
                if come() > before:
                    before, pause = come(), _PAUSE_S[0]
                    deadline = time.monotonic() + self._patience_s
                if time.monotonic() + pause > deadline:
                    raise Unreachable(
                        f"{shown(url)} cannot be read: {_said(error)}; the same command goes on from there"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE_S[1])


class WebFile:
    """One file at an address."""

    def __init__(self, url: str, config: IngestConfig) -> None:
        self._url = url
        self._web = Web(config.patience_s)

    def files(self) -> Iterator[Remote]:
        """See Place."""
        try:
            size, version = self._web.head(self._url)
        except Refused as error:
            raise ConfigurationError(str(error)) from error
        path = unquote(urlsplit(self._url).path)

        def fetch(begin: int, end: int) -> bytes:
            return fetched(self._web, self._url, begin, end, version)

        yield Remote(path, named=True, origin=shown(self._url), size=size, version=version, fetch=fetch)


def fetched(web: Web, url: str, begin: int, end: int, version: str) -> bytes:
    """Web.fetch; what is refused of one file is that file's fault. Raises OSError, Unreachable."""
    try:
        return web.fetch(url, begin, end, version)
    except Refused as error:
        number = errno.ENOENT if error.status in (404, 410) else errno.EACCES
        raise OSError(number, str(error)) from error


def shown(url: str) -> str:
    """A URL without what may be secret in it: name and password, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status in _PASSING:
        raise _Passing(f"HTTP {status}")
    if not 200 <= status < 300:
        raise Refused(status, str(response.request.url))


def _size(response: httpx.Response, url: str) -> int:
    """Of the whole file, as the answer to a range says it. Raises ConfigurationError."""
    match = _RANGE.match(response.headers.get("content-range", "")) if response.status_code == 206 else None
    if match is None:
        raise ConfigurationError(
            f"{shown(url)}: its server does not answer byte ranges, so that nothing goes on where it was: "
            "fetch the file and import it from a folder"
        )
    return int(match[3])


def _version(response: httpx.Response) -> str:
    headers: Any = response.headers
    return str(headers.get("etag") or headers.get("last-modified") or "").removeprefix("W/").strip('"')


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
