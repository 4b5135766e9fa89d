"""The object store: a local folder or S3, through obstore."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError

from services.runtime.errors import ConfigurationError, DependencyDown


class ObjectStore:
    """Keys are relative paths with forward slashes. A put is atomic: readers see all of it or none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder: Path | None
        try:
            self._store: obstore.store.ObjectStore
            if url.startswith("file:"):
                self._folder = Path(unquote(urlsplit(url).path))
                self._folder.mkdir(parents=True, exist_ok=True)
                self._store = obstore.store.LocalStore(str(self._folder))
            else:
                self._folder = None
                self._store = obstore.store.from_url(url)
        except (OSError, ValueError, BaseError) as error:
            raise ConfigurationError(f"object store {url} cannot be opened: {error}") from error

    def put(self, key: str, value: bytes) -> None:
        """Write an object whole; it outlives a power cut. Raises DependencyDown (a full disk, no network)."""
        try:
            obstore.put(self._store, key, value)
            if self._folder is not None:
                _sync(self._folder / key)
                _sync((self._folder / key).parent)
        except (OSError, BaseError) as error:
            raise DependencyDown(f"object store {self.url}", error) from error

    def get(self, key: str) -> bytes:
        """Read an object. Raises FileNotFoundError, DependencyDown."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            raise
        except (OSError, BaseError) as error:
            raise DependencyDown(f"object store {self.url}", error) from error

    def list(self, prefix: str) -> Iterator[str]:
        """Keys under a prefix (a whole path segment)."""
        try:
            for page in obstore.list(self._store, prefix):
                for entry in page:
                    yield entry["path"]
        except (OSError, BaseError) as error:
            raise DependencyDown(f"object store {self.url}", error) from error

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                continue
            except (OSError, BaseError) as error:
                raise DependencyDown(f"object store {self.url}", error) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
