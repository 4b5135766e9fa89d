"""One contract for whatever a trainer is launched by: PyTorchJob and TrainJob, on a real API server and on
the one in memory that unit tests use, and a process of this machine.

The real one has no controllers here: what an operator would do to a job's status, the test does.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.launcher.backends import Backend
from services.launcher.backends.custom import CONDITION, SUSPENDER, CustomJob
from services.launcher.backends.process import TrainerProcess
from services.launcher.backends.pytorchjob import PyTorchJob
from services.launcher.backends.served import served
from services.launcher.backends.trainjob import TrainJob
from services.launcher.cluster import Cluster, Conflict, Held, Kubernetes
from services.launcher.config import LauncherConfig, Plan
from services.launcher.events import Course
from services.launcher.manifest import QUEUE
from services.launcher.policy import Decision, Job, Reason, State, Wanted
from services.launcher.rbac import rules
from services.runtime import ConfigurationError, DependencyDown
from tests.kubernetes_server import PYTORCH_CRD, TRAIN_CRD, KubernetesServer, kubernetes_server
from tests.unit.launcher.memory_cluster import MemoryCluster

KINDS = {"pytorchjob": PyTorchJob, "trainjob": TrainJob}
CONFIG = LauncherConfig(
    run="first", image="trainer:1", config_map="train", workers=2, processes=8, store_secret="keys",
    resources={"nvidia.com/gpu": "8", "memory": "64Gi"}, grace_s=5, namespace="train",
    environment={"AWS_REGION": "here"}, node_selector={"pool": "gpu"},
    tolerations=({"key": "gpu", "operator": "Exists"},),
    volumes=({"name": "data", "emptyDir": {}},), mounts=({"name": "data", "mountPath": "/data"},),
)  # fmt: skip
PLAN = Plan(CONFIG, "s3://corpus/river", attempt=2, began=1000)
ENOUGH = Decision(Wanted.RUNNING, Reason.ENOUGH, "100 tokens wait, 50 are asked for")


class World(ABC):
    """A backend, and what becomes of its job by other hands."""

    backend: Backend

    @abstractmethod
    def succeed(self) -> None:
        """The trainer ends well."""

    @abstractmethod
    def fail(self) -> None:
        """It fails, and says: no part is readable."""

    @abstractmethod
    def collect(self) -> None:
        """What was removed has ended."""

    @abstractmethod
    def num_jobs(self) -> int:
        """Jobs that there are, of any name."""


class OnMemory(World):
    def __init__(self, kind: type[CustomJob]) -> None:
        self.kind = kind.kind
        self.cluster = MemoryCluster(kind.kind, namespace="train")
        self.backend: CustomJob = kind(self.cluster, "first")

    def succeed(self) -> None:
        self._end(self.backend.succeeded, "")

    def fail(self) -> None:
        self._end(self.backend.failed, "no part is readable")

    def _end(self, condition: str, message: str) -> None:
        said = {
            "type": condition, "status": "True", "reason": "Said", "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        self.patch({"status": {"conditions": [said]}})

    def collect(self) -> None:
        self.cluster.collect(self.kind, "first")

    def num_jobs(self) -> int:
        return int(self.cluster.get(self.kind, "first") is not None)

    def patch(self, fields: Mapping[str, Any], manager: str = "operator") -> None:
        """By another hand, with force."""
        self.cluster.patch(self.kind, "first", fields, manager)

    def object(self) -> Any:
        """The job itself."""
        return self.cluster.get(self.kind, "first")

    def events(self) -> list[Any]:
        """That were told."""
        return list(self.cluster.events)


class OnServer(OnMemory):
    """By a ServiceAccount that may do what services/launcher/rbac.yaml says, and nothing else."""

    def __init__(self, kind: type[CustomJob], server: KubernetesServer, mine: Path) -> None:
        from kubernetes.client import CoreV1Api, CustomObjectsApi

        self.kind = kind.kind
        self.cluster: Cluster = Kubernetes("train", server.client(mine))  # type: ignore[assignment]
        self.backend = kind(self.cluster, "first")
        others = server.client()
        self._custom, self._core = CustomObjectsApi(others), CoreV1Api(others)
        self._place = self.kind.group, self.kind.version, "train", self.kind.plural

    def collect(self) -> None:
        self.patch({"metadata": {"finalizers": None}})

    def num_jobs(self) -> int:
        return len(self._custom.list_namespaced_custom_object(*self._place)["items"])

    def patch(self, fields: Mapping[str, Any], manager: str = "operator") -> None:
        patch = (
            self._custom.patch_namespaced_custom_object_status
            if "status" in fields
            else self._custom.patch_namespaced_custom_object
        )
        merge = "application/merge-patch+json"
        patch(*self._place, "first", dict(fields), field_manager=manager, _content_type=merge)

    def object(self) -> Any:
        return self._custom.get_namespaced_custom_object(*self._place, "first")

    def events(self) -> list[Any]:
        found = self._core.list_namespaced_event("train").items
        return [
            {"type": e.type, "reason": e.reason, "involvedObject": {"name": e.involved_object.name}}
            for e in found
        ]

    def clear(self) -> None:
        """Leave nothing to the next test."""
        if self.num_jobs():
            self._custom.delete_namespaced_custom_object(*self._place, "first")
            if self.num_jobs():
                self.collect()
        self._core.delete_collection_namespaced_event("train")


class OnMachine(World):
    SCRIPT = """
