"""The manifest of a lane: its announcements as a file beside the parts, for readers without Kafka.

It follows shards.sealed and is never ahead of it: a part that is not in the log is not in the manifest. So a
manifest that knows more than the log tells of a log that was lost, or of another river's store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from contracts import PartSealed
from services.runtime import ConfigurationError, ObjectStore
from services.sink.owner import Owner
from services.sink.part import NO_STREAM, stream_of

logger = structlog.get_logger(__name__)

PARTS = "parts"
_NAME = "manifest.jsonl"
_FIELDS = [field.name for field in PartSealed.DESCRIPTOR.fields]
_PART_FILE = re.compile(r"/(part-\d+-([0-9a-f]{8})-(\d+)-\d+)\.(?:bin|idx|jsonl)$")
WAYS_OUT = (
    "Ways out: another folder (--out) or CORPUSWORKS_STORE_URL for this river; `corpusworks run --fresh`, "
    "which removes those parts for good"
)


def part_key(name: str, suffix: str) -> str:
    """The key of one file of a part in the object store."""
    return f"{PARTS}/{name}.{suffix}"


class Manifest:
    """One lane's list of parts, written whole: an object store cannot append.

    At 10,000 parts it has 6 MB, so that each further part of 8 MB writes 6 MB more. It is there from the
    lane's first start on, empty at first: where it is missing, something has been removed.

    owner: whose parts these are. stream: of the names of parts that this river writes.
    """

    def __init__(
        self, store: ObjectStore, lane: int, owner: Owner | None = None, stream: str = NO_STREAM
    ) -> None:
        self._store = store
        self._lane = lane
        self._owner = owner or Owner(store, "")
        self._stream = stream
        self._folder = f"{PARTS}/lane-{lane:03d}"
        self._lines: dict[str, bytes] = {}
        self._orphans: dict[str, int] = {}  # key -> first offset

    def restore(self, announced: Iterable[PartSealed]) -> None:
        """Make the store agree with the log: claim it, mend the manifest.

        Raises ConfigurationError before anything is changed: the store is another river's, or the log and
        the store do not know the same parts.
        """
        parts = in_order(announced)
        known = {part.name for part in parts}
        kept, whole = self._stored()
        files = [(key, found) for key in self._store.list(self._folder) if (found := _PART_FILE.search(key))]
        nameless = [(key, found) for key, found in files if f"lane-{self._lane:03d}/{found[1]}" not in known]
        self._owner.check(f"lane {self._lane}: its manifest names {len(kept)} parts, the log {len(known)}. ")
        self._refuse_loss(known, {part.name for part in kept}, num_found=len(files) - len(nameless))
        self._owner.claim()
        end = max((part.last_offset for part in parts if stream_of(part.name) == self._stream), default=-1)
        orphans = [(key, int(found[3])) for key, found in nameless if found[2] == self._stream]
        self._orphans = {key: offset for key, offset in orphans if offset > end}
        self._lines = {part.name: _to_line(part) for part in parts}
        if self._orphans and not whole:
            logger.warning("the manifest is damaged, and files beside it belong to no part that is announced")
        elif not whole or kept != parts:
            self._write()

    def remove_orphans(self, offset: int) -> None:
        """Remove what an earlier try of this lane wrote and did not announce.

        offset: the first that this try has read. What was announced lies before it, even where the log and
        the manifest have both lost it: then this raises ConfigurationError.
        """
        lost = sorted(key for key, first in self._orphans.items() if first < offset)
        if lost:
            raise ConfigurationError(
                f"lane {self._lane}: {len(lost)} files in {self._store.url} are of parts that neither "
                f"shards.sealed nor {_NAME} names (first: {lost[0]}), and what they hold has been committed: "
                f"both were lost or cut. Nothing was removed. {WAYS_OUT}; or put back a copy of "
                f"{self._folder}/{_NAME}, and then `corpusworks parts adopt`"
            )
        if self._orphans:
            logger.warning("removing files of parts that were never announced", keys=sorted(self._orphans))
            self._store.delete(self._orphans)
            self._orphans = {}
            self._write()

    def put(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a part's files, by suffix; once more changes nothing. Never overwrites other bytes."""
        wanted = {part_key(name, suffix): data for suffix, data in files.items()}
        missing = dict(wanted)
        for key, data in wanted.items():
            try:
                found = self._store.get(key)
            except FileNotFoundError:
                continue
            del missing[key]
            if found != data:
                raise ConfigurationError(
                    f"{key} is in {self._store.url} already, and is another part: nothing was overwritten. "
                    "Two sinks with different settings write this lane, or another river writes this store"
                )
        self._store.put_all(missing)

    def add(self, sealed: PartSealed) -> None:
        """Follow one announcement; may be repeated."""
        self._lines[sealed.name] = _to_line(sealed)
        self._write()

    def _refuse_loss(self, known: Collection[str], kept: Collection[str], num_found: int) -> None:
        if lost := sorted(set(kept) - set(known)):
            raise ConfigurationError(
                f"lane {self._lane}: the manifest in {self._store.url} names {len(kept)} parts and "
                f"shards.sealed announces {len(known)}; {len(lost)} are not announced (first: {lost[0]}): "
                f"the log was lost or cut. Nothing was changed. {WAYS_OUT}; or `corpusworks parts adopt`, "
                "which announces them anew"
            )
        if known and not num_found:
            raise ConfigurationError(
                f"lane {self._lane}: shards.sealed announces {len(known)} parts and {self._store.url} has "
                "none of them: it is another store, or has been emptied. Set CORPUSWORKS_STORE_URL to the "
                "one that has them, or start another river"
            )

    def _stored(self) -> tuple[list[PartSealed], bool]:
        """What the manifest names as far as it can be read, and whether it is there and whole."""
        try:
            lines = self._store.get(f"{self._folder}/{_NAME}").splitlines()
        except FileNotFoundError:
            return [], False
        parts = []
        for line in lines:
            try:
                parts.append(_from_line(line))
            except (TypeError, ValueError):
                continue
        return parts, len(parts) == len(lines)

    def _write(self) -> None:
        self._store.put(f"{self._folder}/{_NAME}", b"".join(self._lines.values()))


