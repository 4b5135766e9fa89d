"""A lane that was told three million retractions: taken up in seconds, and alive all the while."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts import Control, Document, Retraction
from services.local.stack import Stack
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topology import DEFAULT
from tests.integration.rig import Rig, rig

pytestmark = [pytest.mark.soak, pytest.mark.stack]

RETRACTIONS, BATCH, LIMIT_S = 3_000_000, 5_000, 10.0
SETTINGS = {"CORPUSWORKS_LANES": "1", "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6"}


def retractions(seed: int) -> Iterator[Produce]:
    """Of documents that nobody knows, but for the last, which is 7."""
    uids = np.random.default_rng(seed).integers(1 << 32, 1 << 63, RETRACTIONS - 1, np.uint64).tolist()
    for uid in [*uids, 7]:
        told = Control(retraction=Retraction(uid=uid, superseded_by=uid ^ 1, similarity=0.9))
        yield Produce("pool.control", told.SerializeToString(), key=uid.to_bytes(8, "big"), partition=0)


def said(river: Rig, event: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in river.log("mixer").splitlines() if line.startswith("{")]
    return [row for row in rows if row["event"] == event]


def is_live(port: object) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


@pytest.mark.timeout(3600)
def test_a_lane_of_three_million_retractions_is_taken_up_in_seconds(tmp_path: Path, seed: int) -> None:
    """Prevents a restart that grows with all that a lane was told, and a probe that ends it meanwhile."""
    table = yaml.safe_load(DEFAULT.read_text())
    chosen = {"mixer": table["services"]["mixer"]}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('buckets: {zh: "true"}\nphases: [{name: only, weights: {zh: 1}}]\n')
    settings = {**SETTINGS, "CORPUSWORKS_RECIPE": str(recipe)}
    with (
        Stack(tmp_path / "own") as own,
        rig(own, tmp_path, "retractions", chosen, table["topics"], **settings) as river,
    ):
        mixer = river.serve("mixer")
        made = retractions(seed)
        transactions = Transactions(river.settings, "made", "made")
        while batch := list(itertools.islice(made, BATCH)):
            transactions.commit(batch, {}, None)
        transactions.reset()
        river.wait_until(lambda: river.committed("mixer").get(("pool.control", 0), 0) >= RETRACTIONS, 900)
        river.kill(mixer)
        (tmp_path / "mixer-0.log").unlink()

        begun = time.monotonic()
        river.serve("mixer")
        alive, taken_up = 0, 0.0
        while not (found := said_when_there(river, "lane taken up")):
            assert time.monotonic() - begun < 6 * LIMIT_S
            if started := said_when_there(river, "started"):
                alive += is_live(started[0]["port"])
            time.sleep(0.2)
        taken_up = time.monotonic() - begun
        print(f"taken up in {taken_up:.1f} s, start of Python included; live {alive} times meanwhile")
        assert found[0]["offsets"]["pool.control"] >= RETRACTIONS  # type: ignore[index]
        assert taken_up < LIMIT_S
        known = Document(id="7", uid=7, bucket="zh", num_tokens=5)
        river.produce([Produce("pool.zh", known.SerializeToString(), key=bytes(8), partition=0)])
        other = Document(id="8", uid=8, bucket="zh", num_tokens=5)
        river.produce([Produce("pool.zh", other.SerializeToString(), key=bytes(8), partition=0)])
        (mixed,) = river.wait_for(1, "docs.mixed")
        assert Document.FromString(mixed.value).uid == 8, "what was retracted is not mixed"


def said_when_there(river: Rig, event: str) -> list[dict[str, object]]:
    try:
        return said(river, event)
    except FileNotFoundError:
        return []
