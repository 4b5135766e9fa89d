"""The chart: rendered by helm, held against the topology, the settings and what a restricted cluster asks."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import renders
from services.runtime import load_settings
from services.runtime.topology import DEFAULT, Topology

Objects = dict[str, list[dict[str, Any]]]
EXAMPLES = ("external", "production", "try-out")


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, pod's spec) of everything that makes pods."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], spec
        elif each["kind"] == "CronJob":
            yield each["metadata"]["name"], spec["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in spec:
            yield each["metadata"]["name"], spec["template"]["spec"]


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def test_it_passes_lint(helm: Path) -> None:
    """Prevents what helm itself would say."""
    done = subprocess.run(
        [helm, "lint", "--strict", renders.CHART], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_committed_renders_are_what_it_renders(examples: dict[str, str], example: str) -> None:
    """Prevents a change whose effect nobody has read: `python -m charts.renders`."""
    assert set(examples) == set(EXAMPLES)
    committed = renders.EXAMPLES / f"{example}.rendered.yaml"
    assert examples[example] == committed.read_text()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_process_of_the_topology_runs(objects: Objects, example: str) -> None:
    """Prevents a service that is in the table and in no pod, or with other units than on one machine."""
    found = {
        tuple(arguments[: arguments.index("--wait")])
        for _, pod in pods(objects[example])
        if (arguments := pod["containers"][0].get("args", []))
        and "serve" in pod["containers"][0].get("command", [])
    }
    doors = {("upload",), ("crawl",)} if example == "production" else set()
    assert found == {tuple(group) for group in Topology.load(DEFAULT, ("zh",)).processes} | doors


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_settings_are_settings(
    objects: Objects, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a file that every pod would refuse at its start."""
    (data,) = (
        each["data"] for each in objects[example] if each["metadata"]["name"] == "river-corpusworks"
        and each["kind"] == "ConfigMap"
    )  # fmt: skip
    (tmp_path / "settings.yaml").write_text(data["settings.yaml"])
    monkeypatch.setenv("CORPUSWORKS_CONFIG", str(tmp_path / "settings.yaml"))
    settings = load_settings()
    assert settings.http_host == "0.0.0.0"
    assert settings.kafka.bootstrap_servers.partition(":")[2]
    assert settings.kafka.replication_factor == (1 if example == "try-out" else 3)
    (tmp_path / "topology.yaml").write_text(data["topology.yaml"])
    assert Topology.load(tmp_path / "topology.yaml", ("zh",)).processes


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_pod_is_restricted(objects: Objects, example: str) -> None:
    """Prevents a pod that the standard `restricted` would refuse, or that could write its root."""
    found = list(pods(objects[example]))
    assert len(found) >= 12
    for name, pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is name.endswith("-launcher"), name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"requests", "limits"} <= set(container["resources"]), name
            assert "latest" not in container["image"], name


def test_no_secret_of_a_users_own_is_written_down(objects: Objects) -> None:
    """Prevents a password in a release, where `helm get values` shows it."""
    for example in ("external", "production"):
        assert [each for each in objects[example] if each["kind"] == "Secret"] == []


def test_what_is_written_for_kubernetes_is_only_what_others_may_read(objects: Objects) -> None:
    """Prevents a mounted secret that every user of the pod's node could read."""
    for name, pod in pods(objects["external"]):
        for volume in pod.get("volumes", []):
            if "projected" in volume:
                assert volume["projected"]["defaultMode"] == 0o440, name
                mounted = [s["secret"]["name"] for s in volume["projected"]["sources"]]
                assert mounted == ["kafka", "kafka", "redis"], name


def test_nothing_goes_in_or_out_by_default(objects: Objects) -> None:
    """Prevents a pod that anybody may ask: one policy is of all pods, and grants names alone."""
    policy = one(objects["external"], "NetworkPolicy", "river-corpusworks")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert policy["egress"] == [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]
    clients = one(objects["external"], "NetworkPolicy", "river-corpusworks-clients")["spec"]["egress"]
    outside = [rule["ports"][0]["port"] for rule in clients if "to" not in rule]
    assert outside == [9096, 6379, 9000, 8001]


