"""Settings of the launcher, and the job that follows from them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from services.launcher import manifest
from services.launcher.backends.custom import CustomJob
from services.launcher.backends.pytorchjob import PyTorchJob
from services.launcher.backends.trainjob import TrainJob
from services.launcher.config import LauncherConfig, PhaseConfig, Plan, of_phase
from services.launcher.rbac import rules
from services.runtime import ConfigurationError, configure
from tests.unit.launcher.memory_cluster import MemoryCluster

CONFIG = LauncherConfig(
    run="first", image="trainer:1", config_map="first-train", workers=4, processes=8,
    store_secret="store-keys", resources={"nvidia.com/gpu": "8"},
    phases={"anneal": PhaseConfig(workers=2, set=("log_every=1",))},
)  # fmt: skip
PLAN = Plan(CONFIG, "s3://corpus/river")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"run": "First"}, "no name of a job"),
        ({"run": "x" * 51}, "no name of a job"),
        ({"run": "-x"}, "no name of a job"),
        ({"run": "x", "workers": "0"}, "workers has to be positive"),
        ({"run": "x", "lease_s": 2}, "lease_s below 5"),
        ({"run": "x", "user": 0}, "no root"),
        ({"run": "x", "phases": '{"anneal": {"workers": 0}}'}, "a worker at least"),
        ({"run": "x", "phases": {"anneal": {"worker": 2}}}, "worker"),
        ({"run": "x", "policy": {"resume_token": 1}}, "resume_token"),
        ({"run": "x", "policy": {"resume_tokens": 0}}, "1 at least"),
        ({"run": "x", "policy": {"resume_tokens": 1000}}, "starve_tokens above resume_tokens"),
        ({"run": "x", "imagee": "y"}, "no setting imagee"),
        ({}, "run"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        configure("launcher", LauncherConfig, wrong)


def test_settings_come_from_the_environment_as_words() -> None:
    found = configure(
        "launcher",
        LauncherConfig,
        {
            "run": "x",
            "workers": "3",
            "policy": {"start_tokens": "5"},
            "set": '["steps=3"]',
            "resources": '{"cpu": "2"}',
        },
    )
    assert (found.workers, found.policy.start_tokens, found.set, found.resources) == (
        3,
        5,
        ("steps=3",),
        {"cpu": "2"},
    )


def test_another_job_is_told_by_its_digest() -> None:
    """Prevents: a job replaced since a threshold changed; one that is not when its image did."""
    assert replace(PLAN, attempt=3, began=9).digest == PLAN.digest
    watched = replace(CONFIG, period_s=1, lease_s=30, policy=replace(CONFIG.policy, retries=1), phases={})
    assert replace(PLAN, config=watched).digest == PLAN.digest
    others = [
        replace(CONFIG, image="trainer:2"),
        replace(CONFIG, set=("steps=1",)),
        of_phase(CONFIG, "anneal"),
    ]
    digests = {replace(PLAN, config=other).digest for other in others} | {
        replace(PLAN, store_url="s3://x").digest
    }
    assert len(digests | {PLAN.digest}) == 5


def test_a_phase_changes_what_it_names() -> None:
    own = of_phase(CONFIG, "anneal")
    assert (own.workers, own.set, own.resources, own.image) == (
        2,
        ("log_every=1",),
        CONFIG.resources,
        CONFIG.image,
    )
    assert of_phase(CONFIG, "stable") is CONFIG


@pytest.mark.parametrize("kind", [PyTorchJob, TrainJob])
def test_no_secret_stands_in_a_job(kind: type[CustomJob], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: keys of the store that whoever may read a job can read."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    text = json.dumps(kind(MemoryCluster(), "first").spec(PLAN))
    assert "hush" not in text
    assert '"secretKeyRef": {"name": "store-keys", "key": "AWS_SECRET_ACCESS_KEY"' in text
    assert "data.store=s3://corpus/river" in text
    for url in ("s3://key:hush@corpus/river", "s3://corpus/river?secret=hush"):
        with pytest.raises(ConfigurationError, match="put the keys into a Secret"):
            manifest.check(replace(PLAN, store_url=url))


@pytest.mark.parametrize("name", ["image", "config_map"])
def test_what_a_job_cannot_be_without(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"LAUNCHER__{name.upper()}"):
        manifest.check(replace(PLAN, config=replace(CONFIG, **{name: ""})))


def test_workers_of_a_pytorch_job() -> None:
    replicas = PyTorchJob(MemoryCluster(), "first").spec(PLAN)["pytorchReplicaSpecs"]
    assert {name: replica["replicas"] for name, replica in replicas.items()} == {"Master": 1, "Worker": 3}
    alone = PyTorchJob(MemoryCluster(), "first").spec(replace(PLAN, config=replace(CONFIG, workers=1)))
    assert set(alone["pytorchReplicaSpecs"]) == {"Master"}


def test_the_rules_name_one_run() -> None:
    """Prevents: a launcher that may touch other jobs than its own."""
    for rule in rules(CONFIG):
        names, verbs = rule.get("resourceNames"), set(rule["verbs"])
        assert (
            (verbs == {"create"}) if names is None else names in (["first"], ["corpusworks-launcher-first"])
        )
        assert "*" not in {*verbs, *rule["apiGroups"], *rule["resources"]}
