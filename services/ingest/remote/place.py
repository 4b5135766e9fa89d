"""Which files a URL of `import` names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from services.ingest.remote.ranged import Remote
from services.runtime import ConfigurationError, CorpusworksError

if TYPE_CHECKING:
    from services.ingest.config import IngestConfig

SCHEMES = ("s3", "hf", "https", "http")


class Unreachable(CorpusworksError):
    """Who keeps the files does not answer, and has been waited for: the same command goes on later."""


class Place(Protocol):
    """What a URL names."""

    def files(self) -> Iterator[Remote]:
        """Its files, in an order that does not change between runs, a page of them in memory.

        Raises ConfigurationError where there are none, or they may not be read; Unreachable.
        """


def is_remote(path: str) -> bool:
    """Whether it is a URL and no path of this machine."""
    return "://" in path


def place_of(url: str, config: IngestConfig) -> Place:
    """No I/O yet. Raises ConfigurationError for a URL that is none of ours."""
    scheme, _, rest = url.partition("://")
    if not rest or scheme not in SCHEMES:
        raise ConfigurationError(
            f"{url}: write s3://bucket/prefix, hf://datasets/owner/name, https://host/file or a path here"
        )
    if scheme == "s3":
        from services.ingest.remote.bucket import Bucket

        return Bucket(url, config)
    if scheme == "hf":
        from services.ingest.remote.hub import Dataset

        return Dataset(url, config)
    from services.ingest.remote.web import WebFile

    return WebFile(url, config)
