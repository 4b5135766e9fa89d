"""The trainer's loader, without the trainer: tokens a second of CPU time, and what a restart takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from services.catalog.entry import entry_of
from services.catalog.segments import Segments
from services.runtime import ObjectStore
from services.sink import SinkConfig
from services.sink.part import Part, build, packable, stream_name
from tests.benchmarks.figures import Figure, cpu_seconds, wall_seconds
from tests.benchmarks.sink import CARD, lengths, messages
from trainer.config import DataConfig
from trainer.data.loader import Loader
from trainer.data.state import DataState
from trainer.data.store import Store

SEQUENCE_LENGTH = 2048
PARTS = 1200


def parts(documents: int, number: int) -> list[Part]:
    """As many parts of the same documents, each under a name of its own."""
    rows = [packable(m, m.document) for m in messages("docs.mixed", lengths(documents), use=1) if m.document]
    one = build(rows, 0, SinkConfig(sequence_length=SEQUENCE_LENGTH), CARD, stream_name("benchmark"))
    found = []
    for at in range(number):
        announced = type(one.announcement)()
        announced.CopyFrom(one.announcement)
        announced.name = f"lane-000/part-000-0a1b2c3d-{at:012d}-{at:012d}"
        found.append(replace(one, announcement=announced))
    return found


def fill(folder: Path, made: list[Part]) -> DataConfig:
    """A store with these parts."""
    store = ObjectStore(folder.as_uri())
    for part in made:
        for suffix, data in part.files.items():
            path = folder / "parts" / f"{part.announcement.name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    segments = Segments(store)
    for begin in range(0, len(made), 256):
        numbered = enumerate(made[begin : begin + 256], begin)
        segments.create([entry_of(number, part.announcement) for number, part in numbered])
    return DataConfig(folder.as_uri(), batch_size=64, micro_batch_size=8, wait_s=0, vocabulary_size=CARD.size)


def read(config: DataConfig, state: DataState | None = None, steps: int = 0) -> tuple[int, DataState]:
    """Tokens of so many steps, or of all, and the state after them."""
    tokens = 0
    loader = Loader(Store.of(config), config, state)
    for step in loader:
        tokens += sum(batch.tokens.numel() for batch in step.batches)
        if step.number == steps or (steps and state and step.number == state.step + steps):
            break
    loader.close()
    return tokens, loader.state


def run() -> Iterator[Figure]:
    """uint16 tokens in sequences of 2,048, documents as long as those of the web."""
    with tempfile.TemporaryDirectory() as folder:
        config = fill(Path(folder), parts(20_000, 2))
        counted: list[int] = []
        seconds = cpu_seconds(lambda: counted.append(read(config)[0]))
        rate = counted[0] / seconds
        yield Figure("loader: tokens a CPU second", rate, "tokens/s", "≥ 5 M", rate >= 5e6)
    with tempfile.TemporaryDirectory() as folder:
        config = fill(Path(folder), parts(50, PARTS))
        total = sum(np.fromfile(path, "<u2").size for path in Path(folder).rglob("*.bin"))
        _, state = read(config, steps=int(0.9 * total / SEQUENCE_LENGTH / config.batch_size))
        seconds = wall_seconds(lambda: read(config, state, steps=1))
        yield Figure(f"loader: restart after 90 % of {PARTS:,} parts", seconds, "s", "≤ 5", seconds <= 5)
        blind = DataState(index=state.index)
        seconds = wall_seconds(lambda: read(config, blind, steps=1))
        yield Figure("loader: the same without where its block begins", seconds, "s")
