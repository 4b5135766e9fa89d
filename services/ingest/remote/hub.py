"""The files of a dataset on a hub that speaks Hugging Face's HTTP API.

HF_ENDPOINT names another than https://huggingface.co (a mirror), HF_TOKEN is sent to it and to nobody else.
The revision is resolved once, so that what is read is one state of the dataset; a file is the same as before
while its digest is, whichever revision names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from services.ingest.pattern import compiled, folder_of, is_pattern
from services.ingest.remote.ranged import Remote
from services.ingest.remote.web import Refused, Web, fetched
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.ingest.config import IngestConfig

ENDPOINT = "https://huggingface.co"
_URL = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<path>.*))?$")
_PAGE = 1000  # files in an answer, the most that the API gives
# Beside the data, at the root of a dataset: its card and the scripts that load it.
_ABOUT = re.compile(r"(?:readme|license|\.git)[^/]*|[^/]*\.(?:py|md|yaml)", re.IGNORECASE)


class Dataset:
    """hf://datasets/owner/name[@revision][/path]; the path a file, a folder or a pattern."""

    def __init__(self, url: str, config: IngestConfig) -> None:
        """Raises ConfigurationError."""
        match = _URL.match(url)
        if match is None:
            raise ConfigurationError(f"{url}: write hf://datasets/owner/name, and /path or @revision/path")
        self._repo, self._path = match["repo"], (match["path"] or "").strip("/")
        self._revision = unquote(match["revision"] or "main")
        at = f"@{match['revision']}" if match["revision"] else ""
        self._base = f"hf://datasets/{self._repo}{at}"
        self._endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or ENDPOINT
        self._patience_s = config.patience_s

    @cached_property
    def _web(self) -> Web:
        token = os.environ.get("HF_TOKEN", "").strip()
        if not token.isprintable() or not token.isascii():
            raise ConfigurationError("HF_TOKEN holds a line's end or another character that cannot be sent")
        return Web(self._patience_s, {"Authorization": f"Bearer {token}"} if token else None)

    def files(self) -> Iterator[Remote]:
        """See Place."""
        commit = self._commit()
        some = False
        for entry in self._entries(commit):
            name = str(entry["path"])
            if entry["type"] != "file" or not self._is_meant(name):
                continue
            some = True
            file = self._file(name, entry, commit)
            yield file.as_named() if name == self._path else file
        if not some:
            raise ConfigurationError(
                f"{self._base}: no files under {self._path!r} at revision {self._revision}; look at "
                f"{self._endpoint}/datasets/{self._repo}/tree/{self._revision}"
            )

    def _is_meant(self, name: str) -> bool:
        if is_pattern(self._path):
            return compiled(self._path).fullmatch(name) is not None
        if not self._path:
            return not _ABOUT.fullmatch(name)
        return name == self._path or name.startswith(self._path + "/")

    def _file(self, name: str, entry: dict[str, Any], commit: str) -> Remote:
        version = str((entry.get("lfs") or {}).get("oid") or entry.get("oid") or commit)
        url = f"{self._endpoint}/datasets/{self._repo}/resolve/{commit}/{quote(name)}"

        def fetch(begin: int, end: int) -> bytes:
            return fetched(self._web, url, begin, end, "")  # the commit is what it is

        return Remote(
            name, origin=f"{self._base}/{quote(name)}", size=int(entry["size"]), version=version, fetch=fetch
        )

    def _commit(self) -> str:
        revision = quote(self._revision, safe="")
        try:
            said = self._web.get(f"{self._endpoint}/api/datasets/{self._repo}/revision/{revision}").json()
            return str(said["sha"])
        except Refused as error:
            raise self._wrong(error) from error
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(
                f"{self._endpoint} does not answer as a hub does; look at HF_ENDPOINT"
            ) from error

    def _entries(self, commit: str) -> Iterator[dict[str, Any]]:
        """A file is not under itself: its folder is listed."""
        folder = folder_of(self._path) if is_pattern(self._path) else self._path
        some = False
        for entry in self._tree(commit, folder):
            some = True
            yield entry
        if not some and folder and not is_pattern(self._path):
            yield from self._tree(commit, folder.rpartition("/")[0])

    def _tree(self, commit: str, folder: str) -> Iterator[dict[str, Any]]:
        """Entries in the hub's order, which is that of their names; none of what is no folder."""
        url = f"{self._endpoint}/api/datasets/{self._repo}/tree/{commit}"
        url += f"/{quote(folder)}" if folder else ""
        cursor: str | None = ""
        while cursor is not None:
            more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            try:
                response = self._web.get(f"{url}?recursive=true&limit={_PAGE}{more}")
                yield from response.json()
            except Refused as error:
                if error.status == 404:
                    return
                raise self._wrong(error) from error
            # Only the cursor: a mirror may name the hub that it mirrors.
            following = response.links.get("next", {}).get("url", "")
            cursor = parse_qs(urlsplit(following).query).get("cursor", [None])[0]

    def _wrong(self, error: Refused) -> ConfigurationError:
        """A hub says of what one may not see that it is not there, or that one should log in."""
        what = f"dataset {self._repo} at revision {self._revision}"
        if error.status in (401, 403, 404):
            return ConfigurationError(
                f"{self._endpoint} has no {what} one may read (HTTP {error.status}): look at its name; "
                "if it is private or gated, accept its terms and set HF_TOKEN to a token that may read it"
            )
        return ConfigurationError(f"{what}: {error}")
