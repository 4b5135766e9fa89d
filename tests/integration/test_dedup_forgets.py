"""Redis comes back with less than it had, or with something else: dedup refuses it, and can be helped.

Each loss is made on purpose against a real broker and a real server: refusal before anything is judged,
`corpusworks dedup rebuild`, and then no document that was seen before goes on again.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from typer.testing import CliRunner

from contracts import Control, Document
from services.cli.app import app
from services.local.stack import Stack
from services.runtime import Settings, topics
from services.runtime.clients.kafka import GROUP_PREFIX, connection
from services.runtime.errors import EXIT_CONFIGURATION
from services.runtime.settings import RedisSettings
from tests.integration.rig import Rig, rig, unit
from tests.integration.served import Process
from tests.near_duplicates import corpus
from tests.servers import RedisServer

pytestmark = pytest.mark.stack

SESSION_S = 2.0
TOPICS = {
    topics.DEDUP_LOG: {"holds": "DedupRecord", "by": "partitions", "compact": True},
    topics.UNIQUE: {"holds": "Document", "by": "partitions"},
    topics.CONTROL: {"holds": "Control", "by": "partitions"},
    topics.STARTS: {"holds": "FirstStart", "by": "one", "compact": True},
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker of this module's own, since dedup.log is of all that dedup ever saw."""
    elsewhere = Settings(redis=RedisSettings(url="redis://127.0.0.1:1/0"))
    with Stack(tmp_path_factory.mktemp("state"), elsewhere) as stack:
        yield stack


class Dedup:
    """A dedup service of a test's own, its Redis, and what it is given."""

    def __init__(self, river: Rig, server: RedisServer, folder: Path) -> None:
        self.river = river
        self.server = server
        self.folder = folder  # of the server
        self._process: Process | None = None

    def run(self) -> Process:
        self._process = self.river.serve()
        return self._process

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(30) == 0, self.river.log()[-2000:]

    def takes(self, documents: list[Document]) -> None:
        """Publish, and wait until all of them are decided and committed."""
        before = sum(self.river.committed().values())
        self.river.publish(documents)
        deadline = time.monotonic() + 60
        while sum(self.river.committed().values()) < before + len(documents):
            assert time.monotonic() < deadline, self.river.log()[-3000:]
            time.sleep(0.1)

    def refuses(self, *words: str) -> None:
        """The service that runs, or is started now, ends and says why."""
        if self._process is None or self._process.poll() is not None:
            self.run()
        assert self._process is not None
        assert self._process.wait(60) == EXIT_CONFIGURATION, self.river.log()[-3000:]
        last = self.river.log().splitlines()[-1]
        for word in ("corpusworks: ", "dedup rebuild", *words):
            assert word in last, last

    def rebuild(self, *said: str) -> None:
        done = CliRunner().invoke(app, ["dedup", "rebuild", "--yes"])
        assert done.exit_code == 0, done.output
        for word in said:
            assert word in done.output

    def on(self) -> dict[int, int]:
        """How often each document has gone on."""
        return dict(Counter(document.uid for document in self.river.documents()))

    def standing(self) -> set[int]:
        """Those that went on and were not taken back."""
        back = (
            Control.FromString(record.value).retraction.uid for record in self.river.records(topics.CONTROL)
        )
        return set(self.on()) - set(back)

    def restart_server(self, change: Callable[[], object]) -> None:
        self.server.stop()
        change()
        self.server.start()


@pytest.fixture
def dedup(request: pytest.FixtureRequest, broker: Stack, tmp_path: Path) -> Iterator[Dedup]:
    """A service, topics and a Redis of the test's own; dedup.log is of all tests."""
    name = f"forgets{abs(hash(request.node.name)) % 10**6}"
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    settings = {
        "CORPUSWORKS_REDIS__URL": server.url,
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "50",
        "CORPUSWORKS_PARTITIONS": "2",
        "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
    }
    try:
        with rig(broker, tmp_path, name, unit(name, "services.dedup:SERVICE"), TOPICS, **settings) as river:
            yield Dedup(river, server, tmp_path / "redis")
    finally:
        server.stop()


def remove_topics(river: Rig) -> None:
    """All of them, and the group: what comes after finds a new Kafka."""
    admin = KafkaAdminClient(**connection(river.settings.kafka))
    names, group = set(river.topology.topics()), GROUP_PREFIX + river.name
    deadline = time.monotonic() + 30
    while admin.describe_groups([group])[group]["members"]:  # its session is not over
        assert time.monotonic() < deadline
        time.sleep(0.1)
    admin.delete_groups([group])
    admin.delete_topics(list(names))
    while set(admin.list_topics()) & names:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    admin.close()


def some(seed: int) -> tuple[list[Document], list[Document]]:
    """Two halves of a corpus with near-duplicates across them."""
    documents = corpus(seed)
    for document in documents:
        document.ClearField("position")
        document.score = document.rank
    return documents[::2], documents[1::2]


