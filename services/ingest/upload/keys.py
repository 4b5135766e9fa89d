"""API keys: a YAML file that holds their digests, so that who reads it cannot use them.

    - {name: newsroom, sha256: 9f86d081…, bytes_a_day: 100000000000, documents_a_day: 1000000}

`printf %s "$KEY" | sha256sum` gives the digest. A key is 20 characters at least, drawn at random, so that a
plain digest is enough. Quotas are optional. The file is read again when it changes, so keys are changed
without a restart.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from services.runtime import ConfigurationError

KEYS = "keys.yaml"

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"name", "sha256", "bytes_a_day", "documents_a_day"}


@dataclass(frozen=True)
class Key:
    """Who sends. Quotas are of a day (UTC); 0: none."""

    name: str
    bytes_a_day: int = 0
    documents_a_day: int = 0


class Keys:
    """The keys of a file. Raises ConfigurationError at once: it cannot be read or holds none."""

    def __init__(self, path: str) -> None:
        if not path:
            raise ConfigurationError(
                "nobody could come in: name a file of keys with CORPUSWORKS_UNITS__UPLOAD__KEYS; "
                "`corpusworks up --upload PORT` makes one"
            )
        self._path = Path(path)
        self._seen = self._stamp()
        self._keys = _read(self._path)

    def of(self, key: str) -> Key | None:
        """Whose key it is. A file that has become wrong changes nothing: the keys before it go on."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            with contextlib.suppress(ConfigurationError):  # half written; it will change again
                self._keys = _read(self._path)
        return self._keys.get(digest(key))

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise ConfigurationError(f"the keys {self._path} cannot be read: {error}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino


def digest(key: str) -> str:
    """As it stands in the file."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def own_key(folder: Path) -> str:
    """The key of a folder's user, made if there is none; it and its digest are for the user alone to read."""
    key, keys = folder / "key", folder / KEYS
    if not (key.exists() and keys.exists()):
        made = "cw_" + secrets.token_urlsafe(32)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, text in ((key, made), (keys, yaml.safe_dump([{"name": "own", "sha256": digest(made)}]))):
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(text)
    return key.read_text()


def _read(path: Path) -> Mapping[str, Key]:
    try:
        rows = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the keys {path} cannot be read: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"the keys {path} hold none: write a list of {{name, sha256}}")
    return dict(_key(path, row) for row in rows)


def _key(path: Path, row: object) -> tuple[str, Key]:
    wrong = ""
    if not isinstance(row, dict) or not {"name", "sha256"} <= row.keys() <= _FIELDS:
        raise ConfigurationError(
            f"the keys {path}: an entry has name, sha256 and maybe quotas, not {row!r:.200}"
        )
    quotas = {field: row.get(field, 0) for field in ("bytes_a_day", "documents_a_day")}
    if not _NAME.fullmatch(str(row["name"])):
        wrong = "a name is of a-z, 0-9, dot, dash, underscore"
    elif not _DIGEST.fullmatch(str(row["sha256"])):
        wrong = 'sha256 is 64 hex digits: `printf %s "$KEY" | sha256sum`'
    elif any(type(value) is not int or value < 0 for value in quotas.values()):
        wrong = "a quota is a whole number"
    if wrong:
        raise ConfigurationError(f"the keys {path}, {row['name']!r:.80}: {wrong}")
    return str(row["sha256"]), Key(str(row["name"]), **quotas)
