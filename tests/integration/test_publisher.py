"""Publishing on a real broker: two at once, and a successor that takes over the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import Document
from services.local.stack import Stack
from services.runtime import Fenced, Publisher, Unreadable
from tests.integration.rig import rig

pytestmark = pytest.mark.stack


def test_what_is_published_is_in_kafka_once_it_returns(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents an acknowledged document that no reader finds, and a predecessor that goes on."""
    name = "pushed"
    table = {name: {"run": "tests.sources:LINES", "output": f"{name}.out"}}
    topics = {"river.tally": {"holds": "Tally", "by": "partitions"}}
    with rig(shared_stack, tmp_path, name, table, topics) as made:
        first, second = (Publisher(made.settings, name, instance) for instance in ("0", "1"))
        first.publish([Document(uid=1), Document(uid=2)])
        second.publish([Document(uid=3)], [Unreadable("there#1", b"?", "no text")])
        first.publish([Document(uid=4)])
        assert sorted(document.uid for document in made.documents()) == [1, 2, 3, 4]
        assert [record.value for record in made.records(f"{name}.out.dlq")] == [b"?"]
        successor = Publisher(made.settings, name, "0")
        successor.publish([Document(uid=5)])
        with pytest.raises(Fenced, match="another process runs as pushed-0"):
            first.publish([Document(uid=6)])
        assert sorted(document.uid for document in made.documents()) == [1, 2, 3, 4, 5]
        for each in (first, second, successor):
            each.close()