def test_an_older_copy_is_refused_and_rebuilt(
    dedup: Dedup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: an older copy of Redis restored, a file read again, and 391 documents twice, exit 0.

    And then all of it goes to the cold tier, where it is still known.
    """
    first, second = some(1)
    dedup.run()
    dedup.takes(first)
    # What becomes a dead letter, or is dropped before dedup, is committed too, and is no loss.
    dedup.takes([Document(text="without a uid", id=str(number)) for number in range(3)])
    beside = CliRunner().invoke(app, ["dedup", "rebuild"], input="y\n")
    assert "Stop them first" in str(beside.exception)
    dedup.stop()
    dedup.restart_server(lambda: shutil.copytree(dedup.folder, tmp_path / "older"))
    dedup.run()
    dedup.takes(second)
    dedup.stop()

    def restore() -> None:
        shutil.rmtree(dedup.folder)
        shutil.copytree(tmp_path / "older", dedup.folder)

    dedup.restart_server(restore)
    before = dedup.on()
    dedup.river.publish(second)  # the same file once more
    dedup.refuses("has forgotten something", "Kafka has committed")
    assert dedup.on() == before
    declined = CliRunner().invoke(app, ["dedup", "rebuild"], input="n\n")
    assert (declined.exit_code, "replaced by what dedup.log says" in declined.output) == (1, True)
    dedup.rebuild("documents/s")
    shown = CliRunner().invoke(app, ["dedup", "status"])
    assert "records; Redis uses" in shown.output, shown.output
    assert f"{dedup.river.source} 1: judged below" in shown.output
    dedup.run()
    dedup.takes(first)
    assert dedup.on() == before
    assert set(before.values()) == {1}
    dropped = [record for record in dedup.river.records("docs.rejected") if b"already_seen" in record.value]
    assert len(dropped) >= len(first) + len(second)
    dedup.stop()
    refused = CliRunner().invoke(app, ["dedup", "cool"])
    assert "cold_after_days is 0" in str(refused.exception)
    monkeypatch.setenv("CORPUSWORKS_UNITS__DEDUP__COLD_AFTER_DAYS", "1")
    monkeypatch.setattr("services.cli.dedup._DAY_S", 0)
    cooled = CliRunner().invoke(app, ["dedup", "cool"])
    assert f"{len(first) + len(second)} documents moved. Cold tier:" in cooled.output, cooled
    shown = CliRunner().invoke(app, ["dedup", "status"])
    assert "\n0 records; Redis uses" in shown.output, shown.output
    dedup.run()
    dedup.takes(first)
    assert dedup.on() == before
    dedup.stop()


@pytest.mark.soak
def test_a_cut_append_only_file_is_refused_and_rebuilt(dedup: Dedup) -> None:
    first, second = some(2)
    dedup.run()
    dedup.takes(first)
    (log,) = (dedup.folder / "appendonlydir").glob("*.incr.aof")
    size = log.stat().st_size
    dedup.takes(second)
    dedup.stop()

    def cut() -> None:
        with log.open("r+b") as file:
            file.truncate(size + (log.stat().st_size - size) // 2)

    dedup.restart_server(cut)
    dedup.refuses("has forgotten something")
    dedup.rebuild()
    before = dedup.on()
    dedup.run()
    dedup.takes(first + second)
    assert dedup.on() == before
    dedup.stop()


@pytest.mark.parametrize(
    "running", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["running", "stopped"]
)
def test_an_emptied_redis_is_refused_and_rebuilt(dedup: Dedup, running: bool) -> None:
    first, second = some(3 + running)
    dedup.run()
    dedup.takes(first)
    if not running:
        dedup.stop()
    before = dedup.on()
    dedup.server.client().flushall()
    dedup.river.publish(second)
    dedup.refuses("was emptied" if running else "is empty, but Kafka has committed")
    assert dedup.on() == before
    assert dedup.server.client().dbsize() == 0
    dedup.rebuild()
    dedup.run()
    dedup.takes(first)
    assert set(dedup.on().values()) == {1}
    dedup.stop()


def test_topics_made_anew_beside_an_old_redis_are_refused_and_begin_empty(dedup: Dedup) -> None:
    """Prevents: `--fresh` with a Redis of the user's own, after which every document is already_seen."""
    first, _ = some(5)
    dedup.run()
    dedup.takes(first)
    dedup.stop()
    before = dedup.standing()
    remove_topics(dedup.river)
    made = CliRunner().invoke(app, ["topics"])
    assert made.exit_code == 0, made.output
    dedup.river.publish(first)
    dedup.refuses("other topics", "units.dedup.prefix")
    assert dedup.on() == {}
    dedup.rebuild("0 documents")
    dedup.run()
    deadline = time.monotonic() + 60
    while sum(dedup.river.committed().values()) < len(first):
        assert time.monotonic() < deadline, dedup.river.log()[-3000:]
        time.sleep(0.2)
    assert dedup.standing() == before
    dedup.stop()
