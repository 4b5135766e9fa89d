"""A service's copies by its lag: real copies on a real broker, started and stopped as KEDA and HPA would.

The ScaledObject is what the chart renders; pages come in bursts, each of more than one copy reads while the
autoscaler adds another. Time is real: some seven minutes. What was seen lies in autoscaling.json and .svg of
the folder that is printed.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from charts import renders
from contracts import Document
from services.local.stack import Stack
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from tests.autoscaler import SYNC_S, Autoscaler, Rules, turns
from tests.charts.conftest import helm as helm  # noqa: PLC0414 - the fixture
from tests.integration.rig import Rig, rig
from tests.integration.served import Process

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(1800)]

PAGES = sorted((Path(__file__).parents[1] / "data/documents/html").glob("*.html"))
FIRST = 1000  # pages, by which it is measured what a copy reads in a second
BURSTS, BURST_S, CALM_S = 4, 40, 20  # of so many seconds' work for one copy, and nothing after it was read
WINDOW_S = 75  # the chart's stabilizationSeconds: longer than a calm and a look
THRESHOLD_S = 5  # seconds' work that may wait for each copy
TICK_S = 1.0
PATIENCE_S = 1200


@dataclass(frozen=True)
class Seen:
    """at_s: since the first burst. lags: by partition. copies: that run."""

    at_s: float
    lags: list[int]
    copies: int

    @property
    def lag(self) -> int:
        """Messages that wait."""
        return sum(self.lags)


@dataclass
class Copies:
    """Of the service; the last is the first to go, as of a StatefulSet."""

    river: Rig
    running: list[Process] = field(default_factory=list)

    def become(self, number: int) -> None:
        """Start or stop some; returns when those have ended."""
        while len(self.running) < number:
            self.running.append(self.river.serve("parse", instance=str(len(self.running))))
        leaving, self.running = self.running[number:], self.running[:number]
        for process in leaving:
            process.terminate()
        assert [process.wait(60) for process in leaving] == [0] * len(leaving)


def pages(numbers: Iterator[int], count: int) -> list[Document]:
    """The project's sample pages, each time with another comment."""
    bodies = [path.read_bytes() for path in PAGES]
    made = ((n, bodies[n % len(bodies)] + b"<!-- %d -->" % n) for n in itertools.islice(numbers, count))
    return [Document(id=str(n), uid=n, media_type="text/html", body=body) for n, body in made]


def lags(admin: Admin, log: Log) -> list[int]:
    """As KEDA counts them, from the earliest where nothing is committed."""
    committed = admin.committed("parse")
    ends = log.ends(["docs.raw"])
    return [end - committed.get(tp, 0) for tp, end in sorted(ends.items())]


def scaler_of(helm: Path, threshold: int) -> Autoscaler:
    """What the chart asks for."""
    told = {"by": "keda", "lag": threshold, "stabilizationSeconds": WINDOW_S}
    chosen = ",".join(f"services.parse.autoscaling.{name}={value}" for name, value in told.items())
    made = yaml.safe_load_all(renders.template(helm, "--set", chosen))
    (scaled,) = (each for each in made if each and each["kind"] == "ScaledObject")
    trigger = scaled["spec"]["triggers"][0]["metadata"]
    assert (trigger["consumerGroup"], trigger["topic"]) == ("parse", "docs.raw")
    return Autoscaler.of(scaled)


