"""A poisoned part in a run: found, gone back for, passed over, its documents named; the others stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from tests.training import make_part, name_of, tree, uid_of
from trainer import checkpoint, train
from trainer.config import load
from trainer.data.store import Store
from trainer.events import read as events_of
from trainer.replay import replay
from trainer.steplog import read

PARTS, BAD, VOCABULARY = 30, 24, 32
SPOILT = {(sequence, document) for sequence in (3, 5, 6, 9, 12) for document in (0, 1)}


def test_a_poisoned_part_is_found_gone_back_for_and_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for number in range(PARTS):
        spoilt = SPOILT if number == BAD else set()
        make_part(store, number, vocabulary=VOCABULARY, spoilt=spoilt)
    config = tree(
        store,
        steps=2 * PARTS,
        model__vocab_size=VOCABULARY,
        optimizer__learning_rate=0.01,
        schedule__decay_at=0,
        stability={"window": 16, "least": 8, "rewind_after": 1, "rewind_window": 4},
    )
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    said: list[str] = []
    ended = train.train(load(path), said.append)

    objects = Store(str(store))
    events = list(events_of(objects, "tiny"))
    rewinds = [event for event in events if event.kind == "rewind"]
    named = {f"{uid:016x}" for event in events if event.kind == "quarantine" for uid in event.documents}
    bad = {uid_of(BAD, sequence, document) for sequence, document in SPOILT}
    assert rewinds, said
    first = min(row.step for row in read(objects, "tiny") if name_of(BAD) in row.parts)
    assert rewinds[0].step <= first + 2, "found within three steps"
    assert named <= bad, "no innocent document"
    assert {uid[8:12] for uid in named} == {uid[8:12] for uid in bad}, "each sequence"
    rows = list(read(objects, "tiny"))
    used = {(name, number) for row in rows for name, number in zip(row.parts, row.sequences, strict=True)}
    name = name_of(BAD)
    assert {number for part, number in used if part == name} == set(range(16)) - {s for s, _ in SPOILT}
    assert ended.why == "starved", "five sequences less than whole batches"
    assert [row.step for row in rows if row.boundary] == list(range(1, ended.step + 1))
    assert any(key.endswith(".json") for key in objects.list("train/tiny/spikes"))
    kept = checkpoint.complete(objects, "tiny")
    assert replay(str(store), "tiny", kept[-2], kept[-1]).same is True, "although steps came twice"
