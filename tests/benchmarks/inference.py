"""What Triton costs on top of onnxruntime, and what a document costs in process.

Raw onnxruntime runs the same graph over the same windows in runs of the same size, padded beforehand, with
the threads and the session options of the server; padding, sending and putting answers together are Triton's.
The ratio is of CPU time, the client's and the server's together: it is that of the throughputs on a machine
whose cores are all busy. The two take turns, and the median of the turns' ratios counts, since other work
empties the caches of both. The throughputs of each side's best turn are printed beside it.

The model is the one that ships; before there is one, random weights that cost about as much.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import psutil

from services.inference import MODELS, Description, Encoder, InferenceConfig
from services.inference.batches import pad, plan
from services.inference.encoder import IN_PROCESS
from services.inference.onnx import RUN_TOKENS
from services.local.servers.triton import Triton
from tests import tiny_model
from tests.benchmarks.dedup import chinese, english
from tests.benchmarks.figures import Figure, cpu_seconds

NAME = "judge"
SECONDS, TURNS = 1.0, 9  # CPU of raw inference in a turn; turns of each side
DOCUMENTS = 100


def texts(count: int) -> list[str]:
    """Half English, half Chinese, 0.1 to 12 kB."""
    rng = Random(3)
    sizes = [100, 500, 1500, 4000, 12_000]
    return [(english if number % 2 else chinese)(rng, sizes[number % 5]) for number in range(count)]


def folder(scratch: Path) -> Path:
    """The model that ships, or random weights of its size: 3 million multiplications a token."""
    if (MODELS / NAME).is_dir():
        return MODELS / NAME
    return tiny_model.make(scratch / "models", NAME, width=256, layers=48, max_length=256)


def windows_of(description: Description, documents: Sequence[str]) -> list[list[int]]:
    """As an Encoder makes them."""
    from services.inference.windows import piece_windows, pieces

    tokenizer, size = description.tokenizer(), description.window
    return [
        window
        for text in documents
        for window in piece_windows(
            [tokenizer.encode(piece, add_special_tokens=False).ids for piece in pieces(text, size)], size
        )
    ]


def raw(description: Description, windows: Sequence[Sequence[int]], threads: int) -> Callable[[], object]:
    """One pass of onnxruntime alone, in runs as the server makes them of what the client sends."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as the server's
    graph = description.folder / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    ids = {"cls_id": description.cls_id, "sep_id": description.sep_id, "pad_id": description.pad_id}
    batches = plan(
        [len(window) for window in windows],
        multiple=InferenceConfig().bucket,
        longest=description.max_length,
        max_rows=description.max_batch_size,
        max_tokens=RUN_TOKENS,
    )
    padded = [pad(windows, batch, **ids) for batch in batches]

    def run() -> None:
        for tokens, mask in padded:
            session.run(None, {"input_ids": tokens, "attention_mask": mask})

    return run


def cost(work: Callable[[], object], server: int | None = None) -> tuple[float, float]:
    """Seconds of CPU, of this process and of a server with its children, and of the clock."""
    cpu, clock = _cpu(server), time.perf_counter()
    work()
    return _cpu(server) - cpu, time.perf_counter() - clock


def _cpu(server: int | None) -> float:
    processes = [psutil.Process(server), *psutil.Process(server).children(recursive=True)] if server else []
    times = [process.cpu_times() for process in processes]
    return time.process_time() + sum(each.user + each.system for each in times)


def triton_against_raw(model: Path, scratch: Path, threads: int) -> Iterator[Figure]:
    """The same windows by both; and whole documents through Triton."""
    description = Description.read(model.parent, model.name)
    documents = texts(DOCUMENTS)
    windows = windows_of(description, documents)
    trial = raw(description, windows[:20], threads)
    trial()
    windows = (windows * 20)[: max(40, int(20 * SECONDS / cost(trial)[0]))]
    alone = raw(description, windows, threads)
    with Triton(scratch / f"triton{threads}", [model.parent], threads=threads) as server:
        encoder = Encoder.open(server.url, model.parent, model.name)
        encoder.judge(["warm"])
        turns = [(cost(alone), cost(lambda: encoder._model.infer(windows), server.pid)) for _ in range(TURNS)]
        whole = [cost(lambda: encoder.judge(documents * 4), server.pid)[0] for _ in range(TURNS)]
        encoder.close()
    plain, served = (min(seconds for _, seconds in side) for side in zip(*turns, strict=True))
    label = f"inference, {threads} thread{'s' * (threads > 1)}"
    yield Figure(f"{label}: raw onnxruntime", len(windows) / plain, "windows/s")
    yield Figure(f"{label}: Triton", len(windows) / served, "windows/s")
    ratio = statistics.median(plain_cpu / served_cpu for (plain_cpu, _), (served_cpu, _) in turns)
    yield Figure(f"{label}: Triton against raw", ratio, "of its throughput", ">= 0.95", ratio >= 0.95)
    yield Figure(f"{label}: a document of 3.6 kB by Triton", min(whole) / DOCUMENTS / 4 * 1e3, "ms CPU")


def in_process(model: Path) -> Iterator[Figure]:
    """CPU of a document, and how much of it is not the model's."""
    documents = texts(DOCUMENTS)
    encoder = Encoder.open(IN_PROCESS, model.parent, model.name, InferenceConfig(threads=1))
    whole = cpu_seconds(lambda: encoder.judge(documents), 1)
    cutting = cpu_seconds(lambda: encoder._windows(documents))
    encoder.close()
    yield Figure("inference: a document of 3.6 kB, in process", whole / DOCUMENTS * 1e3, "ms CPU")
    yield Figure(
        "inference: cutting and tokenising", cutting / whole, "of it", "<= 0.3", cutting <= whole * 0.3
    )


def company(model: Path) -> Iterator[Figure]:
    """How far a text's logits depend on what is judged with it: those with ranges of each run do."""
    documents = texts(40)
    encoder = Encoder.open(IN_PROCESS, model.parent, model.name)
    together, alone = encoder.judge(documents), [encoder.judge([text]) for text in documents]
    encoder.close()
    apart = max(
        float(np.abs(together.logits[name] - np.concatenate([each.logits[name] for each in alone])).max())
        for name in together.logits
    )
    yield Figure("inference: a logit alone and in company", apart, "apart at most", "<= 0.001", apart <= 1e-3)


def run() -> Iterator[Figure]:
    """All figures."""
    with TemporaryDirectory() as folder_name:
        scratch = Path(folder_name)
        model = folder(scratch)
        for threads in (1, 2):
            yield from triton_against_raw(model, scratch, threads)
        yield from in_process(model)
        yield from company(model)


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name}: {figure.value:.4g} {figure.unit} {figure.target} {figure.passed}")
