"""A list of files that several processes read, and what must have come of it, whoever was killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts import IngestProgress
from services.local.stack import Stack
from tests.integration.rig import Rig, rig
from tests.unit.ingest.reading import jsonl

CHUNK = 10  # records in a transaction
INGESTED = {"docs.ingested": {"holds": "IngestProgress", "by": "partitions", "compact": True}}


@dataclass(frozen=True)
class SharedList:
    """Files of so many records and a bad one each, and small ones beside them. name: begins the topics."""

    river: Rig
    name: str
    folder: Path
    files: int
    records: int
    small: int

    def num_published(self, instance: str) -> int:
        """Transactions of a process."""
        return self.river.log("ingest", instance).count('"published"')

    def is_fenced(self, instance: str) -> bool:
        """Whether another process has taken over what it was reading."""
        logs = (path.read_text(errors="replace") for path in self.river.folder.glob("ingest-*.log"))
        return any(f'"owner": "ingest-{instance}"' in log for log in logs)

    def assert_each_once(self) -> None:
        """Every record is in the river, none twice, and every file is known as read."""
        documents = self.river.documents()
        wanted = {f"{number}-{record}" for number in range(self.files) for record in range(self.records)}
        assert Counter(d.id for d in documents if "-" in d.id) == Counter(wanted)
        assert sum(d.body.startswith(b"small") for d in documents) == self.small
        assert len({d.uid for d in documents}) == len(documents)
        assert len({d.ingested_ms for d in documents}) == 1, "they are one import"
        letters = [record.key for record in self.river.records(f"{self.name}.out.dlq")]
        assert len(letters) == len(set(letters)) == self.files
        said = [IngestProgress.FromString(record.value) for record in self.river.records("docs.ingested")]
        last = {each.source: each for each in said if str(self.folder) in each.source}
        assert len(last) == self.files + self.small
        assert all(each.complete for each in last.values())


@contextmanager
def shared_list(
    stack: Stack, folder: Path, name: str, *, files: int, records: int, small: int, silence_s: float
) -> Iterator[SharedList]:
    """silence_s: a process that is not heard of for so long is taken for dead."""
    documents = folder / "documents"
    documents.mkdir()
    for number in range(files):
        made = [{"id": f"{number}-{record}", "text": f"text {record}"} for record in range(records)]
        jsonl(documents / f"{number}.jsonl", [*made, {"bad": "record"}])
    for number in range(small):
        (documents / f"small {number}.txt").write_text(f"small {number}")
    settings = {
        "CORPUSWORKS_UNITS__INGEST__PATHS": str(documents),
        "CORPUSWORKS_UNITS__INGEST__CHUNK_DOCUMENTS": str(CHUNK),
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": str(CHUNK),
        "CORPUSWORKS_SHARE_SOURCES": "true",
        "CORPUSWORKS_KAFKA_SESSION_TIMEOUT_S": str(silence_s),
    }
    table = {"ingest": {"run": "services.ingest:SERVICE", "output": f"{name}.out"}}
    with rig(stack, folder, name, table, INGESTED, **settings) as river:
        yield SharedList(river, name, documents, files, records, small)
