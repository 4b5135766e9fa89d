"""The object store, the trainer's one way to the world: a folder, or S3 through obstore.

S3's keys, region and address come from the standard AWS_… variables. What the user set wrongly (a bucket
that is not there, wrong keys) is a ConfigError; what passes (a server that is away, slow, full) is StoreDown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from trainer.data.cache import Cache
from trainer.errors import ConfigError, StoreDown

_STATUS = re.compile(r"non-2xx status code: (\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class Store:
    """Keys are relative paths with forward slashes. A put is atomic: readers see all of it or none.

    Each method may raise ConfigError and StoreDown.
    """

    def __init__(
        self, url: str, *, cache: Cache | None = None, timeout_s: float = 30.0, retry_s: float = 10.0
    ) -> None:
        """url: s3://bucket/path, file:///path, or a folder. cache: of files from S3.

        timeout_s: of one request. retry_s: no attempt after it.
        """
        parts = urlsplit(url)
        self._folder: Path | None = None
        if len(parts.scheme) <= 1 or parts.scheme == "file":
            path = unquote(parts.path) if parts.scheme == "file" else url
            self._folder = Path(path).expanduser().absolute()
        # Without a password or a query that may be in it.
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        self._cache = cache or Cache.default()
        try:
            self._store: obstore.store.ObjectStore
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._store = obstore.store.LocalStore(str(self._folder))
            else:
                self._store = _remote(url, timeout_s, retry_s)
        except (OSError, ValueError, BaseError) as error:
            raise ConfigError(f"data.store {self.url} cannot be opened: {_first_line(error)}") from None

    @property
    def folder(self) -> Path | None:
        """Where its objects lie as files; None for one on the network."""
        return self._folder

    def get(self, key: str) -> bytes:
        """Read an object. Raises FileNotFoundError."""
        with self._errors():
            return bytes(obstore.get(self._store, key).bytes())

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Some of an object's bytes; fewer where it ends before. Raises FileNotFoundError."""
        with self._errors():
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def put(self, key: str, value: bytes | Path) -> None:
        """Write an object whole, a Path's file without reading it into memory; it outlives a power cut."""
        with self._errors():
            obstore.put(self._store, key, value)
            self._sync(key)

    def create(self, key: str, value: bytes) -> bool:
        """Write a small object if there is none of that name; whether it did. Of two at once one does."""
        with self._errors():
            try:
                obstore.put(self._store, key, value, mode="create")
            except AlreadyExistsError:
                return False
            self._sync(key)
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Keys under a prefix (a whole path segment), in no order that is promised."""
        with self._errors():
            pages = iter(obstore.list(self._store, prefix))
        while True:
            with self._errors():
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                yield entry["path"]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        with self._errors():
            if self._folder is None:
                obstore.delete(self._store, list(keys))
                return
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue

    def open(self, key: str, sha256: str = "") -> BinaryIO:
        """An object as a file of this machine, to read or to map; close it when it is no longer needed.

        sha256: what it must have when it is fetched from S3; without, its tag tells it from a later one of
        the same name. A file in a folder is opened as it is. Raises FileNotFoundError; ValueError when the
        bytes are not those of the sha256.
        """
        if self._folder is not None:
            with self._errors():
                return (self._folder / key).open("rb")
        return self._cache.open(sha256 or self._tag(key), lambda: self._chunks(key), sha256)

    def local(self, key: str) -> Path:
        """The path of an object's file on this machine: itself, or a copy that stays for a while.

        Raises FileNotFoundError.
        """
        with self.open(key) as file:
            return Path(file.name)

    def _tag(self, key: str) -> str:
        with self._errors():
            said = obstore.head(self._store, key)
        return re.sub(r"[^\w.-]+", "-", f"{self.url}/{key}-{said['size']}-{said['e_tag'] or ''}")[-200:]

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._errors():
            yield from map(bytes, obstore.get(self._store, key).stream(8 << 20))

    def _sync(self, key: str) -> None:
        if self._folder is None:
            return
        for path in (self._folder / key, (self._folder / key).parent):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Obstore's errors become the trainer's, here alone. A key that is none stays a ValueError."""
        try:
            yield
        except (OSError, BaseError) as error:
            text = str(error)
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
                raise
            if advice := _advice(text):
                raise ConfigError(f"data.store {self.url}: {_reason(text)}; {advice}") from None
            raise StoreDown(f"data.store {self.url} does not answer: {_reason(text)}") from None


def _remote(url: str, timeout_s: float, retry_s: float) -> obstore.store.ObjectStore:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    address = next((value for name in names if (value := os.environ.get(name))), "https://")
    store: obstore.store.ObjectStore = obstore.store.from_url(
        url,
        client_options={
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=min(timeout_s, 5.0)),
            "allow_http": address.startswith("http://"),
        },
        retry_config={
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        },
    )
    return store


def _advice(text: str) -> str:
    """What the user should do about an error that no waiting mends; empty for one that may pass."""
    status = _STATUS.search(text)
    if "NoSuchBucket" in text:
        return "make the bucket, or set data.store to one that is there"
    if "169.254.169.254" in text:  # where a machine of a cloud would be asked for keys
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: no keys are set, and this machine has none"
    if status and status[1] in {"401", "403"}:
        return "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and at what this key may do with the bucket"
    if status and status[1] in {"301", "307"}:
        return "set AWS_REGION to the bucket's"
    if "Permission denied" in text:
        return "give this user the right to read and write there"
    return ""


def _reason(text: str) -> str:
    """One line of an error that quotes requests and answers whole."""
    found = [match[1] for pattern in (_STATUS, _CODE) if (match := pattern.search(text))]
    return ": ".join(found) or _first_line(text)


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0][:300]