def test_a_service_that_is_not_enabled_runs_nowhere(helm: Path) -> None:
    """Prevents a unit that is served although the table leaves it out, whose readers wait for nobody."""
    text = renders.template(helm, "--set", "topology.services.sentences.enabled=false")
    made = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each and each["kind"] == "StatefulSet"]
    run = [container.get("args", []) for _, pod in pods(made) for container in pod["containers"]]
    assert any("rules" in arguments for arguments in run)
    assert not any("sentences" in arguments for arguments in run)


def test_pages_that_are_pictures_are_read_by_an_image_of_their_own(helm: Path) -> None:
    """Prevents a switch that leaves parse in the image that cannot read them, or moves others out of it."""
    text = renders.template(helm, "--set", "ocr=true")
    made = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each and each["kind"] == "StatefulSet"]
    images = {
        tuple(container["args"][: container["args"].index("--wait")]): container["image"].split(":")[0]
        for _, pod in pods(made)
        for container in pod["containers"]
        if container.get("command") == ["corpusworks", "serve"]
    }
    assert images.pop(("parse",)) == "corpusworks/ocr"
    assert set(images.values()) == {"corpusworks/core"}


REFUSED = [
    (
        """
        services:
          parser: {replicas: 2}
          catalog: {replicas: 3}
          parse: {replicas: 2, workers: 3, memoryLimitBytes: 2147483648, autoscaling: {min: 0}}
          rules: {autoscaling: {by: keda, max: 5}}
          mixer: {autoscaling: {by: keda}}
        topology: {processes: [[parse], [rules], [catalog], [mixer], [translate]]}
        kafka: {mode: external}
        redis: {mode: external, external: {url: "redis://user:secret@host:1"}}
        store: {mode: external, external: {url: /corpus}}
        triton: {mode: external}
        monitoring: {podMonitor: true}
        """,
        (
            "services.parser: there is no such process; there are: catalog, mixer, parse, rules, translate",
            "services.catalog: 3 copies of 1 workers, and shards.sealed has 2 (lanes)",
            "services.parse: 2 copies of 3 workers, and docs.raw has 4 (partitions)",
            "Set replicas times workers to 4 or less",
            "services.parse.autoscaling.min is 0",
            "memoryLimitBytes is 2048 MiB and the container's limit 2048 MiB",
            "services.rules.autoscaling.max is 5 and docs.parsed has 4 partitions: set it to 4 or less, or 0",
            "services.mixer.autoscaling.by is keda",
            "topology.processes names translate, which is no service",
            "set kafka.external.bootstrapServers",
            "put it into a Secret",
            "pods share no folder",
            "set triton.external.url to host:8001",
            "monitoring.podMonitor needs monitoring.coreos.com/v1/PodMonitor",
            "autoscaling.by: keda needs keda.sh/v1alpha1/ScaledObject",
        ),
    ),
    (
        """
        kafka: {mode: external, external: {bootstrapServers: "k:9092", securityProtocol: SASL_SSL}}
        redis: {mode: external}
        triton: {mode: deployed}
        """,
        (
            "set saslMechanism, username and passwordSecret.name",
            "redis.external.url",
            "triton.deployed.image",
        ),
    ),
    (
        """
        retention: {schedule: hourly}
        cold: {schedule: "* * * *", documents: 0}
        settings: {units: {dedup: {cold_after_days: 0, index: memory}}}
        topology: {services: {dedup: {enabled: false}}}
        """,
        (
            'retention.schedule is "hourly": five fields are needed',
            'cold.schedule is "* * * *": five fields',
            "documents would be old after 0 days: set cold.afterDays to 1 to 36500",
            "cold.documents is 0",
            "settings.units.dedup.index is memory",
            "topology.services.dedup.enabled is false",
        ),
    ),
    ("kafka: {mode: strimzi}", ("kafka.mode: strimzi needs kafka.strimzi.io/v1/Kafka",)),
]


