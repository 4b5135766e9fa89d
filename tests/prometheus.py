"""A real Prometheus over services that run here: Debian's package `prometheus`, or a visible skip."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import free_port


class Prometheus:
    """Scrapes each second the ports of loopback that it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._targets = folder / "targets.json"
        self.scrape([])
        scrapes = [{"job_name": "river", "file_sd_configs": [{"files": [str(self._targets)]}]}]
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": scrapes}
        self.config = folder / "prometheus.yml"
        self.config.write_text(yaml.safe_dump(config))

    def scrape(self, ports: Collection[int]) -> None:
        """From now on."""
        told = [{"targets": [f"127.0.0.1:{port}" for port in sorted(ports)]}]
        beside = self._targets.with_suffix(".new")
        beside.write_text(json.dumps(told))
        beside.replace(self._targets)

    def is_ready(self) -> bool:
        """Whether it answers questions."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30):
                return True
        except OSError:  # nobody listens, or it says that it is not yet
            return False

    def ask(self, path: str, **parameters: object) -> Any:
        """The data of an answer of its API. Raises AssertionError with what it says is wrong."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def numbers(self, expr: str, since: float) -> list[float]:
        """All that it answers from then to now, five seconds apart, but for what is no number."""
        found = self.ask("query_range", query=expr, start=since, end=time.time(), step=5)
        values = (float(value) for series in found["result"] for _, value in series["values"])
        return [value for value in values if not math.isnan(value)]


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Started, and stopped at the end."""
    if (program := shutil.which("prometheus")) is None:
        pytest.skip("prometheus is not here: install the package of that name")
    it = Prometheus(folder)
    command = [program, f"--config.file={it.config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{it.port}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not it.is_ready():
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield it
    finally:
        child.terminate()
        child.wait(30)