def in_order(announced: Iterable[PartSealed]) -> list[PartSealed]:
    """One lane's parts by stream and offset, each once; one that was announced anew comes late in the log."""
    parts = {part.name: part for part in announced}
    streams = {stream: number for number, stream in enumerate(dict.fromkeys(map(stream_of, parts)))}
    return sorted(parts.values(), key=lambda part: (streams[stream_of(part.name)], part.first_offset))


def lanes(store: ObjectStore) -> Sequence[int]:
    """The lanes that have written a manifest."""
    found = (re.fullmatch(rf"{PARTS}/lane-(\d+)/{_NAME}", key) for key in store.list(PARTS))
    return sorted(int(match[1]) for match in found if match)


def read_manifests(store: ObjectStore) -> Iterator[PartSealed]:
    """The parts of all lanes, each lane in its order. Raises ValueError for a line that is none."""
    for key in sorted(key for key in store.list(PARTS) if key.endswith(f"/{_NAME}")):
        for number, line in enumerate(store.get(key).splitlines(), 1):
            try:
                yield _from_line(line)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{key}, line {number}: {error}") from error


def _from_line(line: bytes) -> PartSealed:
    part = PartSealed(**json.loads(line))
    stream_of(part.name)
    return part


def as_plain(sealed: PartSealed) -> dict[str, Any]:
    """An announcement as JSON has it: every field by name."""
    plain = {name: getattr(sealed, name) for name in _FIELDS}
    for name in ("bucket_tokens", "sha256"):
        plain[name] = dict(sorted(plain[name].items()))
    return plain


def _to_line(sealed: PartSealed) -> bytes:
    return json.dumps(as_plain(sealed), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
