"""A river that stands takes over what may change: more lanes, a new bucket, units that are joined."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts import Control, Document, Flush
from services.local.run import applied
from services.local.stack import Stack
from services.runtime import ConfigurationError, Resources, agreement
from services.runtime.errors import EXIT_CONFIGURATION
from services.runtime.loops.transaction import Produce
from services.runtime.topology import DEFAULT
from services.sink.parts import list_parts, read_records, verify
from tests.integration.rig import CARD, rig

pytestmark = pytest.mark.stack

SESSION = {"CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "3"}


def _wait_until(true: Callable[[], object], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def _pooled(uid: int, bucket: str, lanes: int) -> Produce:
    tokens = np.arange(1, 20, dtype="<u4")
    document = Document(id=f"document {uid}", uid=uid, bucket=bucket, language="en", num_tokens=len(tokens))
    document.token_ids, document.tokenizer = tokens.tobytes(), CARD.digest
    return Produce(f"pool.{bucket}", document.SerializeToString(), uid.to_bytes(8, "big"), uid % lanes)


@pytest.mark.soak
def test_more_lanes_and_a_new_bucket_in_a_rolling_update(tmp_path: Path) -> None:
    """Prevents: a mixer that ends over a partition it does not have, and lanes that nobody takes up."""
    table = yaml.safe_load(DEFAULT.read_text())
    chosen = {name: table["services"][name] for name in ("mixer", "sink")}
    recipes = tmp_path / "one.yaml", tmp_path / "two.yaml"
    buckets = {"zh": 'language == "zh"', "en": 'language == "en"'}
    for path, more in zip(recipes, ({}, {"maths": 'category == "math"'}), strict=True):
        known = more | buckets
        phase = {"name": "stable", "weights": dict.fromkeys(known, 1)}
        path.write_text(yaml.safe_dump({"buckets": known, "phases": [phase]}))
    before = SESSION | {"CORPUSWORKS_LANES": "2", "CORPUSWORKS_RECIPE": str(recipes[0])}
    after = {"CORPUSWORKS_LANES": "4", "CORPUSWORKS_RECIPE": str(recipes[1])}
    with (
        Stack(tmp_path / "own") as own,
        rig(own, tmp_path, "grown", chosen, table["topics"], **before) as river,
    ):
        topology = river.topology.with_buckets(["zh", "en"])
        agreement.make(river.settings, topology)
        old = [river.serve(name) for name in chosen]
        river.produce([_pooled(uid, ("zh", "en")[uid // 2 % 2], 2) for uid in range(1, 41)])
        _wait_until(lambda: sum(river.committed("mixer").values()) >= 40, "the mixer mixes")
        early = river.serve("mixer", instance="1", **after)
        assert early.wait(60) == EXIT_CONFIGURATION
        assert "run `corpusworks topics` with the new settings first" in river.log("mixer", "1")
        with applied(dict(river.environment) | after) as settings:
            agreement.make(settings, topology.with_buckets(["zh", "en", "maths"]))
            with pytest.raises(ConfigurationError, match="lanes is 2 here and 4 in the river"):
                agreement.make(river.settings, topology.with_buckets(["zh", "en", "maths"]))
        for process in old:
            assert process.poll() is None
            process.terminate()
            assert process.wait(30) == 0
        new = [river.serve(name, **after) for name in chosen]
        river.produce([_pooled(uid, ("zh", "en", "maths")[uid // 4 % 3], 4) for uid in range(41, 101)])
        flush = Control(flush=Flush(run="the end")).SerializeToString()
        river.produce([Produce("pool.control", flush, partition=lane) for lane in range(4)])
        store = Resources(river.settings).store
        _wait_until(lambda: sum(p.num_documents for p in list_parts(store)) >= 100, "all is in parts", 90)
        assert verify(store) == []
        assert sorted(r.uid for p in list_parts(store) for r in read_records(store, p)) == list(range(1, 101))
        assert [process.poll() for process in new] == [None, None]
        assert "Traceback" not in river.log("mixer") + river.log("sink")


def test_what_waits_between_units_that_are_joined_is_worked_off(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: documents before an inner unit that wait for nobody, exit 0."""
    services = {
        "joined-a": {"run": "tests.units:ECHO", "input": "joined.in", "output": "joined.between"},
        "joined-b": {"run": "tests.units:POISONED", "input": "joined.between", "output": "joined.out"},
    }
    topics = {"joined.between": {"holds": "Document", "by": "partitions"}}
    with rig(shared_stack, tmp_path, "joined", services, topics, **SESSION) as river:
        alone = river.serve("joined-a")
        river.publish([Document(uid=uid, text="sound") for uid in range(1, 31)])
        river.wait_for(30, "joined.between")
        alone.terminate()
        assert alone.wait(20) == 0
        both = river.serve("joined-a", "joined-b", instance="1")
        river.publish([Document(uid=uid, text="sound") for uid in range(31, 41)])
        river.wait_for(40, river.output)
        assert sorted(d.uid for d in river.documents()) == list(range(1, 41))
        both.terminate()
        assert both.wait(20) == 0
