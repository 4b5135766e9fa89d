"""sentences between a real broker and a real Redis: killed in the middle, and nothing is counted twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts import Document, Flush
from services.cli.app import app
from services.local.stack import Stack
from services.runtime import ObjectStore, topics
from tests.integration.rig import Rig, rig, unit
from tests.servers import RedisServer
from tests.unit.archive.rows import lane

pytestmark = pytest.mark.stack

FRAME = "The Harbour Gazette is not liable for what other sites say, and sells no licences."
HOSTS, PAGES, PER_BATCH = 4, 40, 8
TOPICS = {topics.STARTS: {"holds": "FirstStart", "by": "one", "compact": True}}


@pytest.fixture
def river(shared_stack: Stack, tmp_path: Path) -> Iterator[Rig]:
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    settings = {
        "CORPUSWORKS_REDIS__URL": server.url,
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": str(PER_BATCH),
        "CORPUSWORKS_PARTITIONS": "2",
        "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "2",
        "CORPUSWORKS_UNITS__SENTENCES__OF": '["*.example"]',
        "CORPUSWORKS_UNITS__SENTENCES__ENTRIES": "65536",
    }
    try:
        table = unit("sentences", "services.sentences:SERVICE")
        with rig(shared_stack, tmp_path, "sentences", table, TOPICS, **settings) as made:
            yield made
    finally:
        server.stop()


def pages(name: str = "h") -> list[Document]:
    """name: begins that of each host."""
    made = []
    for number in range(HOSTS * PAGES):
        host = f"{name}{number % HOSTS}.example"
        text = f"Ship {number} came in at {number % 24} with a cargo that nobody else had.\n\n{FRAME}\n"
        uid = (number << 8 | ord(name)) * 0x9E3779B97F4A7C15 % (1 << 64)
        metadata = {"url": f"https://{host}/{number}"}
        made.append(Document(uid=uid, text=text, format="prose", language="en", metadata=metadata))
    return made


def archive_of(folder: Path, documents: list[Document]) -> Path:
    """A river's folder, as far as its archive goes."""
    store = ObjectStore(folder.as_uri())
    store.put("parts/river.json", b"{}")
    archive = lane(store)
    archive.put("pool.en", *documents)
    archive.put("archive.flush", Flush(run="1"))
    archive.run()
    return folder


def test_kills_count_nothing_twice(river: Rig, tmp_path: Path) -> None:
    """The greatest count of each host is the number of its pages: one more would be a page counted twice.

    Prevents a frame being seen in a text that stood in one document, since that was judged three times.
    """
    river.publish(pages())
    for _ in range(2):
        process, before = river.serve(), sum(river.committed().values())
        deadline = time.monotonic() + 60
        while sum(river.committed().values()) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        river.kill(process)
    last = river.serve()
    river.wait_for(HOSTS * PAGES, river.output)
    last.terminate()
    assert last.wait(30) == 0, river.log()[-2000:]
    found = river.documents()
    assert len({document.uid for document in found}) == len(found) == HOSTS * PAGES
    most = dict[str, int]()
    for document in found:
        for cut in document.removed:
            assert FRAME in cut.text
            most[cut.host] = max(most.get(cut.host, 0), cut.documents)
    # A tag is one byte: some page of 256 is taken for the one before.
    assert len(most) == HOSTS
    assert all(PAGES - 3 <= number <= PAGES for number in most.values()), most
    kept = sum(FRAME in document.text for document in found)
    assert kept <= HOSTS * 3, "the first three of each host, at most"
    shown = CliRunner().invoke(app, ["sentences", "status"])
    assert "65,536 sentences can be remembered" in shown.output, shown.output
    made = CliRunner().invoke(app, ["sentences", "rebuild", "--yes"])
    assert f"{HOSTS * PAGES} documents read and {HOSTS * PAGES} of them counted" in made.output, made.output

    # Of another river whose pages nobody has seen here: what repeats there is known from the first page on.
    elsewhere = archive_of(tmp_path / "elsewhere", pages("g"))
    made = CliRunner().invoke(app, ["sentences", "rebuild", "--yes", "--from", str(elsewhere)])
    twice = 2 * HOSTS * PAGES
    assert f"{twice} documents read and {twice} of them counted" in made.output, made.output
    last = river.serve(CORPUSWORKS_UNITS__SENTENCES__LEARN="false")
    (first,) = pages("g")[:1]
    river.publish([first])
    river.wait_for(HOSTS * PAGES + 1, river.output)
    last.terminate()
    assert last.wait(30) == 0, river.log()[-2000:]
    (again,) = [document for document in river.documents() if document.uid == first.uid]
    assert FRAME in first.text
    assert FRAME not in again.text
    nowhere = CliRunner().invoke(app, ["sentences", "rebuild", "--yes", "--from", str(tmp_path / "no")])
    assert "holds no parts" in str(nowhere.exception), "a typo would leave the counts empty"
