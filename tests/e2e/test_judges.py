"""The judges at work in a whole river: served, killed, switched; and the same by server and in process."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts import Document
from services.inference import MODELS
from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.runtime import Drop, Resources, Unit, load_settings
from services.runtime.clients.log import Log
from services.runtime.contracts.unit import configure
from services.sink.parts import verify
from tests import corpus, servers
from tests.corpus import write_jsonl
from tests.e2e.home import Home, home, topology

pytestmark = pytest.mark.stack
NAME = "judge"


def _wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.05)


def _judged(river: Home) -> list[Document]:
    with Log(river.settings) as log:
        return [Document.FromString(record.value) for record in log.read_all("docs.scored")]


def _readiness(river: Home) -> tuple[int, str]:
    """What /readyz of the process with the judges says; 0 when it does not answer."""
    log = river.out / "state" / "logs" / "classifier.log"
    started = [line for line in log.read_text().splitlines() if '"event": "started"' in line]
    if not started:
        return 0, "not started"
    port = json.loads(started[-1])["port"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as error:
        return 0, str(error)


def _assert_all_is_accounted_for(river: Home, number: int) -> None:
    account = take_account(river.settings, topology())
    assert not reconcile(account)
    assert prove(river.settings, topology())
    assert account.raw.total() == number
    assert not account.dead
    assert verify(Resources(river.settings).store) == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_while_triton_is_away_the_service_is_unready_and_comes_back(tmp_path: Path) -> None:
    """Prevents: traffic to a pod that cannot judge, and a restart that would be needed to mend it."""
    source = write_jsonl(tmp_path / "made.jsonl", 300, seed=42)
    with servers.triton(tmp_path / "own", MODELS) as own:
        address = own.url
        with home(tmp_path / "out", {"CORPUSWORKS_TRITON_URL": address}) as river:
            assert river.stack.triton is None
            river.river.start()
            _wait_until(lambda: _readiness(river)[0] == 200, "ready")
            own.stop()
            reading = [river.river.ingest([str(source)])]
            _wait_until(lambda: "triton" in _readiness(river)[1], "unready for want of Triton")
            assert _readiness(river)[0] == 503
            assert _judged(river) == []
            own.start()
            assert own.url == address
            river.settle(reading)
            assert _readiness(river) == (200, "ready")
            river.river.stop()
            _assert_all_is_accounted_for(river, 300)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_new_version_takes_over_under_load(tmp_path: Path) -> None:
    """Prevents: a roll-out that fails documents, or that nobody can see in what came out."""
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    newer = _newest(models / NAME) + 1
    settings = {
        "CORPUSWORKS_UNITS__CLASSIFIER__MODELS": str(models),
        "CORPUSWORKS_UNITS__SCORER__MODELS": str(models),
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "50",
    }
    source = write_jsonl(tmp_path / "made.jsonl", 1200, seed=43)
    with home(tmp_path / "out", settings) as river:
        if river.stack.triton is None:
            pytest.skip(river.stack.stand_in)
        river.river.start()
        reading = [river.river.ingest([str(source)])]
        _wait_until(lambda: len(_judged(river)) > 100, "100 were judged")
        _add_version(models / NAME, newer)
        assert river.stack.triton.refresh() == {NAME: newer}
        river.settle(reading)
        river.river.stop()
        _assert_all_is_accounted_for(river, 1200)
        versions = {d.features[f"{NAME}_version"] for d in _judged(river) if d.format == "prose"}
        assert versions == {newer - 1, newer}


def _newest(folder: Path) -> int:
    return max(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _add_version(folder: Path, version: int) -> None:
    """The same graph once more; the folder is whole before it has its name."""
    made = folder / f".{version}"
    shutil.copytree(folder / str(version - 1), made)
    made.rename(folder / str(version))


def test_server_and_stand_in_judge_alike(tmp_path: Path) -> None:
    """Prevents: a laptop without Triton, or a test with the stand-in, that keeps other documents."""
    rows = list(corpus.documents(300, seed=44))
    with servers.triton(tmp_path / "triton", MODELS) as server:
        served = _judge_all(rows, server.url)
    alone = _judge_all(rows, "onnx:")
    assert len(served) == len(alone) == 300
    for one, other in zip(served, alone, strict=True):
        assert one[0] == other[0]
        assert set(one[1]) == set(other[1])
        np.testing.assert_allclose(
            [one[1][name] for name in sorted(one[1])], [other[1][name] for name in sorted(one[1])], atol=1e-3
        )
    assert any("low_rank" in verdict for verdict, _ in alone)


def _judge_all(rows: list[dict[str, str]], url: str) -> list[tuple[str, dict[str, float]]]:
    """By document: category and verdict, and what the model said, after rules as the river has them."""
    documents = [
        Document(id=row["id"], uid=number + 1 << 40, text=row["text"], media_type="text/plain")
        for number, row in enumerate(rows)
    ]
    settings = load_settings(triton_url=url)
    resources = Resources(settings)
    services = topology().services
    half = {"scorer": {"keep": [{"format": "prose", "share": 0.5}]}}  # so that there are drops to compare
    found: dict[int, tuple[str, dict[str, float]]] = {}
    alive = documents
    for name in ("rules", "classifier", "scorer"):
        unit = services[name].definition
        assert isinstance(unit, Unit)
        judge = unit.build(configure(name, unit.config, half.get(name, {})), resources)
        going_on = []
        for start in range(0, len(alive), 200):
            batch = alive[start : start + 200]
            for document, verdict in zip(batch, judge(batch), strict=True):
                said = verdict.reason if isinstance(verdict, Drop) else "emit"
                model = {k: v for k, v in document.features.items() if k.startswith((NAME, "category"))}
                found[document.uid] = (f"{document.category} {said}", model)
                if said == "emit":
                    going_on.append(document)
        alive = going_on
    return [found[document.uid] for document in documents]
