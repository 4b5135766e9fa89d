"""The members of an archive, one after the other, each in a scratch file while it is read.

A member's name makes no path: it is part of a URI, and a member that is a link, leads out of the archive, or
is no file is refused. What unpacks to more than it may ends the archive there. The order is the archive's, so
that a number of members that are done says where to go on.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

from services.ingest.found import Found
from services.ingest.streams import Damaged, opened
from services.ingest.upload.config import UploadConfig

_CHUNK = 1 << 20
_FREE_BYTES = 1 << 20  # a few zeros in a small archive are no bomb
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_AT, _TAR = 257, b"ustar"  # POSIX.1-1988
_BROKEN = (*Damaged, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, ValueError)


class _Bomb(Exception):
    """It unpacks to more than it may. The text says how much that is."""


class _Member(NamedTuple):
    """refused: why it is not read. open: its bytes."""

    name: str
    refused: str
    open: Callable[[], IO[bytes]]


def is_archive(path: str, name: str, max_window_bytes: int) -> bool:
    """Whether it is a zip (that is not called otherwise, as .docx is) or a tar, packed or not."""
    if _is_zip(path, name):
        return True
    try:
        with opened(Found(path), max_window_bytes) as stream:
            return stream.read(_TAR_AT + len(_TAR))[_TAR_AT:] == _TAR
    except (OSError, *Damaged):
        return False


@dataclass
class Archive:
    """What is in one archive. origin: URI of the archive. skip: members that are done with."""

    path: str
    name: str
    origin: str
    scratch: Path
    limits: UploadConfig
    max_window_bytes: int
    skip: int = 0
    _unpacked: int = 0
    _names: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Found]:
        """Files to be read, and what is refused. The former is gone when the next is asked for."""
        number = 0
        try:
            for number, member in enumerate(self._visible(), 1):
                if number > self.limits.max_members:
                    raise _Bomb(f"more than {self.limits.max_members:,} members")
                address = self._address(member.name)
                if number <= self.skip:
                    self._unpacked += 0 if member.refused else _size(member, self._allowed)
                elif member.refused:
                    yield Found("", origin=address, refused=member.refused)
                else:
                    yield from self._unpack(member, number, address)
        except _Bomb as bomb:
            why = f"the archive holds {bomb}; what came before was read. Split it, or have the limit raised"
            yield Found("", origin=self.origin, refused=why)
        except _BROKEN as error:
            why = (
                f"the archive is damaged, encrypted or cut off after member {number:,}: {error}; pack it anew"
            )
            yield Found("", origin=self.origin, refused=why[:2000])

    def _visible(self) -> Iterator[_Member]:
        members = (
            _zipped(self.path) if _is_zip(self.path, self.name) else _tarred(self.path, self.max_window_bytes)
        )
        for member in members:
            parts = member.name.replace("\\", "/").split("/")
            hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
            if not hidden and parts[0] != "__MACOSX":
                yield member

    def _unpack(self, member: _Member, number: int, address: str) -> Iterator[Found]:
        folder = self.scratch / str(number)
        folder.mkdir()
        path = folder / safe_name(member.name)
        try:
            with member.open() as source, path.open("wb") as target:
                while data := source.read(_CHUNK):
                    self._unpacked += len(data)
                    self._check()
                    target.write(data)
            os.utime(path, ns=(0, 0))  # the same at every try, so that reading goes on at the same record
            yield Found(str(path), origin=address)
        finally:
            path.unlink(missing_ok=True)
            folder.rmdir()

    @property
    def _allowed(self) -> int:
        packed = os.path.getsize(self.path)
        return min(self.limits.max_unpacked_bytes, self.limits.max_ratio * packed + _FREE_BYTES)

    def _check(self) -> None:
        if self._unpacked > self._allowed:
            raise _Bomb(f"more than {self._allowed:,} bytes unpacked")

    def _address(self, name: str) -> str:
        address = f"{self.origin}/{quote(name, errors='replace')}"
        seen = self._names[address] = self._names.get(address, 0) + 1
        return address if seen == 1 else f"{address};{seen}"


def _zipped(path: str) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            refused = _leads_out(info.orig_filename)
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                refused = "a link or a device, which is never followed; pack the file itself"
            elif info.flag_bits & 1:
                refused = "encrypted; pack it without a password"
            if refused or not info.is_dir():
                yield _Member(info.filename, refused, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tarred(path: str, max_window_bytes: int) -> Iterator[_Member]:
    with (
        opened(Found(path), max_window_bytes) as stream,
        closing(tarfile.open(fileobj=stream, mode="r|")) as archive,
    ):
        for info in archive:
            refused = _leads_out(info.name)
            if not info.isfile() and not info.isdir():
                refused = "a link or a device, which is never followed; pack the file itself"
            if refused or info.isfile():
                yield _Member(info.name, refused, lambda info=info: archive.extractfile(info) or io.BytesIO())  # type: ignore[misc]


def _leads_out(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        return "its name leads out of the archive; pack it under a relative name"
    return ""


def _is_zip(path: str, name: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) in _ZIP and os.path.splitext(name.lower())[1] in ("", ".zip")


def safe_name(name: str) -> str:
    """A file's name for a scratch file, by which its kind is told: of a long one the end, with the suffix."""
    base = name.replace("\\", "/").rpartition("/")[2].encode("utf-8", "replace").replace(b"\0", b"")[-200:]
    return base.decode("utf-8", "replace") if base.strip(b".") else "file"


def _size(member: _Member, most: int) -> int:
    """Bytes unpacked of a member that is done with; it was within bounds before."""
    with member.open() as source:
        size = 0
        while size <= most and (data := source.read(_CHUNK)):
            size += len(data)
    return size
