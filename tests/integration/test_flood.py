"""Too many dead letters are a bug and not data: the service stops before it files them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import Document
from services.local.stack import Stack
from services.runtime.errors import EXIT_FLOOD
from tests.integration.rig import rig, unit

pytestmark = pytest.mark.stack


def test_a_flood_stops_the_service_and_commits_nothing_of_its_batch(
    shared_stack: Stack, tmp_path: Path
) -> None:
    """Prevents: a broken unit that quietly files the corpus as dead letters; and a batch that is skipped
    for good, because the sound one behind it, already in hand, is committed on the way out."""
    settings = {
        "CORPUSWORKS_PARTITIONS": "1",
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "50",
        "CORPUSWORKS_MEMORY_LIMIT_BYTES": str(1 << 30),
        "CORPUSWORKS_DEAD_LETTER_LIMIT": "20",
        "CORPUSWORKS_DEAD_LETTER_WINDOW": "50",
    }
    with rig(shared_stack, tmp_path, "flood", unit("flood", "tests.units:POISONED"), **settings) as river:
        first = [Document(id=f"good-{i}", uid=i, text="sound") for i in range(1, 51)]
        # The first fails after a while, so that the next batch is gathered meanwhile.
        texts = ["memory", *["raise"] * 49]
        broken = [Document(id=f"bad-{i}", uid=i, text=text) for i, text in enumerate(texts, 101)]
        last = [Document(id=f"good-{i}", uid=i, text="sound") for i in range(201, 301)]
        river.publish([*first, *broken, *last])
        process = river.serve()
        assert process.wait(60) == EXIT_FLOOD, river.log()
        closing = river.log().splitlines()[-1]
        assert "50 of the last 50 documents failed in poisoned; the limit is 20" in closing
        assert "dead_letter_limit" in closing
        assert "this document cannot be handled" in closing
        assert "Traceback" not in closing
        assert river.records(f"{river.source}.dlq") == []
        assert sorted(document.uid for document in river.documents()) == list(range(1, 51))
        assert river.committed() == {(river.source, 0): 50}

        # With the limit raised the same service goes on where it stopped, and loses nothing.
        river.serve(CORPUSWORKS_DEAD_LETTER_LIMIT="50")
        river.wait_for(150, river.output)
        river.wait_for(50, f"{river.source}.dlq")
        assert sorted(document.uid for document in river.documents()) == [
            *range(1, 51),
            *range(201, 301),
        ]
