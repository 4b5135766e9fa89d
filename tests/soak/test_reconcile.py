"""Five million made documents on a real broker: what `corpusworks reconcile` takes, and that it finds one."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from contracts import Document, PartRecord, Tally
from services.ledger.sums import Uids
from services.runtime import ObjectStore
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.tally import Told, tally
from services.runtime.loops.transaction import Produce, Transactions
from services.sink.records import to_line
from tests.e2e.commands import ROOT
from tests.e2e.home import home

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DOCUMENTS, BACKLOG, BATCH, PART = 5_000_000, 20_000, 1_000, 50_000
DROPPED = 0.4
MEMORY_MB = 500


class Took(NamedTuple):
    """A command, its time, and the most memory that it had."""

    code: int
    out: str
    told: str
    seconds: float
    megabytes: float


def reconcile() -> Took:
    """As a person runs it, against the servers that the environment names."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "reconcile"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    out, told = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Took(child.returncode, out, told, time.monotonic() - begun, usage.ru_maxrss / 1024)


def packed(outcome: Tally.Outcome, uids: Uids) -> Tally.Entry:
    return Tally.Entry(outcome=outcome, uids=uids.tolist())


def history(uids: Uids, store: ObjectStore) -> Iterator[Produce]:
    """What came, was dropped and was put into parts, whose records are written too."""
    for start in range(0, len(uids), BATCH):
        batch = uids[start : start + BATCH]
        yield told(start, packed(Tally.CAME, batch), packed(Tally.DROPPED, batch[: int(DROPPED * BATCH)]))
    line = to_line(PartRecord(id="made/0000000000000000", uid=0x0123456789ABCDEF, use=1, num_tokens=900))
    before, after = line.split(b"0123456789abcdef")
    kept = uids[np.arange(len(uids)) % BATCH >= int(DROPPED * BATCH)]
    for start in range(0, len(kept), PART):
        batch, name = kept[start : start + PART], f"lane-000/part-{start:012d}"
        store.put(f"parts/{name}.jsonl", b"".join(before + b"%016x" % uid + after for uid in batch.tolist()))
        yield told(start, packed(Tally.PART, batch), Tally.Entry(outcome=Tally.ANNOUNCED, part=name))


def told(spread: int, *entries: Tally.Entry) -> Produce:
    return Produce("river.tally", Tally(entries=entries).SerializeToString(), spread=spread // BATCH)


def test_five_million_documents(tmp_path: Path, seed: int) -> None:
    """Prevents memory and time that grow with the corpus; prints both."""
    uids = np.random.default_rng(seed).integers(1, 1 << 64, DOCUMENTS, np.uint64)
    out = tmp_path / "out"
    with home(out) as river:
        transactions = Transactions(river.settings, "made", "made")
        made = history(uids, ObjectStore(river.settings.store_url))
        while batch := list(itertools.islice(made, 500)):
            transactions.commit(batch, {}, None)
        rng = random.Random(seed)
        waiting = [Document(id=f"w{n}", uid=rng.getrandbits(64) | 1, bucket="en") for n in range(BACKLOG)]
        came = tally(Told(Tally.CAME, document.uid) for document in waiting)
        pooled = [
            Produce("pool.en", d.SerializeToString(), key=d.uid.to_bytes(8, "big"), spread=d.uid)
            for d in waiting
        ]
        transactions.commit([*came, *pooled], {}, None)
        first, second = reconcile(), reconcile()
        lost = Document(id="the lost one", uid=rng.getrandbits(64) | 1)
        raw = Produce("docs.raw", lost.SerializeToString())
        transactions.commit([raw, *tally([Told(Tally.CAME, lost.uid)])], {}, None)
        transactions.reset()
        with Admin(river.settings) as admin, Log(river.settings) as log:
            assert admin.set_offsets("parse", log.settled_ends(["docs.raw"]))
        third = reconcile()
    for name, took in (("all of it", first), ("nothing new", second), ("one lost", third)):
        print(f"{name}: {took.seconds:.1f} s, {took.megabytes:.0f} MB; {took.told.strip()}")
    assert (first.code, second.code) == (0, 0), first.told + second.told
    assert f"{DOCUMENTS + BACKLOG} documents" in first.told
    assert f"{BACKLOG} waiting" in second.told
    assert third.code == 1
    assert third.out.splitlines() == [f'{{"missing": "the lost one", "uid": "{lost.uid:016x}"}}']
    assert max(took.megabytes for took in (first, second, third)) < MEMORY_MB
    assert second.seconds < max(first.seconds / 3, 6), "what is new is nothing, and what waits is little"
