"""`rejudge`: to where drops go back, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts import Document, Flush
from services.archive.asked import Asked
from services.archive.query import rows
from services.archive.tables import DROPS, document_of
from services.cli.rejudge import reads
from services.runtime import ConfigurationError, ObjectStore
from services.runtime.topology import Topology
from tests.unit.archive.rows import document, lane, rejection

TABLE = Topology.load(None, ["zh", "en"])


@pytest.mark.parametrize(
    ("unit", "topic"),
    [
        ("parse", "docs.raw"),
        ("rules", "docs.parsed"),
        ("scorer", "docs.clean"),  # in one process with the classifier, which reads for both
        ("router", "docs.scored"),  # token ids are in no archive
    ],
)
def test_a_drop_goes_to_what_the_units_process_reads(unit: str, topic: str) -> None:
    """Prevents: a document in a topic that nobody reads, and a run that waits for it for ever."""
    assert reads(TABLE, unit) == topic


def test_a_router_by_itself_gets_its_documents_by_way_of_the_tokenizer() -> None:
    apart = Topology.load(None, ["zh"])
    apart.processes = [["tokenizer"], ["router"], ["dedup"]]
    assert reads(apart, "router") == "docs.scored"


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("", "say whose drops: --unit parse or rules"),
        ("rulez", "did you mean rules"),
        ("dedup", "can be judged again"),
        ("mixer", "can be judged again"),
        ("archive_documents", "can be judged again"),
    ],
)
def test_other_units_are_refused(unit: str, told: str) -> None:
    """Prevents: duplicates that are let in by hand."""
    with pytest.raises(ConfigurationError, match=told):
        reads(TABLE, unit)


def test_a_document_comes_out_of_the_archive_as_it_went_in(tmp_path: Path) -> None:
    """Prevents: a document that comes back under another identity, and so twice."""
    given = document(7, score=0.25, rank=0.5, body=b"\x00raw", media_type="text/html", format="prose")
    store = ObjectStore(tmp_path.as_uri())
    drops = lane(store, "drops")
    found = rejection(7)
    found.document.CopyFrom(given)
    drops.put("docs.rejected", found)
    drops.put("archive.flush", Flush())
    drops.run()
    [row] = rows(store, DROPS, Asked(), list(DROPS.columns))
    assert row["logged"] < datetime.now(UTC)
    back = document_of(row)
    for name in ("bucket", "num_tokens"):  # they are given anew
        given.ClearField(name)
    assert back == given
    assert isinstance(back, Document)