import os, sys, time
while True:
    if os.path.exists(sys.argv[1]):
        word = open(sys.argv[1]).read()
        print(word, flush=True)
        sys.exit(bool(word))
    time.sleep(.01)
"""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, 0
        self.backend: TrainerProcess = TrainerProcess(self._command, folder / "trainer.log")

    def _command(self, _plan: Plan) -> list[str]:
        self.made += 1
        (self.folder / "end").unlink(missing_ok=True)
        return [sys.executable, "-c", self.SCRIPT, str(self.folder / "end")]

    def succeed(self) -> None:
        self._end("")

    def fail(self) -> None:
        self._end("no part is readable")

    def _end(self, word: str) -> None:
        (self.folder / "new").write_text(word)
        (self.folder / "new").rename(self.folder / "end")
        deadline = time.monotonic() + 20
        while self.backend.look().state is State.RUNNING:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def collect(self) -> None:
        """Removing waits for it."""

    def num_jobs(self) -> int:
        return int(self.backend.look().state is not State.ABSENT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    with kubernetes_server(tmp_path_factory.mktemp("kubernetes")) as found:
        found.install(PYTORCH_CRD, TRAIN_CRD)
        found.kubectl("create", "namespace", "train")
        yield found


@pytest.fixture(scope="module")
def mine(server: KubernetesServer) -> Path:
    """The kubeconfig of a launcher's ServiceAccount."""
    named = {"metadata": {"name": "launcher", "namespace": "train"}}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "launcher", "namespace": "train"}
    role = {"kind": "Role", "apiGroup": rbac, "name": "launcher"}
    made = [
        {"apiVersion": "v1", "kind": "ServiceAccount"},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "rules": rules(CONFIG)},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "subjects": [subject], "roleRef": role},
    ]
    server.kubectl("apply", "-f", "-", given=yaml.safe_dump_all([one | named for one in made]))
    return server.kubeconfig_of("launcher", "train")


CUSTOM = [f"{place}-{kind}" for place in ("memory", "server") for kind in KINDS]


@pytest.fixture
def custom(request: pytest.FixtureRequest) -> Iterator[OnMemory]:
    place, _, kind = request.param.partition("-")
    if place == "memory":
        yield OnMemory(KINDS[kind])
        return
    found = OnServer(KINDS[kind], request.getfixturevalue("server"), request.getfixturevalue("mine"))
    yield found
    found.clear()


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param != "process":
        place, _, kind = request.param.partition("-")
        found: World = (
            OnMemory(KINDS[kind])
            if place == "memory"
            else OnServer(KINDS[kind], request.getfixturevalue("server"), request.getfixturevalue("mine"))
        )
        yield found
        if isinstance(found, OnServer):
            found.clear()
        return
    machine = OnMachine(tmp_path)
    yield machine
    machine.backend.close()


every = pytest.mark.parametrize("world", [*CUSTOM, "process"], indirect=True)
on_clusters = pytest.mark.parametrize("custom", CUSTOM, indirect=True)