def test_one_to_four_to_one(helm: Path, tmp_path: Path) -> None:
    """Prevents copies that come and go with every burst, that stay, or that lose what they hand over."""
    services = {"parse": {"run": "services.parse:SERVICE", "input": "docs.raw", "output": "docs.parsed"}}
    topics = {name: {"holds": "Document", "by": "partitions"} for name in ("docs.raw", "docs.parsed")}
    with (
        Stack(tmp_path / "state") as stack,
        rig(stack, tmp_path, "parse", services, topics, CORPUSWORKS_BATCH_MAX_DOCUMENTS="100") as river,
        Admin(river.settings) as admin,
        Log(river.settings) as log,
    ):
        copies, numbers = Copies(river), itertools.count(1)
        copies.become(1)
        rate = first_rate(river, admin, log, numbers)
        scaler = scaler_of(helm, round(rate * THRESHOLD_S))
        seen = list(follow(copies, scaler, round(rate * BURST_S), numbers, admin, log))
        keep(seen, scaler, tmp_path)
        print(f"\n{rate:.0f} pages a second by one copy; {seen[-1].at_s:.0f} s: {tmp_path}")
        counts = [each.copies for each in seen]
        assert max(counts) == 4
        assert (counts[-1], seen[-1].lag) == (1, 0)
        assert turns(counts) == 1, "up once, and down once"
        assert turns(hasty(seen, scaler)) > 1, "these bursts would have made it flap without the window"
        out = Counter(document.uid for document in river.documents("docs.parsed"))
        assert out == Counter(range(1, next(numbers)))


def first_rate(river: Rig, admin: Admin, log: Log, numbers: Iterator[int]) -> float:
    """Pages a second that one copy reads, from when it has begun."""
    river.publish(pages(numbers, FIRST), "docs.raw")
    river.wait_until(lambda: sum(lags(admin, log)) < FIRST, 120)
    begun, left = time.monotonic(), sum(lags(admin, log))
    river.wait_until(lambda: sum(lags(admin, log)) == 0, 300)
    return left / (time.monotonic() - begun)


def follow(
    copies: Copies, scaler: Autoscaler, burst: int, numbers: Iterator[int], admin: Admin, log: Log
) -> Iterator[Seen]:
    """Bursts until enough came, then nothing, until one copy is left; a look at a time."""
    begun, look, left, due = time.monotonic(), 0.0, BURSTS, 0.0
    while True:
        now, waiting = time.monotonic() - begun, lags(admin, log)
        assert now < PATIENCE_S, waiting
        if now >= look:
            copies.become(scaler.copies(now, waiting, len(copies.running)))
            look += SYNC_S
        yield Seen(round(now, 1), waiting, len(copies.running))
        calm = sum(waiting) == 0
        if calm and not left and len(copies.running) == 1:
            return
        due = due if calm else now + CALM_S
        if left and now >= due:
            for begin in range(0, burst, FIRST):
                copies.river.publish(pages(numbers, min(FIRST, burst - begin)), "docs.raw")
            left, due = left - 1, now + CALM_S
        time.sleep(TICK_S)


def hasty(seen: Sequence[Seen], scaler: Autoscaler) -> list[int]:
    """Copies that the same lags would have led to, were fewer believed at once."""
    again = dataclasses.replace(scaler, down=Rules(0, scaler.down.policies))
    found, look = [1], 0.0
    for each in seen:
        if each.at_s >= look:
            found.append(again.copies(each.at_s, each.lags, found[-1]))
            look += SYNC_S
    return found


def keep(seen: Sequence[Seen], scaler: Autoscaler, folder: Path) -> None:
    """The series as JSON, and as a picture."""
    told = {"threshold": scaler.threshold, "seen": [dataclasses.asdict(each) for each in seen]}
    (folder / "autoscaling.json").write_text(json.dumps(told))
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, left = pyplot.subplots(figsize=(9, 3.2), layout="constrained")
    at = [each.at_s for each in seen]
    left.fill_between(at, [each.lag for each in seen], color="#9db8d2", linewidth=0)
    left.axhline(scaler.threshold, color="#4a6c8c", linewidth=0.8, linestyle=":")
    left.set(xlabel="seconds", ylabel="messages that wait", xlim=(0, at[-1]), ylim=(0, None))
    right = left.twinx()
    right.step(at, [each.copies for each in seen], where="post", color="#b5482a")
    right.set(ylabel="copies", ylim=(0, 4.4), yticks=range(5))
    figure.savefig(folder / "autoscaling.svg")
