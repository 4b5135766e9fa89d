"""The chart in real pods: a river that installs by itself, is killed, grows, and loses nothing."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.conftest import helm as helm  # noqa: PLC0414 - the fixture
from tests.cluster.release import NAME, Release, until
from tests.kubernetes_server import KubernetesServer

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "tests/data/documents"
MORE = ROOT / "build/demo-corpus"
KILLS = 12
# Parts within the test's time; everything else as the chart has it.
QUICK = {"units": {"sink": {"seal_age_s": 15}, "archive": {"seal_age_s": 15}}}

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def release(
    node: KubernetesServer, helm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    """Images and volumes are there; nothing is installed yet."""
    made = Release(node, helm, tmp_path_factory.mktemp("release"))
    made.load_images()
    made.make_volumes()
    yield made
    made.node.kubectl("delete", "namespace", "corpus", "--wait=false")


def test_it_installs_runs_and_accounts_for_everything(release: Release) -> None:
    """Prevents a chart that renders and does not run: in by a Job, parts in the store, all accounted for."""
    values = {
        "fullnameOverride": NAME,
        "image": {"repository": "localhost/corpusworks", "tag": "test", "pullPolicy": "Never"},
        "settings": QUICK,
        "imports": [release.documents("first", DOCUMENTS)],
    }
    release.install(values)
    until("the river is ready", release.ready, 300)
    until("the import is done", release.imported, 180)
    until("parts are in the store", lambda: release.counted().in_parts > 0, 240)
    assert "0 missing, 0 twice" in release.test()
    assert "part" in release.corpusworks("parts", "verify", "s3://corpusworks")
    restarts = {
        name: status["containerStatuses"][0]["restartCount"] for name, status in release.pods().items()
    }
    assert set(restarts.values()) == {0}, "a start in which nothing has to be tried again"


def test_an_upgrade_that_would_lose_the_stores_is_refused(release: Release) -> None:
    """Prevents a broker that comes up empty since a value was changed."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        release.upgrade(release.values | {"kafka": {"builtin": {"persistence": {"enabled": False}}}})
    assert "acceptOtherStores" in refused.value.stderr


def test_killed_and_upgraded_under_load_it_loses_nothing(release: Release) -> None:
    """Prevents a document lost or doubled by a pod's end, by more lanes or by more copies."""
    if not MORE.is_dir():
        pytest.skip(f"no {MORE}: make setup gathers it")
    values = release.values
    more = release.documents("second", MORE)
    release.upgrade(
        values | {"imports": [*values["imports"], more], "lanes": 3, "services": {"parse": {"replicas": 2}}}
    )
    draw = random.Random(7)
    for number in range(KILLS):
        among = ("kafka", "redis") if number % 4 == 3 else ("",)
        names = [n for n in release.pods() if n.startswith(f"{NAME}-{draw.choice(among)}") and n[-2:] == "-0"]
        release.kubectl(
            "delete", "pod", draw.choice(sorted(names)), "--grace-period=0", "--force", "--wait=false"
        )
        until("the pods are back", release.ready, 300)
    until("the import is done", release.imported, 300)
    until("all has passed", lambda: release.counted().in_flight == 0, 300)
    counted = release.counted()
    assert (counted.missing, counted.twice, counted.dead) == (0, 0, 0)
    assert counted.documents > 900
    assert "0 missing, 0 twice" in release.test()
    assert (
        release.kubectl("get", "statefulset", f"{NAME}-parse", "--output", "jsonpath={.spec.replicas}") == "2"
    )