@pytest.mark.parametrize(("values", "why"), REFUSED, ids=("all", "secured", "cold", "operators"))
def test_what_cannot_work_is_refused_with_what_to_do(
    helm: Path, tmp_path: Path, values: str, why: tuple[str, ...]
) -> None:
    """Prevents a release that installs and then does not run; all that is wrong is said at once."""
    said = refusal(helm, tmp_path / "values.yaml", textwrap.dedent(values))
    lines = {line for line in said.splitlines() if line.startswith("- ")}  # helm says them twice
    assert len(lines) == len(why) - ("Set replicas times workers to 4 or less" in why)
    for reason in why:
        assert reason in said
    assert "user:secret" not in said


def test_the_schema_is_closed_but_for_global(helm: Path, tmp_path: Path) -> None:
    """Prevents a misspelt value that is passed over, and a chart that cannot be a part of another."""
    file = tmp_path / "values.yaml"
    for values in (
        "lane: 3",
        "kafka: {mod: builtin}",
        "services: {parse: {replica: 2}}",
        "lanes: 0",
        "lanes: '2'",
    ):
        assert "values don't meet the specifications" in refusal(helm, file, values), values
    file.write_text("global: {image: x}")
    renders.template(helm, "--values", str(file))


def refusal(helm: Path, file: Path, values: str) -> str:
    """What is said to these values; fails where they are taken."""
    file.write_text(values)
    try:
        renders.template(helm, "--values", str(file), operators=())
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    raise AssertionError(f"taken: {values}")


def test_a_service_that_values_add_runs(helm: Path) -> None:
    """Prevents a chart that must be edited for a new entry of the topology."""
    added = {
        "services": {
            "translate": {"run": "mine:SERVICE", "input": "docs.parsed", "output": "docs.translated"}
        },
        "processes": [["parse"], ["translate"]],
        "topics": {"docs.translated": {"holds": "Document", "by": "partitions", "keep": "7d"}},
    }
    text = renders.template(
        helm, "--set-json", f"topology={json.dumps(added)}", "--set", "services.translate.replicas=3"
    )
    objects = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    spec = one(objects, "StatefulSet", "river-corpusworks-translate")["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"]["containers"][0]["args"] == ["translate", "--wait", "120"]
    assert one(objects, "PodDisruptionBudget", "river-corpusworks-translate")


def test_dashboards_and_alerts_come_along(helm: Path, objects: Objects) -> None:
    """Prevents a dashboard that is made and never installed."""
    of = {
        kind: [each for each in objects["production"] if each["kind"] == kind]
        for kind in ("PrometheusRule", "ConfigMap")
    }
    (rules,) = of["PrometheusRule"]
    committed = yaml.safe_load((renders.CHART / "rules/corpusworks.yaml").read_text())
    assert rules["spec"] == committed
    labelled = {
        name
        for each in of["ConfigMap"]
        if each["metadata"]["labels"].get("grafana_dashboard")
        for name in each["data"]
    }
    assert labelled == {file.name for file in (renders.CHART / "dashboards").glob("*.json")}


