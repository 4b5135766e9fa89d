"""A trained model -> ONNX (fp32 or int8) -> a new version in a Triton repository, with its card."""

from __future__ import annotations

import copy
import hashlib
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from trainer.bert import graft, repository
from trainer.bert.card import card
from trainer.bert.data import Example
from trainer.bert.description import Description, Head
from trainer.bert.drift import drift, line, too_far
from trainer.bert.errors import JudgeError
from trainer.bert.model import JudgeModel, load, tensors
from trainer.bert.predict import Array, by_onnx, by_torch, inputs, judge
from trainer.bert.quantise import to_int8
from trainer.bert.report import measure
from trainer.bert.run import Run
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.words import Words

Precision = Literal["fp32", "int8"]
Log = Callable[[str], None]

# What onnxruntime may differ by from torch in float32: the order of the sums is not the same.
TOLERANCE = 1e-4

# Held-out texts whose values set the ranges of 8 bits, about.
RANGES = 500


def export(
    run: Run,
    target: Path,
    *,
    precision: Precision = "int8",
    name: str | None = None,
    max_batch_size: int = 64,
    notes: str = "",
    accept_drift: bool = False,
    log: Log = print,
) -> Path:
    """Add the model of a run (`train`'s OUT) to the repository `target`; returns the version's folder.

    The card shows the measures of the network as it is written, on the run's held-out texts. Raises
    JudgeError: nothing to export, outputs or tokenizer other than the folder's, or a drift from the version
    that serves now beyond drift.MIN_AGREEMENT, unless it is accepted.
    """
    model, vocabulary, trained = load(run.model)
    description = Description(
        name or trained.name, trained.max_length, trained.pad_id, trained.cls_id, trained.sep_id,
        trained.heads, max_batch_size,
    )  # fmt: skip
    served = description.with_temperatures(dict.fromkeys(description.heads, 1.0))
    folder = target / description.name
    grafted = _grafted(folder, served)
    whole = replace(served, heads={**served.heads, **dict.fromkeys(grafted, Head("score"))})
    repository.check_fits(folder, whole, vocabulary.to_json())
    examples = run.held_out(trained)
    report = run.report()
    fold_temperatures(model, description)

    def logits(network: Path) -> dict[str, Array]:
        return judge(by_onnx(network, served), vocabulary, served, [example.text for example in examples])

    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "fp32.onnx"
        to_onnx(model, served, vocabulary, full)
        _check(model, served, vocabulary, full, examples)
        began = time.process_time()
        exact = logits(full)
        seconds = time.process_time() - began
        facts = {"encoder": f"{report['weights'] / 1e6:.2f} M weights, windows of {served.max_length} tokens"}
        chosen, found = full, exact
        if precision == "int8":
            chosen = Path(scratch) / "int8.onnx"
            seen = [example.text for example in examples[:: max(1, len(examples) // RANGES)]]
            to_int8(full, chosen, inputs(vocabulary, served, seen))
            began = time.process_time()
            found = logits(chosen)
            apart = drift(exact, found, served)
            facts["int8 against fp32"] = line(apart)
            speed = seconds / max(time.process_time() - began, 1e-9)
            log(f"int8 against fp32 on {len(examples)} texts: {line(apart)}")
            log(f"int8 is {speed:.2f} x as fast as fp32; {_sizes(full, chosen)}")
        _gate(folder, served, logits=logits, found=found, accept=accept_drift, log=log)
        facts |= _facts(precision, chosen, trained)
        exported = dict(report) | measure(found, examples, served)
        said = repository.said_of_heads(folder, grafted)
        for head, words in grafted.items():
            graft.put(chosen, head, words, chosen)
        written = repository.add_version(
            target,
            whole,
            vocabulary.to_json(),
            chosen,
            lambda version: card(whole, exported, facts, notes, version),
        )
        for head, text in said.items():
            repository.say_of_head(folder, head, text)
        return written


def _grafted(folder: Path, served: Description) -> dict[str, Words]:
    """Heads of words of the version that serves now: they go on, since they read ids and no encoder."""
    if not repository.versions(folder):
        return {}
    found = graft.heads(repository.network(folder))
    return {name: words for name, words in found.items() if name not in served.heads}


def fold_temperatures(model: JudgeModel, description: Description) -> None:
    """Divide the heads by their temperatures, in place.

    A network then carries its own calibration: a client that read model.json once is right about every
    later version too.
    """
    with torch.no_grad():
        for name, head in description.heads.items():
            layer: Any = model.heads[name]
            layer.weight.div_(head.temperature)
            layer.bias.div_(head.temperature)


def to_onnx(model: JudgeModel, description: Description, vocabulary: Vocabulary, path: Path) -> None:
    """Inputs input_ids and attention_mask, int64 [batch, length]; an output [batch, n] named after each head.

    By tracing with plain attention: seen to be 15 times quicker than the exporter by torch.export, and the
    graph a tenth faster in onnxruntime.
    """
    traced = copy.deepcopy(model).cpu().eval()
    encoder: Any = traced.encoder
    encoder.set_attn_implementation("eager")
    rows = [vocabulary.wrap([vocabulary.sep] * length) for length in (5, 3)]
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "attention_mask")}
    axes |= {name: {0: "batch"} for name in description.heads}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes that are checked in Python, and that it is old
        torch.onnx.export(
            traced,
            tensors(rows, vocabulary.pad, torch.device("cpu")),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=list(description.heads),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def _check(
    model: JudgeModel,
    description: Description,
    vocabulary: Vocabulary,
    path: Path,
    examples: Sequence[Example],
) -> None:
    texts = [example.text for example in examples[:32]]
    cpu = torch.device("cpu")
    expected = judge(by_torch(model, description, cpu), vocabulary, description, texts)
    apart = drift(expected, judge(by_onnx(path, description), vocabulary, description, texts), description)
    worst = max(of["max"] for of in apart.values())
    if not worst <= TOLERANCE:
        raise JudgeError(
            f"the exported network differs from the trained one by {worst:.2g}: this encoder's code cannot "
            "be traced by the torch and transformers installed here; try the versions of constraints.txt"
        )


def _gate(
    folder: Path,
    description: Description,
    *,
    logits: Callable[[Path], dict[str, Array]],
    found: Mapping[str, Array],
    accept: bool,
    log: Log,
) -> None:
    there = repository.versions(folder)
    if not there:
        return
    apart = drift(logits(repository.network(folder)), found, description)
    log(f"against version {there[-1]}: {line(apart)}")
    far = too_far(apart)
    if far and not accept:
        raise JudgeError(
            f"the new version judges otherwise than version {there[-1]}: {', '.join(far)}. Thresholds that "
            "were set for the old one may no longer hold; --accept-drift writes it all the same"
        )


def _facts(precision: str, chosen: Path, trained: Description) -> dict[str, str]:
    content = chosen.read_bytes()
    folded = [
        f"{name} {head.temperature:.2f}" for name, head in trained.heads.items() if head.kind == "classes"
    ]
    facts = {
        "network": f"{precision}, {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}"
    }
    if folded:
        facts["temperatures"] = f"{', '.join(folded)}, already divided by in the network"
    return facts


def _sizes(full: Path, small: Path) -> str:
    return f"{small.stat().st_size / 1e6:.1f} MB for {full.stat().st_size / 1e6:.1f} MB"
