"""Uploads while their service is killed: thousands of files in archives, and a large one that is cut.

SOAK_SCALE=0.05 makes it smaller.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contracts import Document
from services.local.stack import Stack
from services.runtime import ObjectStore
from services.runtime.clients.log import Log
from tests.integration.rig import rig
from tests.unit.ingest.upload.packed import tarred, zipped
from tests.uploads import KEY, OFFSET, SERVICE, TOPICS, TUS, Uploads, begin

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SCALE = float(os.environ.get("SOAK_SCALE") or 1)
ARCHIVES, MEMBERS = 20, max(1, round(500 * SCALE))
LINE_BYTES, LINES = 100_000, round(20_000 * SCALE)
CUTS = 20
REPLICAS = 2


class Trouble:
    """Kills one replica after the other, and starts it again, until it is told to stop."""

    def __init__(self, uploads: Uploads, random_: random.Random) -> None:
        self._uploads, self._random = uploads, random_
        self.kills = 0
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.over.wait(self._random.uniform(3, 8)):
            replica = self._random.randrange(REPLICAS)
            self._uploads.kill(replica)
            self.kills += 1
            self._uploads.start(replica)

    def end(self) -> None:
        self.over.set()
        self._thread.join()


def insist(uploads: Uploads, number: int, archive: bytes, batch: str) -> None:
    """Send until it is acknowledged, to whichever replica answers, always with the same key."""
    suffix, headers = ("zip", "tar.gz")[number % 2], {"Idempotency-Key": f"archive {number}"}
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            with uploads.client(replica=random.randrange(REPLICAS)) as client:
                params = {"name": f"{number}.{suffix}", "batch": batch}
                answer = client.post("/files", params=params, content=archive, headers=headers)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code == 202:
            return
        assert answer.status_code in (429, 503), answer.text
        time.sleep(0.5)
    raise TimeoutError(number)


def line(number: int) -> bytes:
    text = f"{number} " + random.Random(number).randbytes(LINE_BYTES // 2).hex()
    return json.dumps({"text": text[: LINE_BYTES - 13]}).encode() + b"\n"


def insist_on_bytes(uploads: Uploads, path: str, size: int, random_: random.Random) -> int:
    """Send a large file by tus, cut in the middle of a request again and again; how often it was cut."""
    cuts = offset = 0
    deadline = time.monotonic() + 1800
    while offset < size:
        assert time.monotonic() < deadline
        here, most = offset, random_.randrange(size // CUTS // 2, size // CUTS)

        def body(start: int = here, stop: int = min(size, here + most)) -> Iterator[bytes]:
            at = start
            while at < stop:
                number, within = divmod(at, LINE_BYTES)
                piece = line(number)[within:][: stop - at]
                yield piece
                at += len(piece)
            if stop < size:
                raise ConnectionError("cut")

        try:
            with uploads.client(replica=random_.randrange(REPLICAS)) as client:
                client.patch(path, headers={**OFFSET, "Upload-Offset": str(offset)}, content=body())
        except (httpx.TransportError, ConnectionError):
            cuts += 1
        offset = stands(uploads, path, random_)
    return cuts


def stands(uploads: Uploads, path: str, random_: random.Random) -> int:
    while True:
        try:
            with uploads.client(replica=random_.randrange(REPLICAS)) as client:
                answer = client.head(path, headers=TUS)
            if answer.status_code == 200:
                return int(answer.headers["Upload-Offset"])
        except httpx.TransportError:
            pass
        time.sleep(0.2)


def test_each_byte_comes_once_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    """Prevents an acknowledged file that is lost, one that is doubled, and a batch that does not add up."""
    random_ = random.Random(seed)
    assert len(line(0)) == len(line(12345)) == LINE_BYTES
    size = LINES * LINE_BYTES
    with Stack(tmp_path / "state") as stack, rig(stack, tmp_path, "upload", SERVICE, TOPICS) as made:
        uploads = Uploads(made, {"CORPUSWORKS_UNITS__UPLOAD__PIECE_BYTES": str(1 << 20)})
        for replica in range(REPLICAS):
            uploads.start(replica)
        with uploads.client() as client:
            batch = client.post("/batches").json()["batch"]
            path = begin(client, "large.jsonl", size, batch)
        trouble = Trouble(uploads, random.Random(seed + 1))
        with ThreadPoolExecutor(3) as pool:
            large = pool.submit(insist_on_bytes, uploads, path, size, random_)
            small = []
            for number in range(ARCHIVES):
                members = {f"{number}/{n}.txt": f"file {number} {n}".encode() for n in range(MEMBERS)}
                archive = (zipped, tarred)[number % 2](members)
                small.append(pool.submit(insist, uploads, number, archive, batch))
            for each in small:
                each.result()
            cuts = large.result()
        deadline = time.monotonic() + 60
        while trouble.kills < 5 and time.monotonic() < deadline:
            time.sleep(0.5)
        trouble.end()
        with uploads.client() as client:
            found = uploads.settled(client, batch, seconds=900)  # one process reads all of the large one
        assert cuts >= CUTS
        wanted = ARCHIVES * MEMBERS + LINES
        assert found["documents"] == found["states"]["under_way"] == wanted
        assert (found["files"], found["problems"]) == (ARCHIVES + 1, {})
        times: Counter[int] = Counter()
        texts: dict[int, tuple[str, int]] = {}
        with Log(made.settings) as log:
            store = ObjectStore(made.settings.store_url)
            for record in log.read_all("upload.out"):
                document = Document.FromString(record.value)
                assert not document.references or store
                times[document.uid] += 1
                texts[document.uid] = (document.body[:20].decode().rsplit(" ", 1)[0], len(document.body))
        assert len(times) == wanted
        assert sum(length for _, length in texts.values()) == sum(
            len(f"file {number} {n}") for number in range(ARCHIVES) for n in range(MEMBERS)
        ) + LINES * (LINE_BYTES - 13)
        assert list(ObjectStore(made.settings.store_url).list("uploads/ready")) == []
        again = sum(times.values()) - wanted
        print(
            f"\n{wanted} documents, {size:,} bytes by tus; {cuts} cuts, "
            f"{trouble.kills} kills; {again} documents came again"
        )


def test_no_request_of_the_openapi_is_an_error_of_the_server(tmp_path: Path, seed: int) -> None:
    """Prevents an answer of 500 to whatever somebody may send."""
    with Stack(tmp_path / "state") as stack, rig(stack, tmp_path, "upload", SERVICE, TOPICS) as made:
        uploads = Uploads(made)
        uploads.start()
        url = f"http://127.0.0.1:{uploads.ports[0]}/openapi.json"
        tool = [sys.executable, "-m", "schemathesis.cli", "run", url, "--seed", str(seed)]
        how = ["--checks", "not_a_server_error", "--max-examples", "10", "--no-color"]
        for key in (KEY, "wrong"):
            done = subprocess.run(
                [*tool, *how, "-H", f"Authorization: Bearer {key}"],
                capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
            print(done.stdout[-800:])
        assert "Traceback" not in made.log("upload")