def test_an_import_of_several_pods_shares_its_list(helm: Path, tmp_path: Path) -> None:
    """Prevents pods that each read the whole list, a Job that wants all of them to end by themselves, and one
    that reads a dataset and still wants a volume.
    """
    entry = {"name": "web", "paths": ["hf://datasets/owner/name"], "preset": "fineweb", "secret": "hub"}
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump({"imports": [entry | {"parallelism": 4}, {"name": "one", "paths": ["s3://b"]}]})
    )
    rendered = list(filter(None, yaml.safe_load_all(renders.template(helm, "--values", str(values)))))
    four, one_pod = (
        next(
            each
            for each in rendered
            if each["kind"] == "Job" and f"-import-{name}-" in each["metadata"]["name"]
        )
        for name in ("web", "one")
    )
    assert four["spec"]["parallelism"] == 4
    assert "completions" not in four["spec"]
    (container,) = four["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["import", "--wait", "180", *entry["paths"], "--preset", "fineweb", "--share"]
    assert container["envFrom"] == [{"secretRef": {"name": "hub"}}]
    (container,) = one_pod["spec"]["template"]["spec"]["containers"]
    assert "--share" not in container["args"]
    assert "parallelism" not in one_pod["spec"]


def test_what_is_old_goes_to_the_cold_tier_where_that_is_wanted(objects: Objects) -> None:
    """Prevents a Job that nobody asked for, two at a time, one that reaches neither Kafka nor Redis, and an
    age that `dedup rebuild` in a pod of the river does not know.
    """

    def units(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
        river = one(objects, "ConfigMap", "river-corpusworks")["data"]["settings.yaml"]
        return dict(yaml.safe_load(river).get("units", {}))

    assert not [each for each in objects["external"] if each["metadata"]["name"] == "river-corpusworks-cold"]
    assert "dedup" not in units(objects["external"])
    made = objects["production"]
    spec = one(made, "CronJob", "river-corpusworks-cold")["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("41 3 * * *", "Forbid")
    template = spec["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["command"] + container["args"] == ["corpusworks", "dedup", "cool"]
    service = one(made, "StatefulSet", "river-corpusworks-tokenizer")["spec"]["template"]["spec"]
    secrets, known = (
        next(volume for volume in pod["volumes"] if volume["name"] == "secrets")
        for pod in (template["spec"], service)
    )
    assert secrets == known
    assert units(made)["dedup"] == {"cold_after_days": 180, "cold_documents": 100_000_000}
    clients = one(made, "NetworkPolicy", "river-corpusworks-clients")["spec"]["podSelector"]
    labels = template["metadata"]["labels"]
    assert clients["matchLabels"].items() <= labels.items()
    (servers,) = clients["matchExpressions"]
    assert (servers["operator"], labels[servers["key"]] in servers["values"]) == ("NotIn", False)


def test_a_door_that_is_open_is_reached_and_nothing_else(objects: Objects) -> None:
    """Prevents an upload service that nobody reaches, or whose keys are not where it looks for them."""
    assert not [one for one in objects["try-out"] if str(one["metadata"]["name"]).endswith("-upload")]
    found = {one["kind"]: one for one in objects["production"] if one["metadata"]["name"].endswith("-upload")}
    assert set(found) == {"Deployment", "Service", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert environment["CORPUSWORKS_UNITS__UPLOAD__PORT"] == str(ports["door"])
    keys = environment["CORPUSWORKS_UNITS__UPLOAD__KEYS"]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert keys.rpartition("/")[0] in mounts
    assert found["Service"]["spec"]["ports"] == [{"name": "door", "port": 8000, "targetPort": "door"}]
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": 8000}]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("crawl", {"delay_s": 0.05, "max_urls": 20_000_000, "ports": [80, 8080], "follow": "any"}),
        ("launcher", {"period_s": 0.5, "grace_s": 1_000_000, "policy": {"start_tokens": 40_000_000}}),
    ],
)
def test_a_process_has_the_settings_that_the_values_say(
    helm: Path, tmp_path: Path, name: str, told: dict[str, Any]
) -> None:
    """Prevents a pause of .05 s that becomes none, and a million that becomes 1e+06."""
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({name: {"enabled": True, "settings": told}}))
    rendered = list(filter(None, yaml.safe_load_all(renders.template(helm, "--values", str(values)))))
    pod = one(rendered, "Deployment", f"river-corpusworks-{name}")["spec"]["template"]["spec"]
    said = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    found = {key: said[f"CORPUSWORKS_UNITS__{name}__{key}".upper()] for key in told}
    assert {key: text if key == "follow" else json.loads(text) for key, text in found.items()} == told


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("upload.enabled=true", "nobody could come in"),
        (
            "upload.enabled=true,upload.keysSecret.name=k,upload.ingress.enabled=true",
            "set upload.ingress.host",
        ),
        (
            "upload.enabled=true,upload.keysSecret.name=k,upload.route.enabled=true",
            "name a Gateway in upload.route",
        ),
        (
            "upload.enabled=true,upload.keysSecret.name=k,upload.memoryLimitBytes=3221225472",
            "leaves less than 200 MiB",
        ),
    ],
)
def test_a_door_that_cannot_work_is_refused(helm: Path, values: str, says: str) -> None:
    """Prevents an open door without keys, without a name, or one that the kernel ends."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        renders.template(helm, "--set", values)
    assert says in refused.value.stderr
