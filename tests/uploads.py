"""An upload service of a test's own, as a process, and a client of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from services.ingest.upload.keys import digest
from tests.integration.rig import Rig
from tests.integration.served import Process
from tests.servers import free_port

KEY, OTHER, POOR = "a-key-of-the-tests-own", "a-key-of-somebody-else", "a-key-with-a-quota"
TUS = {"Tus-Resumable": "1.0.0"}
OFFSET = {**TUS, "Content-Type": "application/offset+octet-stream"}
SERVICE = {"upload": {"run": "services.ingest.upload:SERVICE", "output": "upload.out"}}
TOPICS = {
    "river.tally": {"holds": "Tally", "by": "partitions"},
    "docs.unique": {"holds": "Document", "by": "partitions"},
}


def keys(folder: Path) -> Path:
    """Of two senders, and of one who may send 1,000 bytes a day."""
    path = folder / "keys.yaml"
    rows = [{"name": name, "sha256": digest(key)} for name, key in (("team", KEY), ("others", OTHER))]
    path.write_text(yaml.safe_dump([*rows, {"name": "poor", "sha256": digest(POOR), "bytes_a_day": 1000}]))
    return path


@dataclass
class Uploads:
    """Replicas of the service on a rig; the first answers at `url`."""

    rig: Rig
    settings: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def start(self, replica: int = 0) -> None:
        """Start one, again under its name; returns when it takes files."""
        while len(self.ports) <= replica:
            self.ports.append(free_port())
            self.processes.append(None)  # type: ignore[arg-type]
        environment = {
            "CORPUSWORKS_UNITS__UPLOAD__KEYS": str(keys(self.rig.folder)),
            "CORPUSWORKS_UNITS__UPLOAD__PORT": str(self.ports[replica]),
            "CORPUSWORKS_UNITS__UPLOAD__PIECE_BYTES": "65536",
            **self.settings,
        }
        self.processes[replica] = self.rig.serve("upload", instance=str(replica), **environment)
        self.wait(lambda: self._answers(replica))

    def kill(self, replica: int = 0) -> None:
        """SIGKILL, its readers included."""
        self.rig.kill(self.processes[replica])

    def _answers(self, replica: int) -> bool:
        assert self.processes[replica].poll() is None, self.rig.log("upload", str(replica))
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[replica]}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Until something is so. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(self.rig.log("upload")[-3000:])
            time.sleep(0.05)

    def client(self, key: str = KEY, replica: int = 0) -> httpx.Client:
        """Speaks for a key."""
        url = f"http://127.0.0.1:{self.ports[replica]}"
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def settled(self, client: httpx.Client, batch: str, seconds: float = 90) -> dict[str, Any]:
        """The batch when all of its files are read."""
        found: dict[str, Any] = {}

        def read() -> bool:
            nonlocal found
            found = client.get(f"/batches/{batch}").json()
            return bool(found["files"] == found["files_read"])

        self.wait(read, seconds)
        return found


def begin(client: httpx.Client, name: str, size: int, batch: str = "") -> str:
    """Begin a resumable upload; its path."""
    told = {"filename": name, **({"batch": batch} if batch else {})}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
    answer = client.post("/tus", headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]
