"""Every query of every dashboard, over what a river that runs tells a real Prometheus."""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from charts.monitoring.__main__ import DASHBOARDS
from charts.monitoring.triton import METRICS
from services.local.packages import wheels
from services.local.servers import triton
from services.local.servers.triton import DEFAULT_MODELS
from services.local.store import STATE
from tests import servers
from tests.e2e.commands import ROOT, SAMPLES, start
from tests.prometheus import Prometheus, prometheus
from tests.soak.web import site
from tests.template_pages import texts

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

LIMIT_S = 600.0
SETTINGS = {
    "CORPUSWORKS_UNITS__SINK__SEQUENCE_LENGTH": "256",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "20000",
    "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "20",
    "CORPUSWORKS_UNITS__SCORER__KEEP": '[{"share": 0.9}]',
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
    "CORPUSWORKS_UNITS__SENTENCES__OF": '["*"]',
    "CORPUSWORKS_UNITS__SENTENCES__ENTRIES": "256",  # so few that some are forgotten
    **{f"CORPUSWORKS_UNITS__ARCHIVE_{name}__SEAL_AGE_S": "20" for name in ("DOCUMENTS", "USES")},
}
DEMO = ROOT / "build" / "demo-corpus"
GPU = {name for name in METRICS if name.startswith("nv_gpu")}
TRAINS = importlib.util.find_spec("trainer.train") is not None
# A launcher of its own is there in a cluster; what a CPU can do at best is not known.
ELSEWHERE = ("corpusworks_launcher_", "corpusworks_train_mfu")


def test_every_panel_shows_something(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a panel that stays empty: a label that does not match, two sides that have none in common."""
    if not DEMO.exists():
        pytest.skip("the demo documents are not here: `make setup` brings them")
    corpus = _corpus(tmp_path / "more.jsonl", random.Random(seed))
    (tmp_path / "prometheus").mkdir()
    begun = time.time()
    with (
        prometheus(tmp_path / "prometheus") as asked,
        _judges(tmp_path, monkeypatch) as (url, port),
        site() as (seed_url, allowed),
    ):
        settings = {**SETTINGS, **allowed, "CORPUSWORKS_TRITON_URL": url}
        out, trainer, upload = tmp_path / "out", servers.free_port(), servers.free_port()
        doors = ["--crawl", seed_url, "--upload", str(upload)]
        trains = _training(trainer) if TRAINS else []
        river = start("up", DEMO, SAMPLES, corpus, "--out", out, *doors, *trains, settings=settings)
        try:
            # Beside it: what has ended before it was looked at is never seen.
            Thread(target=_upload, args=(out / STATE / "upload" / "key", upload), daemon=True).start()
            empty = _scrape_until(lambda: _empty(asked, begun), asked, river, out, port, trainer)
            assert not empty, "\n".join(f"{title}\n    {expr}" for title, expr in empty.items())
            _compare_triton(asked)
        finally:
            river.send_signal(signal.SIGINT)
            river.wait(120)


def _training(port: int) -> list[str]:
    """The smallest model there is a configuration of, made smaller."""
    told = {
        "run": "small",
        "metrics_port": port,
        "log_every": 1,
        "threads": 1,
        "model.dim": 32,
        "model.num_layers": 1,
        "model.num_heads": 2,
        "model.hidden_dim": 64,
        "data.batch_size": 2,
        "data.micro_batch_size": 2,
        "checkpoint.every": 5,
    }
    words = (word for name, value in told.items() for word in ("--set", f"{name}={value}"))
    return ["--train", str(ROOT / "trainer" / "configs" / "1m.yaml"), *words]


def _upload(key: Path, port: int) -> None:
    """A file, as soon as the door is open."""
    url, deadline = f"http://127.0.0.1:{port}/files?name=note.txt", time.monotonic() + 120
    while True:
        try:
            told = {"Authorization": f"Bearer {key.read_text().strip()}", "Idempotency-Key": "1"}
            given = urllib.request.Request(url, (b"The kiln was opened on the third day. " * 40), told)
            with urllib.request.urlopen(given, timeout=30):
                return
        except OSError:
            assert time.monotonic() < deadline, "no upload is taken"
            time.sleep(0.5)


def _empty(asked: Prometheus, since: float) -> dict[str, str]:
    """Queries without an answer, by what they are of."""
    found = {}
    for dashboard in DASHBOARDS:
        if dashboard.name == "training" and not TRAINS:
            continue
        for panel in dashboard.panels:
            for query in panel.queries:
                if any(name in query.expr for name in ELSEWHERE):
                    continue
                expr = query.expr.replace("$namespace", ".*").replace("$__rate_interval", "20s")
                if not asked.numbers(expr, since):
                    found[f"{dashboard.title}: {panel.title}: {query.legend}"] = expr
    return found


def _scrape_until(
    left: Callable[[], dict[str, str]],
    asked: Prometheus,
    river: subprocess.Popen[str],
    out: Path,
    *ports: int,
) -> dict[str, str]:
    """Look for services that have come, until nothing is left or the time is over; what is left."""
    deadline, due = time.monotonic() + LIMIT_S, time.monotonic() + 30
    while True:
        assert river.poll() is None, river.communicate()
        asked.scrape({*ports, *_ports(out / STATE / "logs")})
        if time.monotonic() > due:
            found = left()
            if not found or time.monotonic() > deadline:
                return found
            due = time.monotonic() + 10
        time.sleep(0.5)


def _ports(logs: Path) -> Iterator[int]:
    """Of the processes of a river: each says its own when it starts."""
    for log in logs.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if '"started"' in line and "port" in (said := json.loads(line)):
                yield said["port"]


@contextmanager
def _judges(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A Triton that tells its metrics, as in a cluster: its url and their port."""
    if (reason := wheels.unsupported()) is not None:
        pytest.skip(reason)
    port = servers.free_port()
    told = {"allow-metrics": "true", "metrics-address": "127.0.0.1", "metrics-port": str(port)}
    monkeypatch.setattr(triton, "OPTIONS", {**triton.OPTIONS, **told})
    with servers.triton(folder / "triton", DEFAULT_MODELS) as server:
        yield server.url, port


def _compare_triton(asked: Prometheus) -> None:
    """The names and labels that the dashboards count on, and what a real one tells."""
    for name, labels in METRICS.items():
        found = asked.ask("query", query=f"last_over_time({name}[1h])")["result"]
        if name in GPU and not found:
            continue  # no GPU here
        assert found, f"Triton tells no {name}"
        assert labels <= found[0]["metric"].keys(), found[0]["metric"]


def _corpus(path: Path, rng: random.Random) -> Path:
    """What the demo documents have too little of: copies, pages of one template with a foot that comes again
    and again, foreign and empty ones.
    """
    foot = "The letter of the harbour office comes out every Monday, and whoever asks for it has it free."
    pages = [f"{' '.join(page)}.\n\n{foot}" for page in texts(rng, 400, 0.6)]
    near = [f"{page} {page[:50]}" for page in pages[:60]]
    foreign = "Der Stadtrat beschloss am Dienstag, die untere Straße neu zu bauen. " * 20
    made = [*pages, *near, *pages[:60], *(f"{n} {foreign}" for n in range(40)), *(["ok"] * 20), *([" "] * 5)]
    lines = (json.dumps({"id": f"made/{number}", "text": text}) for number, text in enumerate(made))
    path.write_text("\n".join(lines) + "\n")
    return path
