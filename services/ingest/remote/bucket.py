"""The files of a bucket of S3, through obstore.

Keys, region and address come from the AWS_… variables, as for the store of the river, or from the settings of
ingest where the documents lie with somebody else.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from services.ingest.pattern import compiled, folder_of, is_pattern
from services.ingest.remote.place import Unreachable
from services.ingest.remote.ranged import Remote
from services.runtime import ConfigurationError, DependencyDown, ObjectStore

if TYPE_CHECKING:
    from services.ingest.config import IngestConfig

_WRONG_BUCKET = "look at the bucket's name in the URL"


class Bucket:
    """s3://bucket[/key]; the key that of an object, of a folder or a pattern."""

    def __init__(self, url: str, config: IngestConfig) -> None:
        """Raises ConfigurationError."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        self._base, self._key = f"s3://{bucket}", unquote(key).strip("/")
        self._store = ObjectStore(
            self._base,
            timeout_s=config.patience_s,
            retry_s=config.patience_s / 2,
            options=_options(config),
            wrong_bucket=_WRONG_BUCKET,
        )

    def files(self) -> Iterator[Remote]:
        """See Place."""
        some = False
        try:
            for key, size, version in self._entries():
                name = key.rpartition("/")[2]
                if not self._is_meant(key) or not name or name.startswith("."):
                    continue
                some = True
                file = self._file(key, size, version)
                yield file.as_named() if key == self._key else file
        except DependencyDown as error:
            raise Unreachable(f"{error}; the same command goes on from there") from error
        if not some:
            raise ConfigurationError(
                f"{self._base}: no objects under {self._key!r}; look at the key's prefix"
            )

    def _entries(self) -> Iterator[tuple[str, int, str]]:
        """A key that is an object is not under itself: its folder is listed."""
        folder = folder_of(self._key) if is_pattern(self._key) else self._key
        some = False
        for entry in self._store.entries(folder):
            some = True
            yield entry
        if not some and folder and not is_pattern(self._key):
            yield from self._store.entries(folder.rpartition("/")[0])

    def _is_meant(self, key: str) -> bool:
        if is_pattern(self._key):
            return compiled(self._key).fullmatch(key) is not None
        return not self._key or key == self._key or key.startswith(self._key + "/")

    def _file(self, key: str, size: int, version: str) -> Remote:
        def fetch(begin: int, end: int) -> bytes:
            try:
                return self._store.read(key, begin, end)
            except FileNotFoundError as error:
                raise OSError(errno.ENOENT, "it is gone since the bucket was listed") from error
            except ConfigurationError as error:
                raise OSError(errno.EACCES, str(error)) from error
            except DependencyDown as error:
                raise Unreachable(f"{error}; the same command goes on from there") from error

        return Remote(key, origin=f"{self._base}/{quote(key)}", size=size, version=version, fetch=fetch)


def _options(config: IngestConfig) -> dict[str, Any]:
    said = {
        "endpoint": config.s3_endpoint,
        "region": config.s3_region,
        "access_key_id": config.s3_access_key_id,
        "secret_access_key": config.s3_secret_access_key,
    }
    found: dict[str, Any] = {name: value for name, value in said.items() if value}
    if config.s3_anonymous:
        found["skip_signature"] = True
    return found
