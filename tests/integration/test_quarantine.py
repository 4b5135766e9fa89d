"""A document that is quarantined while it waits in a pool gets into no part, and it is told why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts import Control, Document, Flush, Rejection
from services.ledger.quarantine import quarantine
from services.local.stack import Stack
from services.runtime.loops.transaction import Produce
from services.runtime.topology import DEFAULT
from tests.integration.rig import rig

pytestmark = pytest.mark.stack

LANES = 2


def _pooled(uid: int) -> Produce:
    tokens = np.arange(1, 20, dtype="<u4")
    document = Document(id=f"document {uid}", uid=uid, bucket="zh", language="zh", num_tokens=len(tokens))
    document.token_ids = tokens.tobytes()
    return Produce("pool.zh", document.SerializeToString(), uid.to_bytes(8, "big"), uid % LANES)


def test_quarantined_documents_are_dropped_by_the_mixer(tmp_path: Path) -> None:
    """Prevents: a guilty document that is mixed after all, since its lane never heard of it."""
    table = yaml.safe_load(DEFAULT.read_text())
    settings = {
        "CORPUSWORKS_LANES": str(LANES),
        "CORPUSWORKS_PARTITIONS": "1",
        "CORPUSWORKS_UNITS__MIXER__HOLD": "true",
    }
    with (
        Stack(tmp_path / "own") as own,
        rig(
            own, tmp_path, "kept", {"mixer": table["services"]["mixer"]}, table["topics"], **settings
        ) as river,
    ):
        river.produce([_pooled(uid) for uid in range(1, 21)])
        quarantine(river.settings, [3, 8], "spoil the loss")
        quarantine(river.settings, [8], "said again")
        flush = Control(flush=Flush(run="1")).SerializeToString()
        river.produce([Produce("pool.control", flush, partition=lane) for lane in range(LANES)])
        river.serve("mixer")
        mixed = river.wait_for(18 + LANES, "docs.mixed")
        rejected = [Rejection.FromString(r.value) for r in river.wait_for(2, "docs.rejected")]
        assert sorted((r.document.uid, r.unit, r.reason, r.detail) for r in rejected) == [
            (3, "mixer", "quarantined", "spoil the loss"),
            (8, "mixer", "quarantined", "spoil the loss"),
        ]
        documents = [r for r in mixed if dict(r.headers or ()).get("type") != b"Flush"]
        kept = {Document.FromString(r.value).uid for r in documents}
        assert kept == set(range(1, 21)) - {3, 8}
