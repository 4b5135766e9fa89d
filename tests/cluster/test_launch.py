"""A run from its first part to its end, on pods: starved, resumed, in another phase, under other hands."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from contracts import TrainEvent
from services.launcher.policy import Reason
from services.local.run import applied
from services.local.stack import Stack
from services.runtime.clients.log import Log
from tests.cluster.training import BATCH, TOKENS, Training
from tests.kubernetes_server import KubernetesServer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def forwarded(kafka: Stack, run: str) -> list[TrainEvent]:
    """The events of a run on train.events, each once, in their order."""
    with applied(kafka.environment) as settings, Log(settings) as log:
        said = [TrainEvent.FromString(record.value) for record in log.read_all("train.events")]
    found = {event.number: event for event in said if event.run == run}
    return [found[number] for number in sorted(found)]


def test_two_workers_train_to_their_end(node: KubernetesServer, kafka: Stack, tmp_path: Path) -> None:
    policy = {"start_tokens": 4 * TOKENS, "resume_tokens": TOKENS, "starve_tokens": BATCH}
    settings = {"workers": 2, "policy": policy}
    with Training(node, kafka, tmp_path, "whole", 8, settings) as training:
        training.launch("one")
        training.seal(3)
        training.until("a leader", lambda: training.leader().startswith("one_"))
        assert not training.job(), "three parts are too few"
        training.seal(1)
        training.until("a job", training.job)
        training.until("it succeeds", lambda: training.condition("Succeeded"))
        training.until("that is understood", lambda: training.condition("TokensReady") == Reason.ENDED)
        events = training.events()
        assert [event["step"] for event in events if event["kind"] == "step"] == list(range(1, 9))
        assert (events[0]["kind"], events[-1]["kind"], events[-1]["detail"]) == ("start", "end", "done")
        training.until("all is forwarded", lambda: len(forwarded(kafka, "whole")) == len(events))
        assert training.end("one") == 0
        assert training.leader() == "", "given up, not left to run out"
        assert (training.most_jobs, training.most_pods) == (1, 2)


def test_a_run_with_every_trouble(node: KubernetesServer, kafka: Stack, tmp_path: Path) -> None:
    """Starved, resumed by another leader, in another phase by another job, under a server that falls."""
    settings = {
        "workers": 2,
        "phases": {"anneal": {"workers": 1}},
        "policy": {
            "start_tokens": 2 * TOKENS,
            "resume_tokens": 2 * TOKENS,
            "starve_tokens": BATCH,
            "starve_after_s": 5,
        },
    }
    with Training(node, kafka, tmp_path, "troubled", 12, settings) as training:
        training.launch("one")
        training.until("a leader", lambda: training.leader().startswith("one_"))
        training.launch("two")
        training.seal(2)
        training.until("it has read two parts", lambda: training.step() == 4)
        training.until("it is starved", lambda: training.condition("TokensReady") == Reason.STARVED)
        training.until("its pods are gone", lambda: not training.pods())
        assert training.job()["spec"]["runPolicy"]["suspend"] is True

        assert training.end("one", signal.SIGKILL) == -signal.SIGKILL
        training.seal(2)
        training.until("the other one resumes it", lambda: not training.job()["spec"]["runPolicy"]["suspend"])
        assert training.leader().startswith("two_")
        training.until("it goes on", lambda: training.step() == 8)
        first = training.job()["metadata"]["uid"]

        node.script("kill", "kube-apiserver")
        training.seal(1, "anneal")
        node.start_api()
        training.until("another job", lambda: training.job().get("metadata", {}).get("uid", first) != first)
        assert "Worker" not in training.job()["spec"]["pytorchReplicaSpecs"]
        training.seal(1, "anneal")
        training.until("it succeeds", lambda: training.condition("Succeeded"))
        training.until("that is understood", lambda: training.condition("TokensReady") == Reason.ENDED)

        steps = [event["step"] for event in training.events() if event["kind"] == "step"]
        assert sorted(set(steps)) == list(range(1, 13))
        assert steps == sorted(set(steps)), "each was trained once: a suspended trainer writes a checkpoint"
        phases = [event["phase"] for event in training.events() if event["kind"] == "phase"]
        assert phases[-1] == "anneal"
        assert (training.most_jobs, training.most_pods) == (1, 2)
        numbers = [event.number for event in forwarded(kafka, "troubled")]
        assert numbers == list(range(len(training.events())))