@every
def test_a_job_is_made_once(world: World) -> None:
    assert world.backend.look() == Job(State.ABSENT)
    world.backend.make(PLAN)
    world.backend.make(PLAN)
    found = world.backend.look()
    assert (found.state, found.made, found.attempt, found.began) == (State.RUNNING, PLAN.digest, 2, 1000)
    assert not found.queued
    assert world.num_jobs() == 1


@every
def test_it_is_suspended_and_goes_on(world: World) -> None:
    with pytest.raises(Conflict):
        world.backend.suspend(True)
    world.backend.make(PLAN)
    for suspended, state in ((True, State.SUSPENDED), (True, State.SUSPENDED), (False, State.RUNNING)) * 2:
        world.backend.suspend(suspended)
        assert world.backend.look().state is state
    assert world.backend.look().made == PLAN.digest


@every
def test_it_is_gone_before_there_is_another(world: World) -> None:
    """Prevents: two jobs of a run that write the same checkpoints."""
    world.backend.remove()
    world.backend.make(PLAN)
    world.backend.remove()
    assert world.backend.look().state in (State.LEAVING, State.ABSENT)
    world.backend.remove()
    world.collect()
    assert world.backend.look().state is State.ABSENT
    other = replace(PLAN, config=replace(CONFIG, workers=3))
    world.backend.make(other)
    assert (world.backend.look().made, world.num_jobs()) == (other.digest, 1)


@every
def test_how_it_ended_is_seen(world: World) -> None:
    world.backend.make(PLAN)
    world.succeed()
    assert world.backend.look().state is State.SUCCEEDED
    world.backend.remove()
    world.collect()
    world.backend.make(PLAN)
    assert world.backend.look().state is State.RUNNING
    world.fail()
    found = world.backend.look()
    assert (found.state, found.why) == (State.FAILED, "no part is readable")
    assert found.over_s > 0


@every
def test_who_looks_at_it_is_told_why(world: World) -> None:
    world.backend.tell(ENOUGH)
    world.backend.make(PLAN)
    for _ in range(2):
        world.backend.tell(ENOUGH)
    world.backend.tell(Decision(Wanted.SUSPENDED, Reason.STARVED, "nothing came"))
    assert world.backend.look().state is State.RUNNING
    if isinstance(world, OnMemory):
        found = {c["type"]: c for c in world.object()["status"]["conditions"]}
        assert [found[CONDITION][key] for key in ("status", "reason", "message")] == [
            "False",
            "Starved",
            "nothing came",
        ]
        said = sorted((event["type"], event["reason"]) for event in world.events())
        assert said == [("Normal", "EnoughTokens"), ("Warning", "Starved")]
        assert {event["involvedObject"]["name"] for event in world.events()} == {"first"}


@on_clusters
def test_who_looks_at_it_sees_how_far_it_is(custom: OnMemory) -> None:
    """On a TrainJob, which has a place for it; beside what was said before."""
    custom.backend.report(Course(next=1))
    custom.backend.make(PLAN)
    custom.backend.tell(ENOUGH)
    custom.backend.report(Course())
    assert "trainerStatus" not in custom.object()["status"], "nothing is known yet"
    custom.backend.report(Course(next=3, step=2, tokens=2000, loss=1.23456789))
    custom.backend.report(Course(next=4, step=3, tokens=3000, loss=1.1))  # a moment later: not written
    status = custom.object()["status"]
    assert [c["type"] for c in status["conditions"]] == [CONDITION]
    if not isinstance(custom.backend, TrainJob):
        assert "trainerStatus" not in status
        return
    told = status["trainerStatus"]
    metrics = {metric["name"]: metric["value"] for metric in told["metrics"]}
    assert metrics == {"step": "2", "tokens": "2000", "loss": "1.23457"}
    assert "progressPercentage" not in told, "more parts may come"
    custom.backend.report(Course(next=5, step=3, tokens=3000, loss=1.1, ended="done"))
    told = custom.object()["status"]["trainerStatus"]
    assert (told["progressPercentage"], told["metrics"][0]["value"]) == (100, "3")


@on_clusters
def test_what_an_operator_says_stays_beside_what_we_say(custom: OnMemory) -> None:
    custom.backend.make(PLAN)
    custom.backend.tell(ENOUGH)
    custom.succeed()
    custom.backend.tell(Decision(Wanted.AS_IS, Reason.ENDED, "the run has ended"))
    kinds = {condition["type"] for condition in custom.object()["status"]["conditions"]}
    assert {custom.backend.succeeded, CONDITION} == kinds
    assert custom.backend.look().state is State.SUCCEEDED


