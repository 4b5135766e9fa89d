"""The Triton model repository: REPOSITORY/NAME/ model.json, tokenizer.json, config.pbtxt, card.md, 1/.

A version is added, never overwritten. All versions of a model share tokenizer, windows and outputs, since a
client reads them once and must survive a switch of the version under it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from trainer.bert.description import FILE, Description
from trainer.bert.errors import JudgeError

NETWORK = "model.onnx"
TOKENIZER = "tokenizer.json"
CARD = "card.md"
CONFIG = "config.pbtxt"

# How long the server waits for others to fill a batch. A batch of 64 windows takes some 100 ms on a core:
# 2 ms cost little and let the requests of several clients meet.
_QUEUE_DELAY_US = 2000


def config_pbtxt(description: Description, tokenizer_sha256: str) -> str:
    """Triton's configuration for the onnxruntime backend of the official image.

    The batch dimension is left to max_batch_size; only the latest version serves, so that a new folder is
    the switch. tokenizer_sha256 lets a client check that it cuts texts as the model was trained to.
    """
    inputs = [_tensor(name, "TYPE_INT64", -1) for name in ("input_ids", "attention_mask")]
    outputs = [_tensor(name, "TYPE_FP32", head.size) for name, head in description.heads.items()]
    return (
        f'name: "{description.name}"\n'
        'backend: "onnxruntime"\n'
        f"max_batch_size: {description.max_batch_size}\n"
        f"input [{','.join(inputs)}\n]\n"
        f"output [{','.join(outputs)}\n]\n"
        f"dynamic_batching {{ max_queue_delay_microseconds: {_QUEUE_DELAY_US} }}\n"
        "version_policy: { latest { num_versions: 1 } }\n"
        "parameters {\n"
        '  key: "tokenizer_sha256"\n'
        f'  value: {{ string_value: "{tokenizer_sha256}" }}\n'
        "}\n"
    )


def versions(model: Path) -> list[int]:
    """The versions in a model's folder, ascending."""
    if not model.is_dir():
        return []
    return sorted(int(p.name) for p in model.iterdir() if p.name.isdecimal() and (p / NETWORK).is_file())


def network(model: Path, version: int | None = None) -> Path:
    """The ONNX file of a version; None: the latest. Raises JudgeError."""
    there = versions(model)
    if not there:
        raise JudgeError(f"{model} holds no version (1/{NETWORK}): `judge export` writes one")
    if version is not None and version not in there:
        raise JudgeError(f"{model} has no version {version}; it has {', '.join(map(str, there))}")
    return model / str(version or there[-1]) / NETWORK


def next_version(model: Path) -> int:
    """One more than any number that was used, a half-removed version's too."""
    used = [int(p.name) for p in model.iterdir() if p.name.isdecimal()] if model.is_dir() else []
    return max(used, default=0) + 1


def check_fits(model: Path, description: Description, tokenizer: str) -> None:
    """Raises JudgeError when `model` holds versions that a client could not take this one for."""
    if not versions(model):
        return
    there = Description.load(model)
    differ = [
        what
        for what in ("name", "max_length", "pad_id", "cls_id", "sep_id", "max_batch_size")
        if getattr(there, what) != getattr(description, what)
    ]
    heads = {name: (head.kind, head.labels) for name, head in description.heads.items()}
    if list(heads.items()) != [(name, (head.kind, head.labels)) for name, head in there.heads.items()]:
        differ.append("heads and labels")
    if (model / TOKENIZER).read_text(encoding="utf-8") != tokenizer:
        differ.append("tokenizer")
    if differ:
        raise JudgeError(
            f"{model} serves another model: {', '.join(differ)} differ. Its clients could not switch to this "
            "one: export it under another --name, or into another --repository"
        )


def add_version(
    repository: Path,
    description: Description,
    tokenizer: str,
    network_file: Path,
    card: Callable[[int], str],
) -> Path:
    """Put a network beside the earlier ones, or make the model's folder. Returns the version's folder.

    `card` writes the card of the version it is given. A version appears whole: it is written beside and
    renamed, last of all, since the server may be watching. Raises JudgeError.
    """
    model = repository / description.name
    check_fits(model, description, tokenizer)
    version = next_version(model)
    model.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=model))
    new.chmod(0o755)
    try:
        shutil.copyfile(network_file, new / NETWORK)
        _replace(model / TOKENIZER, tokenizer)
        describe(model, description)
        target = model / str(version)
        new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _replace(model / CARD, card(version))
    return target


def describe(model: Path, description: Description) -> None:
    """Write model.json and config.pbtxt of the model's folder, which has its tokenizer."""
    tokenizer = (model / TOKENIZER).read_bytes()
    _replace(model / FILE, description.to_json())
    _replace(model / CONFIG, config_pbtxt(description, hashlib.sha256(tokenizer).hexdigest()))


def say_of_head(model: Path, name: str, text: str) -> None:
    """Put a section about a head that was taught apart into the card, or replace it."""
    card = model / CARD
    before = card.read_text(encoding="utf-8") if card.exists() else f"# {model.name}\n"
    rest = "".join(part for part in _sections(before) if not part.startswith(_headline(name)))
    _replace(card, f"{rest.rstrip()}\n\n{_headline(name)}\n{text.strip()}\n")


def said_of_heads(model: Path, names: Iterable[str]) -> dict[str, str]:
    """What the card has of these heads."""
    parts = _sections((model / CARD).read_text(encoding="utf-8")) if (model / CARD).exists() else []
    found = {name: [part for part in parts if part.startswith(_headline(name))] for name in names}
    return {name: each[0].removeprefix(_headline(name)).strip() for name, each in found.items() if each}


def _sections(card: str) -> list[str]:
    return re.split(r"(?m)^(?=## )", card)


def _headline(name: str) -> str:
    return f"## The head `{name}`\n"


def _tensor(name: str, kind: str, size: int) -> str:
    return f'\n  {{ name: "{name}" data_type: {kind} dims: [ {size} ] }}'


def _replace(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
