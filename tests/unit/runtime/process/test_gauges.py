"""Numbers of the servers behind the units: shown while they answer, and gone when they don't."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import REGISTRY

from services.runtime import Resources, Unit, load_settings
from services.runtime.process.gauges import watch_gauges
from tests.units import NoConfig

_NAME = "corpusworks_redis_used_bytes"


def unit(gauges: Callable[[Any, Resources], Mapping[str, float]] | None) -> Unit:
    return Unit("gauged", NoConfig, lambda config, resources: list, gauges=gauges)  # type: ignore[arg-type, return-value]


def shown() -> float | None:
    return REGISTRY.get_sample_value(_NAME, {"service": "gauged"})


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_a_server_tells_is_shown_until_it_tells_nothing() -> None:
    """Prevents the memory of a dead server from looking well , and from ending the asking."""
    answers: list[float | None] = [7.0]

    def gauges(config: NoConfig, resources: Resources) -> Mapping[str, float]:
        assert isinstance(config, NoConfig)
        if answers[-1] is None:
            raise ConnectionError("away")
        return {"redis_used_bytes": answers[-1]}

    ended = watch_gauges(load_settings(), [unit(gauges)], every_s=0.005)
    try:
        until(lambda: shown() == 7)
        answers.append(None)
        until(lambda: shown() is None)
        answers.append(9.0)
        until(lambda: shown() == 9)
    finally:
        ended.set()


def test_units_without_a_server_cost_nothing() -> None:
    """Prevents a thread in every service."""
    import threading

    before = threading.active_count()
    watch_gauges(load_settings(), [unit(None)])
    assert threading.active_count() == before
