"""Reading WARC and WET: MB/s of the stored file a core, against fastwarc's own loop over the same file.

Ours makes documents (id, uid, metadata, body) of what the rival only reads: it undoes the same payloads of
the same records, and lets each go. The rival is given the path, which it reads and unpacks itself, as it does
fastest; ours hands fastwarc what isal has unpacked. A record costs ours some microseconds whatever its size,
so that the ratio is worse where records are small. The files are written by fastwarc of generated pages: a
member of gzip a record, packed at zlib's usual level, as Common Crawl has them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from fastwarc.stream_io import GzipWriter
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from services.ingest import FileReader, IngestConfig
from services.runtime import Read, Recorded
from services.runtime.process.collector import settle_collector
from tests.benchmarks.figures import Figure, cpu_seconds

FILE_BYTES = 100_000_000  # as stored
TARGET = 0.8
_ROUNDS = 3


def run() -> Iterator[Figure]:
    """Speed of both and the ratio, for each kind of file."""
    settle_collector()  # as the process that reads does
    with tempfile.TemporaryDirectory() as folder:
        for kind, (make, num_words) in KINDS.items():
            path = Path(folder, f"{kind.lower()}.gz")
            written = _write(path, make, num_words)
            assert _documents(path) == _records(path) == written
            ours = cpu_seconds(partial(_documents, path), repeat=_ROUNDS)
            rival = cpu_seconds(partial(_records, path), repeat=_ROUNDS)
            size = path.stat().st_size / 1e6
            yield Figure(f"{kind} of {size:.0f} MB to documents", size / ours, "MB/s a core")
            yield Figure(f"{kind}, fastwarc's own reading", size / rival, "MB/s a core")
            ratio = rival / ours
            yield Figure(f"{kind} against fastwarc", ratio, "times", f"≥ {TARGET}", ratio >= TARGET)
            path.unlink()


def _documents(path: Path) -> int:
    read = FileReader(IngestConfig(paths=(str(path),)))
    return sum(len(step.documents) for step in read(Recorded()) if isinstance(step, Read))


def _records(path: Path) -> int:
    count = 0
    kinds = WarcRecordType.response | WarcRecordType.conversion
    for record in ArchiveIterator(str(path), record_types=kinds, parse_http=True, auto_decode="all"):
        count += len(record.reader.read()) > 0
    return count


def _write(path: Path, make: Callable[[str], WarcRecord], num_words: tuple[int, int]) -> int:
    """Records until the file is as large as it should be; how many."""
    chance = random.Random(11)
    words = [
        "".join(chance.choices("etaoinshrdlucmfwypvbgkjqxz", k=chance.randint(2, 11))) for _ in range(30_000)
    ]
    count = 0
    with path.open("wb") as file:
        while file.tell() < FILE_BYTES:
            number = chance.randint(*num_words)
            make(" ".join(chance.choices(words, k=number))).write(GzipWriter(file, compression_level=6))
            count += 1
    return count


def _response(text: str) -> WarcRecord:
    page = f"<!doctype html><html><body><p>{text.replace('a ', 'a</p><p>')}</p></body></html>".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nServer: made\r\n\r\n"
    record = _record(WarcRecordType.response, head + page)
    record.headers["Content-Type"] = "application/http; msgtype=response"
    return record


def _conversion(text: str) -> WarcRecord:
    record = _record(WarcRecordType.conversion, text.encode())
    record.headers["Content-Type"] = "text/plain"
    return record


def _record(kind: WarcRecordType, block: bytes) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(kind)
    record.headers["WARC-Target-URI"] = "https://made.example/page"
    record.set_bytes_content(block)
    return record


# Words of a page; some 20 kB packed with its markup, and a text of 12 kB in 8.
KINDS: dict[str, tuple[Callable[[str], WarcRecord], tuple[int, int]]] = {
    "WARC": (_response, (500, 9000)),
    "WET": (_conversion, (200, 3000)),
}
