"""Runs of the trainer for tests: made parts, a tiny configuration, processes that can be killed.

Run as a program it does launches one after another, each in processes forked from this one, so that PyTorch
is imported once: `python -m tests.training LAUNCHES.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Container, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

VOCABULARY = "made"
VOCABULARY_SIZE = 512
LENGTH = 64


def name_of(number: int) -> str:
    """Of a part that make_part seals, as sinks name theirs."""
    return f"lane-000/part-000-0a1b2c3d-{number:012d}-{number:012d}"


def make_part(
    store: Path,
    number: int,
    sequences: int = 16,
    phase: str = "stable",
    *,
    seed: int = 0,
    vocabulary: int = VOCABULARY_SIZE,
    spoilt: Container[tuple[int, int]] = (),
) -> str:
    """Seal a part of documents that count upwards, two or three a sequence, and give it its number.

    spoilt: (sequence, number of the document in it) of those whose tokens are random instead.
    """
    draw = np.random.RandomState(1000 * seed + number)
    tokens, records, boundaries = [], [], [0]
    for sequence in range(sequences):
        cuts = [0, *sorted(draw.choice(np.arange(8, LENGTH - 8), draw.randint(1, 3), replace=False)), LENGTH]
        for at, (start, end) in enumerate(pairwise(cuts)):
            first, pace = draw.randint(vocabulary), draw.randint(1, 4)
            counted = (first + pace * np.arange(end - start)) % vocabulary
            random = draw.randint(vocabulary, size=end - start)
            tokens.append(random if (sequence, at) in spoilt else counted)
            span = [sequence * LENGTH + int(start), sequence * LENGTH + int(end)]
            uid = uid_of(number, sequence, at)
            bucket = ("en", "zh")[pace % 2]
            records.append(
                {"id": uid, "uid": uid, "bucket": bucket, "spans": [span], "tokenizer": VOCABULARY}
            )
            boundaries.append(len(records))
    name = name_of(number)
    files = {
        "bin": np.concatenate(tokens).astype("<u2").tobytes(),
        "idx": b"MMIDIDX\x00\x00"
        + struct.pack("<QBQQ", 1, 8, sequences, len(boundaries))
        + np.full(sequences, LENGTH, "<i4").tobytes()
        + (np.arange(sequences) * LENGTH * 2).astype("<i8").tobytes()
        + np.array(boundaries, "<i8").tobytes(),
        "jsonl": b"".join(json.dumps(record).encode() + b"\n" for record in records),
    }
    for suffix, data in files.items():
        path = store / "parts" / f"{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    line = {"sequence": number, "name": name, "lane": 0, "phase": phase, "recipe": "r1"}
    line |= {"tokens": sequences * LENGTH}
    line |= {"sha256": {suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()}}
    (store / "catalog").mkdir(exist_ok=True)
    (store / "catalog" / f"{number:012d}.jsonl").write_text(json.dumps(line) + "\n")
    return name


def uid_of(number: int, sequence: int, document: int) -> str:
    """Of a made document, as records have it."""
    return f"{number:08x}{sequence:04x}{document:04x}"


def tree(store: Path, **over: Any) -> dict[str, Any]:
    """A run of 16 steps of 8 sequences, on one core."""
    config: dict[str, Any] = {
        "run": "tiny",
        "steps": 16,
        "model": {"dim": 32, "num_layers": 2, "num_heads": 2, "vocab_size": VOCABULARY_SIZE},
        "data": {"store": str(store), "batch_size": 8, "micro_batch_size": 2, "wait_s": 0.0},
        "optimizer": {"learning_rate": 0.003},
        "schedule": {"warmup_steps": 3, "decay_steps": 4, "decay_at": 12},
        "checkpoint": {"every": 5},
        "log_every": 1,
        "device": "cpu",
        "threads": 1,
    }
    for key, value in over.items():
        place, _, name = key.rpartition("__")
        (config.setdefault(place, {}) if place else config)[name] = value
    return config


def launch(folder: Path, launches: Sequence[Mapping[str, Any]], timeout_s: float = 120) -> list[list[int]]:
    """Launches {config, world_size, kill_at} one after another; the exit codes of the processes of each."""
    path = folder / "launches.json"
    path.write_text(json.dumps(list(launches)))
    command = [sys.executable, "-m", "tests.training", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def _launch(config: Mapping[str, Any], world_size: int, kill_at: int | None) -> list[int]:
    """kill_at: the step after whose line every process gets SIGKILL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    reading, writing = os.pipe()
    children = []
    for rank in range(world_size):
        child = os.fork()
        if not child:
            os.close(reading)
            _child(config, rank, world_size, port, writing)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading) as lines:
        for line in lines:
            print(line, end="", file=sys.stderr)
            if kill_at is not None and line.split()[:2] == ["step", str(kill_at)]:
                for child in children:
                    os.kill(child, signal.SIGKILL)
                break
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _child(config: Mapping[str, Any], rank: int, world_size: int, port: int, writing: int) -> None:
    from trainer.train import main

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.dup2(writing, 1)
    code = 70
    try:
        path = Path(config["data"]["store"]).parent / f"launched-{rank}.yaml"
        path.write_text(yaml.safe_dump(dict(config)))
        main(["--config", str(path)])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    import trainer.train  # noqa: F401 - once, for all children

    for each in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps(_launch(each["config"], each.get("world_size", 1), each.get("kill_at"))), flush=True)
