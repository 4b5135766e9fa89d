"""The object store: a local folder or S3, through obstore, which also knows Google's and Azure's.

S3's keys, region and address come from the standard AWS_… variables. What the user set wrongly (a bucket
that is not there, wrong keys) is a ConfigurationError; what passes (a server that is away, slow or full) is
DependencyDown, after `timeout_s` + `retry_s` at the latest.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from services.runtime.clients.folder import Folder
from services.runtime.errors import ConfigurationError, DependencyDown

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
# They go into a header or a URL as they are, and obstore panics over one that does not fit there.
_ONE_WORD = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *_ENDPOINTS,
)
_STATUS = re.compile(r"non-2xx status code: (\d+[^:]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{0,200})</Message>")
_DEEPEST = re.compile(r'message: "([^"]{0,200})"|kind: (Timeout|Connect|Decode|Request)\b')
_METADATA = ("169.254.169.254", "metadata.google.internal")  # where a machine of a cloud is asked for keys
_S3_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_AZURE_KEYS = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
# By scheme, the variables that hold the keys of stores that are no S3.
_KEYS = {"gs": "GOOGLE_APPLICATION_CREDENTIALS (the file of a service account's keys)"}
_KEYS |= dict.fromkeys(("az", "azure", "adl", "abfs", "abfss"), _AZURE_KEYS)


class ObjectStore:
    """Keys are relative paths with forward slashes. A put is atomic: readers see all of it or none.

    Each method may raise ConfigurationError and DependencyDown.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        retry_s: float = 10.0,
        options: Mapping[str, Any] | None = None,
        wrong_bucket: str = "make the bucket, or set CORPUSWORKS_STORE_URL to one that is there",
    ) -> None:
        """timeout_s: of one request: 5 MB of an upload, or an object read. retry_s: no attempt after it.

        options: of obstore, over the AWS_… variables (endpoint, region, keys). wrong_bucket: what to do where
        there is none of that name.
        """
        self.url = _without_secrets(url)
        self._wrong_bucket = wrong_bucket
        self._keys = _KEYS.get(urlsplit(url).scheme, _S3_KEYS)
        self._folder: Folder | None = None
        try:
            self._store: obstore.store.ObjectStore
            if url.startswith("file:"):
                path = folder_of(url)
                path.mkdir(parents=True, exist_ok=True)
                self._folder = Folder(str(path))
                self._store = obstore.store.LocalStore(str(path))
            elif url.startswith("memory:"):
                self._store = obstore.store.MemoryStore()
            else:
                self._store = _remote(url, timeout_s, retry_s, options or {})
        except (OSError, ValueError, BaseError) as error:
            told = _beginning(error).replace(url, self.url)
            told += f"; set {_AZURE_KEYS}" if "Account must be specified" in told else ""
            raise ConfigurationError(f"object store {self.url} cannot be opened: {told}") from None

    def put(self, key: str, value: bytes) -> None:
        """Write an object whole; it outlives a power cut."""
        self.put_all({key: value})

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """Write objects, by key, one after another; together, since it is less work where they are small."""
        with self._errors(writing=True):
            if self._folder is not None:
                self._folder.put(objects)
                return
            for key, value in objects.items():
                obstore.put(self._store, key, value)

    def create(self, key: str, value: bytes) -> bool:
        """Write a small object if there is none of that name; whether it did. Of two at once one does.

        (Where the server knows conditional writes: a store that does not is asked first.)
        """
        if self._folder is not None:
            with self._errors(writing=True):
                return self._folder.create(key, value)
        try:
            self.get(key)
        except FileNotFoundError:
            pass
        else:
            return False
        with self._errors(writing=True):
            try:
                obstore.put(self._store, key, value, mode="create")
            except AlreadyExistsError:
                return False
            except BaseError as error:
                if "status code: 501" not in str(error):
                    raise
                obstore.put(self._store, key, value)
        return True

    def get(self, key: str) -> bytes:
        """Read an object. Raises FileNotFoundError."""
        with self._errors():
            return bytes(obstore.get(self._store, key).bytes())

    def open(self, key: str) -> io.BufferedReader:
        """An object to read from at any place, without reading it whole. Raises FileNotFoundError."""
        with self._errors():
            return io.BufferedReader(_Object(obstore.open_reader(self._store, key), self._errors))

    def list(self, prefix: str) -> Iterator[str]:
        """Keys under a prefix (a whole path segment)."""
        with self._errors():
            pages = iter(obstore.list(self._store, prefix))
        while True:
            with self._errors():
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                yield entry["path"]

    def entries(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        """Key, size and version of what is under a prefix (a whole path segment), in the order of keys."""
        with self._errors():
            pages = iter(obstore.list(self._store, prefix or None))
        while True:
            with self._errors():
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                yield entry["path"], entry["size"], entry["e_tag"] or entry["last_modified"].isoformat()

    def read(self, key: str, begin: int, end: int) -> bytes:
        """Bytes of an object, from `begin` to before `end`. Raises FileNotFoundError."""
        with self._errors():
            return bytes(obstore.get_range(self._store, key, start=begin, end=end))

    def size(self, prefix: str) -> int:
        """Bytes of all objects under a prefix (a whole path segment)."""
        with self._errors():
            return sum(entry["size"] for page in obstore.list(self._store, prefix) for entry in page)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        with self._errors():
            if self._folder is None and not isinstance(self._store, obstore.store.MemoryStore):
                obstore.delete(self._store, list(keys))
                return
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue

    def move(self, key: str, to: str) -> None:
        """Give an object another name, in place of what has it. Raises FileNotFoundError.

        In a folder at once; elsewhere it is copied and then removed, and a kill between leaves both.
        """
        with self._errors():
            obstore.rename(self._store, key, to)
            if self._folder is not None:
                self._folder.settle([to])

    def check(self) -> None:
        """One question, to know early whether the store answers and knows these keys."""
        next(self.list("parts"), None)

    @contextmanager
    def _errors(self, *, writing: bool = False) -> Iterator[None]:
        """The one place where obstore's errors become ours. A key that is none stays a ValueError.

        writing: what is not there is what the store itself should have: a large object that was half sent,
        and that it has forgotten, as after a restart. Sent again it may go through.
        """
        try:
            yield
        except (OSError, BaseError) as error:
            text = str(error)
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text and not writing:
                raise FileNotFoundError(_beginning(error)) from None
            if isinstance(error, OSError) and error.errno == errno.EROFS:  # nothing here waits for that
                raise ConfigurationError(f"object store {self.url} is read-only: {text}") from None
            if advice := self._wrong_bucket if "NoSuchBucket" in text else _advice(text, self._keys):
                raise ConfigurationError(f"object store {self.url}: {_reason(text)}; {advice}") from None
            raise DependencyDown(f"object store {self.url}", _reason(text)) from None
        except BaseException as error:
            # A panic in Rust is no Exception and would pass every handler up to the end of the process.
            if type(error).__name__ != "PanicException":
                raise
            raise DependencyDown(f"object store {self.url}", f"obstore panicked: {error}") from None


def folder_of(url: str) -> Path:
    """The folder that a file: URL names. Raises ConfigurationError for one that is not from the root."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise ConfigurationError(
            f"object store {url}: behind file:// stands the name of a machine; for a folder write its "
            f"whole path, as {Path(unquote(parts.netloc + parts.path)).absolute().as_uri()}"
        )
    return path


class _Object(io.RawIOBase):
    """An object as a file, with the store's errors."""

    def __init__(self, reader: Any, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._reader = reader
        self._errors = errors

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._errors():
            data = self._reader.read(len(buffer))
        buffer[: len(data)] = memoryview(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._errors():
            return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


def _remote(
    url: str, timeout_s: float, retry_s: float, options: Mapping[str, Any]
) -> obstore.store.ObjectStore:
    """A store on the network. Raises ValueError, obstore's errors."""
    for name in _ONE_WORD:
        value = os.environ.get(name)
        if value is not None and (not value.isascii() or not value.isprintable() or " " in value):
            raise ValueError(f"{name} holds a blank, a line's end or another character that cannot be sent")
    said = [options.get("endpoint"), *map(os.environ.get, _ENDPOINTS)]
    address = next((value for value in said if value), "https://")
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"AWS_ENDPOINT_URL={_without_secrets(address)}: write http://… or https://…")
    client: Any = {
        "timeout": timedelta(seconds=timeout_s),
        "connect_timeout": timedelta(seconds=min(timeout_s, 5.0)),
    }
    if address.startswith("http://"):
        client["allow_http"] = True
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        client["root_certificate"] = Path(bundle).read_bytes()
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2}
    retry: Any = {"retry_timeout": timedelta(seconds=retry_s), "backoff": backoff}
    store: obstore.store.ObjectStore = obstore.store.from_url(
        url, client_options=client, retry_config=retry, **options
    )
    return store


def _advice(text: str, keys: str) -> str:
    """What the user should do about an error that no waiting mends; empty for one that may pass.

    keys: the variables that hold them.
    """
    status = _STATUS.search(text)
    number = status[1][:3] if status else ""
    if any(place in text for place in _METADATA):
        return f"set {keys}: no keys are set, and this machine has none"
    if "RequestTimeTooSkewed" in text:
        return "set this machine's clock"
    if number in {"401", "403"} or "ExpiredToken" in text:
        return f"look at {keys}, and at what this key may do with the bucket"
    if number in {"301", "307"} or "AuthorizationHeaderMalformed" in text:
        return "set AWS_REGION to the bucket's"
    return ""


def _reason(text: str) -> str:
    """One line of an error that quotes requests and answers whole."""
    head, _, debug = text.partition("\n\nDebug source")
    found = [match[1] for pattern in (_STATUS, _CODE, _MESSAGE) if (match := pattern.search(head))]
    if found:
        return ": ".join(found)
    deepest = [message or kind for message, kind in _DEEPEST.findall(debug)]
    return f"{deepest[-1]} ({deepest[0]})" if len(set(deepest)) > 1 else (deepest or [_beginning(head)])[0]


def _beginning(error: object) -> str:
    return str(error).partition("\n")[0][:300]


def _without_secrets(url: str) -> str:
    """A URL without the password that may be in it, and without its query."""
    parts = urlsplit(url)
    if "@" not in parts.netloc and not parts.query:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