def suspension_of(custom: OnMemory) -> Mapping[str, Any]:
    """The part of the spec in which `suspend` stands."""
    spec = custom.object()["spec"]
    return dict(spec["runPolicy"] if isinstance(custom.backend, PyTorchJob) else spec)


@on_clusters
def test_a_queue_of_kueue_s_owns_the_suspension(custom: OnMemory) -> None:
    """Prevents: a launcher and Kueue that take turns in suspending and resuming one job."""
    custom.backend.make(replace(PLAN, config=replace(CONFIG, queue="team")))
    assert custom.object()["metadata"]["labels"][QUEUE] == "team"
    before = suspension_of(custom).get("suspend")
    assert not before, "it is Kueue's webhook that sets it"
    for suspended in (True, False):
        with pytest.raises(Held, match="Kueue"):
            custom.backend.suspend(suspended)
    assert suspension_of(custom).get("suspend") == before
    assert custom.backend.look().queued


@on_clusters
def test_a_queue_that_is_named_later_takes_the_suspension_over(custom: OnMemory) -> None:
    """Prevents: a field that is removed, and a job that runs, since its former owner applies without it."""
    custom.backend.make(PLAN)
    custom.backend.suspend(True)
    custom.patch({"metadata": {"labels": {QUEUE: "team"}}}, "somebody")
    with pytest.raises(Held):
        custom.backend.suspend(False)
    custom.backend.make(PLAN)
    assert suspension_of(custom)["suspend"] is True


@on_clusters
def test_what_another_set_is_not_taken(custom: OnMemory) -> None:
    custom.backend.make(PLAN)
    custom.patch({"spec": custom.backend.suspension(True)}, "a-person")
    with pytest.raises(Held, match="a-person"):
        custom.backend.suspend(False)
    assert custom.backend.look().state is State.SUSPENDED
    custom.backend.suspend(True)


