"""The framing of a WARC file (ISO 28500), so that a damaged record costs itself alone."""

from __future__ import annotations

import contextlib
import io
import re
from typing import NamedTuple

from services.ingest.streams import HEAD_BYTES, Damaged, go_on_after_damage

HEAD_LIMIT = 64 << 10
_VERSION = re.compile(rb"WARC/[01]\.\d+\s*$")
_NEXT_HEAD = re.compile(rb"(?:\r?\n){1,2}(?=WARC/[01]\.\d+\r?\n[\w-]+:)")


class Block(NamedTuple):
    """heads: by name in lower case; of two with one name, the first. block: None when over the limit."""

    heads: dict[str, str]
    block: bytes | None
    size: int


class Broken(Exception):
    """A record that cannot be made out. head: its first bytes."""

    def __init__(self, why: str, head: bytes = b"") -> None:
        super().__init__(why)
        self.head = head[:HEAD_BYTES]


class Blocks:
    """The records of a stream, one block of at most `limit` bytes in memory. left: what stands before it."""

    def __init__(self, stream: io.BufferedReader, limit: int, left: bytes = b"") -> None:
        self._stream = stream
        self._limit = limit
        self._left = io.BytesIO(left)  # read already, and to be read again, as the rest of what was no record

    def go_on(self) -> bool:
        """After a damage: begin anew where the stream can go on. False where it cannot."""
        self._left = io.BytesIO()
        return go_on_after_damage(self._stream)

    def next(self) -> Block | None:
        """None at the end. Raises Broken; the next call goes on at the next record that can be made out."""
        line = self._line()
        while line and line.isspace():
            line = self._line()
        if not line:
            return None
        if not _VERSION.match(line):
            self._seek_head()
            raise Broken("it does not begin as a record does; fetch the file again", line)
        heads, raw = self._heads(line)
        try:
            size = int(heads["content-length"])
            if size < 0:
                raise ValueError("negative")
        except (KeyError, ValueError) as error:
            self._seek_head()
            raise Broken("no usable Content-Length; fetch the file again", raw) from error
        if size > self._limit:
            self._pass_over(size)
            return Block(heads, None, size)
        block = self._read(size)
        self._check_end(block, size, raw)
        return Block(heads, block, size)

    def _heads(self, version: bytes) -> tuple[dict[str, str], bytes]:
        heads: dict[str, str] = {}
        raw, name = version, ""
        while (line := self._line()) and not line.isspace():
            raw += line
            if len(raw) > HEAD_LIMIT:
                self._seek_head()
                raise Broken(f"its head is longer than {HEAD_LIMIT:,} bytes; fetch the file again", raw)
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text[0] in " \t" and name:  # a head may go on in the next line
                heads[name] += " " + text.strip()
                continue
            name, colon, value = text.partition(":")
            name = name.strip().lower()
            if colon:
                heads.setdefault(name, value.strip())
        return heads, raw

    def _check_end(self, block: bytes, size: int, raw: bytes) -> None:
        """What follows a block is an empty line and the next head, or the end. Raises Broken."""
        after = self._after()
        rest = after.lstrip(b"\r\n")
        ended = not rest or rest.startswith(b"W") or after.startswith((b"\r\n\r\n", b"\n\n"))
        if len(block) == size and ended:
            self._put_back(rest)
            return
        whole = block + after
        head = _NEXT_HEAD.search(whole)
        if head:
            self._put_back(whole[head.end() :])
        elif len(block) == size:
            self._put_back(rest)
            self._seek_head()
        why = "it is cut off" if len(block) < size else "its Content-Length is wrong"
        raise Broken(f"{why}; fetch the file again", raw)

    def _after(self) -> bytes:
        """The empty lines behind a block and the first byte of what follows."""
        after = b""
        with contextlib.suppress(*Damaged):  # that of the next record: reading on raises it again
            while (after.isspace() and len(after) < 16) or not after:
                more = self._read(1)
                if not more:
                    break
                after += more
        return after

    def _seek_head(self) -> None:
        """Go on to the next line that begins a record."""
        while line := self._line():
            if _VERSION.match(line):
                self._put_back(line)
                return

    def _pass_over(self, size: int) -> None:
        while size > 0 and (some := self._read(min(size, 1 << 20))):
            size -= len(some)

    def _line(self) -> bytes:
        line = self._left.readline(HEAD_LIMIT)
        return line if line.endswith(b"\n") else line + self._stream.readline(HEAD_LIMIT)

    def _read(self, size: int) -> bytes:
        some = self._left.read(size)
        return some + self._stream.read(size - len(some)) if len(some) < size else some

    def _put_back(self, data: bytes) -> None:
        """data: the last bytes that were read."""
        if self._left.tell() < self._left.getbuffer().nbytes:  # then it all came from there
            self._left.seek(-len(data), io.SEEK_CUR)
        else:
            self._left = io.BytesIO(data)
