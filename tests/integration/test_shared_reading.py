"""Several processes that read one list of files, on a real broker and Redis, while they are killed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from contracts import IngestProgress
from services.local.stack import Stack
from tests.integration.rig import rig
from tests.unit.ingest.reading import jsonl

pytestmark = pytest.mark.stack

INGESTED = {"docs.ingested": {"holds": "IngestProgress", "by": "partitions", "compact": True}}
FILES, RECORDS, SMALL = 6, 800, 40
SILENCE_S = 2.5


def test_each_record_comes_once_whoever_is_killed(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a file that two read or nobody reads after a kill, a record lost or twice where another goes
    on, and a process that was asleep and still commits what is another's by then.
    """
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(FILES):
        records = [{"id": f"{number}-{record}", "text": f"text {record}"} for record in range(RECORDS)]
        jsonl(folder / f"{number}.jsonl", [*records, {"bad": "record"}])
    for number in range(SMALL):
        (folder / f"small {number}.txt").write_text(f"small {number}")
    wanted = Counter(f"{number}-{record}" for number in range(FILES) for record in range(RECORDS))
    settings = {
        "CORPUSWORKS_UNITS__INGEST__PATHS": str(folder),
        "CORPUSWORKS_UNITS__INGEST__CHUNK_DOCUMENTS": "40",
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "40",
        "CORPUSWORKS_SHARE_SOURCES": "true",
        "CORPUSWORKS_KAFKA_SESSION_TIMEOUT_S": str(SILENCE_S),
    }
    table = {"shared": {"run": "services.ingest:SERVICE", "output": "shared.out"}}
    with rig(shared_stack, tmp_path, "shared", table, INGESTED, **settings) as river:
        running = {str(name): river.serve(instance=str(name)) for name in range(4)}
        ended: list[str] = []
        deadline, kills = time.monotonic() + 240, 0
        asleep = ""
        while running:
            assert time.monotonic() < deadline, {name: river.log(instance=name)[-2000:] for name in running}
            published = {name: river.log(instance=name).count('"published"') for name in running}
            busy = max(published, key=lambda name: published[name])
            if kills < 2 and busy != asleep and published[busy] > 5:
                if not asleep:
                    os.killpg(running[busy].pid, signal.SIGSTOP)
                    asleep = busy
                else:
                    river.kill(running.pop(busy))
                    running[f"{busy}x"] = river.serve(instance=f"{busy}x")
                    kills += 1
            if asleep in running and kills == 2 and f'"owner": "shared-{asleep}"' in _logs(tmp_path):
                os.killpg(running[asleep].pid, signal.SIGCONT)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                assert running.pop(name).returncode == 0, river.log(instance=name)
                ended.append(name)
            time.sleep(0.1)
        assert kills == 2
        assert asleep in ended
        documents = river.documents()
        assert Counter(d.id for d in documents if "-" in d.id) == wanted
        assert Counter(d.body for d in documents if d.body.startswith(b"small")).total() == SMALL
        assert len({d.uid for d in documents}) == len(documents)
        assert len({d.ingested_ms for d in documents}) == 1, "they are one import"
        letters = [record.key for record in river.records("shared.out.dlq")]
        assert len(letters) == len(set(letters)) == FILES
        said = [IngestProgress.FromString(record.value) for record in river.records("docs.ingested")]
        last = {each.source: each for each in said if str(folder) in each.source}
        assert len(last) == FILES + SMALL
        assert all(each.complete for each in last.values())
        assert river.serve(instance="again").wait(60) == 0
        assert len(river.documents()) == len(documents)


def _logs(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.glob("shared-*.log"))
