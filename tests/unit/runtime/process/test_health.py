"""Probes and metrics over real HTTP, on loopback."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from services.runtime import ConfigurationError, DependencyDown, load_settings, metrics
from services.runtime.process.health import Health, serve_health
from services.runtime.process.lifecycle import Process
from tests.servers import free_port

LIMIT_S = 0.4


@pytest.fixture
def health() -> Health:
    return Health(limit_s=LIMIT_S)


@pytest.fixture
def url(health: Health) -> Iterator[str]:
    server = serve_health(health, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_livez_fails_when_the_loop_stands_still(health: Health, url: str) -> None:
    """Prevents a process that hangs from being kept; it lives again when it moves again."""
    health.moved()
    assert get(url + "/livez")[0] == 200
    time.sleep(LIMIT_S + 0.1)
    status, why = get(url + "/livez")
    assert status == 503
    assert "limit" in why
    health.moved()
    assert get(url + "/livez")[0] == 200


def test_readyz_says_what_is_missing(health: Health, url: str) -> None:
    """Prevents a readiness that always says yes."""
    assert get(url + "/readyz") == (503, "partitions: not assigned yet\n")
    health.ready("partitions")
    assert get(url + "/readyz") == (200, "ready\n")
    health.unready("redis", "connection refused")
    health.unready("kafka", "no broker")
    assert get(url + "/readyz") == (503, "redis: connection refused; kafka: no broker\n")
    health.ready("redis")
    health.ready("kafka")
    assert get(url + "/readyz")[0] == 200


def test_a_dependency_that_is_away_does_not_touch_livez(health: Health, url: str) -> None:
    """Prevents the orchestrator from restarting every pod because the broker is away."""
    health.unready("kafka", "no broker")
    health.moved()
    assert get(url + "/livez")[0] == 200


def test_metrics_are_served_as_prometheus_reads_them(url: str) -> None:
    """Prevents a scrape without the river's own numbers."""
    metrics.DOCUMENTS.labels("test_health", "rules", "drop", "too_short").inc(3)
    status, text = get(url + "/metrics")
    assert status == 200
    labels = 'outcome="drop",reason="too_short",service="test_health",unit="rules"'
    assert f"corpusworks_documents_total{{{labels}}} 3.0" in text.splitlines()


def test_other_paths_are_told_where_to_go(url: str) -> None:
    """Prevents a wrong path in a chart from looking like a healthy pod."""
    status, text = get(url + "/healthz")
    assert status == 404
    assert "/livez" in text


class TestProcess:
    """Signals, waiting and readiness of a service process."""

    @pytest.fixture
    def process(self, clean_environment: pytest.MonkeyPatch) -> Iterator[Process]:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield Process(load_settings(stop_grace_s=5.0), "test")
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_a_failure_makes_it_unready_and_alive_until_it_works_again(self, process: Process) -> None:
        """Prevents traffic and alarms from missing a dependency that is down."""
        process.health.ready("partitions")
        process.failed(DependencyDown("redis", "connection refused"))
        assert process.health.unready_reasons() == {"redis"}
        assert process.health.live[0]
        process.failed(ValueError("anything else is the broker's"))
        assert process.health.unready_reasons() == {"redis", "kafka"}
        process.worked()
        assert process.health.readiness == (True, "ready")

    def test_sigterm_stops_and_leaves_time_to_finish(self, process: Process) -> None:
        """Prevents a batch from being cut off at once, and from outlasting the grace period."""
        woken: list[bool] = []
        process.wake = lambda: woken.append(process.stopping)
        process.start()
        signal.raise_signal(signal.SIGTERM)
        assert process.stopping
        assert woken == [True], "whoever waits looks at once, and sees that it is to stop"
        assert not process.must_give_up()
        deadline = time.monotonic() + 5
        while not process.must_give_up() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.must_give_up()

    def test_waiting_ends_when_it_must_stop(self, process: Process) -> None:
        """Prevents a long back-off from eating the grace period."""
        process.stopping = True
        begin = time.monotonic()
        for _ in range(20):
            process.failed(DependencyDown("redis", "x"))
        assert time.monotonic() - begin < 5

    def test_a_port_that_is_taken_is_a_wrong_setting(self, clean_environment: pytest.MonkeyPatch) -> None:
        """Prevents 'Address already in use' without saying which setting to change."""
        taken = serve_health(Health(1), "127.0.0.1", 0)
        try:
            process = Process(load_settings(http_port=taken.server_port), "test")
            with pytest.raises(ConfigurationError, match="CORPUSWORKS_HTTP_PORT"):
                process.start()
        finally:
            taken.shutdown()
            taken.server_close()

    def test_a_port_of_ones_own(self, process: Process, clean_environment: pytest.MonkeyPatch) -> None:
        """Prevents the chart's port from being ignored."""
        port = free_port()
        Process(load_settings(http_port=port), "test").start()
        assert get(f"http://127.0.0.1:{port}/livez")[0] == 200
