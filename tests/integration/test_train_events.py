"""What the trainer says reaches Kafka: events train.events, a quarantine every lane, after any kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import Control, TrainEvent
from services.launcher.backends.process import TrainerProcess
from services.launcher.config import LauncherConfig
from services.launcher.control import Control as Launcher
from services.launcher.forward import Forward
from services.local.run import applied
from services.local.stack import Stack
from services.runtime import ConfigurationError, Resources, Settings, load_settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topology import Topology
from tests.unit.launcher.store import say, step

pytestmark = pytest.mark.stack

LANES = 2
CONFIG = LauncherConfig(run="first")


class Killed(Exception):
    """In the place of a SIGKILL."""


def read(settings: Settings, topic: str) -> list[tuple[int, bytes]]:
    """(partition, value)."""
    with Log(settings) as log:
        return [(record.partition, record.value) for record in log.read_all(topic)]


def test_events_and_quarantines_reach_the_river(tmp_path: Path) -> None:
    mixes: list[int] = []
    with (
        Stack(tmp_path / "state") as stack,
        applied(
            stack.environment | {"CORPUSWORKS_LANES": str(LANES), "CORPUSWORKS_STORE_URL": tmp_path.as_uri()}
        ),
    ):
        settings = load_settings()
        with pytest.raises(ConfigurationError, match=r"no topic train.events"):
            Forward(settings, "first", lambda *_: None)
        topology = Topology.load(None, ("zh",))
        with Admin(settings) as admin:
            admin.create_topics([topology.topics()[name] for name in ("train.events", "pool.control")])
        store = Resources(settings).store
        forward = Forward(settings, "first", lambda _settings, event: mixes.append(event.step))

        def launcher() -> Launcher:
            backend = TrainerProcess(lambda _: [], tmp_path / "log")
            return Launcher(CONFIG, store, settings.store_url, backend, forward=forward, topic=forward.topic)

        guilty = TrainEvent(
            kind="quarantine", step=3, documents=[5, 2**63 + 9], detail="spoil it", report="r.json"
        )
        say(store, 0, TrainEvent(kind="start"), step(2, 10, 0))
        say(store, 2, guilty, TrainEvent(kind="mix", step=4, weights={"zh": 1}))
        first = launcher()
        first._permit = kill_after(1)  # before its second segment
        with pytest.raises(Killed):
            first.follow()
        launcher().follow()
        launcher().follow()

        events = [(place, TrainEvent.FromString(value)) for place, value in read(settings, "train.events")]
        assert [event.number for _, event in events] == [0, 1, 2, 3]
        assert len({place for place, _ in events}) == 1, "a run's events keep their order"
        assert events[2][1] == guilty
        assert mixes == [4]
        told = [
            (lane, Control.FromString(value).quarantine) for lane, value in read(settings, "pool.control")
        ]
        assert sorted((lane, one.uid) for lane, one in told) == [
            (lane, uid) for lane in range(LANES) for uid in (5, 2**63 + 9)
        ]
        assert {one.why for _, one in told} == {"spoil it (run first, step 3, see r.json)"}


def kill_after(times: int) -> Callable[[], None]:
    left = [times]

    def permit() -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1

    return permit