@on_clusters
def test_a_job_that_changed_since_it_was_read_is_not_touched(
    custom: OnMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: `suspend` that is set in the moment in which a queue is named, or on another job."""
    custom.backend.make(PLAN)
    read = custom.backend._found

    def and_then() -> Any:
        found = read()
        custom.patch({"metadata": {"labels": {QUEUE: "team"}}}, "somebody")
        return found

    monkeypatch.setattr(custom.backend, "_found", and_then)
    with pytest.raises(Conflict):
        custom.backend.suspend(True)
    assert custom.backend.look().state is State.RUNNING


@on_clusters
def test_a_job_of_another_is_left_alone(custom: OnMemory) -> None:
    custom.backend.make(PLAN)
    custom.patch({"metadata": {"labels": {"app.kubernetes.io/managed-by": "a-person"}}}, "a-person")
    with pytest.raises(ConfigurationError, match="was not made by a launcher"):
        custom.backend.look()


@on_clusters
def test_a_backend_is_found_by_what_is_served_and_stands(custom: OnMemory) -> None:
    kind = type(custom.backend)
    custom.backend.make(PLAN)
    assert type(served(custom.cluster, "first")) is kind, "the run's own job, whatever else is served"


def test_both_are_served_and_a_trainjob_is_made(server: KubernetesServer, mine: Path) -> None:
    cluster = Kubernetes("train", server.client(mine))
    assert type(served(cluster, "first")) is TrainJob
    PyTorchJob(cluster, "first").make(PLAN)
    TrainJob(cluster, "first").make(PLAN)
    with pytest.raises(ConfigurationError, match="has a PyTorchJob and a TrainJob"):
        served(cluster, "first")
    for kind in KINDS.values():
        OnServer(kind, server, mine).clear()


def test_nothing_is_served() -> None:
    with pytest.raises(ConfigurationError, match=r"neither trainjobs.trainer.kubeflow.org nor pytorchjobs"):
        served(MemoryCluster(), "first")


@pytest.mark.parametrize("kind", KINDS.values())
def test_pods_meet_the_restricted_standard(kind: type[CustomJob], server: KubernetesServer) -> None:
    """Prevents: pods that a guarded namespace refuses; fields that the CRD drops without a word."""
    spec = json.loads(json.dumps(kind(MemoryCluster(), "first").spec(PLAN)))
    if kind is PyTorchJob:
        template = spec["pytorchReplicaSpecs"]["Worker"]["template"]
    else:
        patch = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
        template = json.loads(json.dumps(patch["template"]["spec"]["template"]))
        template["spec"]["containers"][0]["image"] = "trainer:1"  # which the runtime has from `trainer`
    name = f"guarded-{kind.kind.plural}"
    guarded = {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": guarded},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}},
    ]
    server.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(made))
    one = {"metadata": {"name": "one"}}
    asked = [
        {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], **one},
        {"apiVersion": kind.kind.api_version, "kind": kind.kind.name, "spec": spec, **one},
    ]
    told = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    server.kubectl("-n", name, *told, given=yaml.safe_dump_all(asked))
    template["spec"]["securityContext"] = {}
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        server.kubectl("-n", name, *told, given=yaml.safe_dump(asked[0]))


def test_a_launcher_may_do_no_more(server: KubernetesServer, mine: Path) -> None:
    """Prevents: rules that grow. What it may do is shown by the tests above, which run by these rules."""
    cluster = Kubernetes("train", server.client(mine))
    other = PyTorchJob(cluster, "second")
    for forbidden in (other.look, other.remove):
        with pytest.raises(DependencyDown, match=r"it refuses: .*rbac.yaml"):
            forbidden()
    with pytest.raises(DependencyDown, match="it refuses"):
        other.make(replace(PLAN, config=replace(CONFIG, run="second")))
    from kubernetes.client import CoordinationV1Api, CoreV1Api
    from kubernetes.client.exceptions import ForbiddenException

    core, leases = CoreV1Api(server.client(mine)), CoordinationV1Api(server.client(mine))
    for beyond in (
        lambda: core.read_namespaced_secret("keys", "train"),
        lambda: core.list_namespaced_pod("train"),
        lambda: leases.delete_namespaced_lease(CONFIG.lease, "train"),
        lambda: leases.read_namespaced_lease("another", "train"),
    ):
        with pytest.raises(ForbiddenException):
            beyond()


def test_what_the_server_does_not_take_is_named(server: KubernetesServer, mine: Path) -> None:
    wrong = replace(CONFIG, volumes=({"name": "data", "emptyDir": "no table"},))
    with pytest.raises(ConfigurationError, match=r"Kubernetes does not take it: .*emptyDir"):
        PyTorchJob(Kubernetes("train", server.client(mine)), "first").make(replace(PLAN, config=wrong))


def test_a_kind_that_is_not_known_is_no_job_that_is_absent(server: KubernetesServer, mine: Path) -> None:
    """Prevents: a second job, since a server that has just begun does not know the kind of the first yet."""
    cluster = Kubernetes("train", server.client(mine))
    unknown = PyTorchJob.kind._replace(version="v9", group="nobody.org")
    assert not cluster.serves(unknown)
    with pytest.raises(DependencyDown, match="it refuses"):
        cluster.get(unknown, "first")
    unknown = PyTorchJob.kind._replace(version="v9")
    assert not cluster.serves(unknown)
    with pytest.raises(ConfigurationError, match="does not take it"):
        cluster.get(unknown, "first")


def test_a_server_that_is_away_is_waited_for(server: KubernetesServer) -> None:
    client = server.client()
    client.configuration.host = "https://127.0.0.1:1"
    cluster = Kubernetes("train", client)
    for ask in (lambda: cluster.get(PyTorchJob.kind, "first"), lambda: cluster.serves(PyTorchJob.kind)):
        with pytest.raises(DependencyDown, match="Kubernetes does not answer"):
            ask()


def test_fields_are_owned_by_their_managers(server: KubernetesServer, mine: Path) -> None:
    """Prevents: an apply of the job that carries `suspend`, or one of `suspend` that carries the job."""
    found = OnServer(PyTorchJob, server, mine)
    found.backend.make(PLAN)
    found.backend.suspend(True)
    fields = found.object()["metadata"]["managedFields"]
    owned = {one["manager"]: json.dumps(one["fieldsV1"]) for one in fields if one["operation"] == "Apply"}
    assert owned[SUSPENDER] == json.dumps({"f:spec": {"f:runPolicy": {"f:suspend": {}}}})
    assert "f:suspend" not in owned["corpusworks-launcher"]
    found.clear()
