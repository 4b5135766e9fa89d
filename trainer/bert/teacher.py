"""Learning from another encoder: its sentence embeddings, and the loss that draws a student near."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.bert.model import autocast, mean_state, open_encoder, tensors, width_of
from trainer.bert.vocabulary import Vocabulary

_ROWS = 32


class Match(nn.Module):
    """1 - cosine between the student's mean state, mapped to the teacher's width, and its embedding."""

    def __init__(self, width: int, teacher_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, teacher_width)

    def forward(self, pooled: Tensor, target: Tensor) -> Tensor:
        """Mean over the batch; [n, width], [n, teacher_width]."""
        return (1 - nn.functional.cosine_similarity(self.project(pooled), target.float())).mean()


def embed(
    teacher: str,
    texts: Sequence[str],
    folder: Path,
    device: torch.device,
    *,
    prefix: str = "",
    max_length: int = 256,
    log: Callable[[str], None] = lambda _: None,
) -> np.ndarray[Any, Any]:
    """The teacher's mean-pooled embeddings of the texts, float32 [texts, width].

    They are the slow part (5 texts/s on 2 cores with a 12-layer encoder), so they are kept in `folder`, and
    an interrupted call goes on where it was. Raises JudgeError.
    """
    encoder = open_encoder(teacher, max_length).to(device).eval()
    vocabulary = Vocabulary.load(Path(teacher))
    width = width_of(encoder)
    name = hashlib.blake2b(repr((teacher, prefix, max_length)).encode(), digest_size=8)
    for text in texts:
        name.update(text.encode() + b"\0")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"teacher-{name.hexdigest()}.f32"
    order = sorted(
        range(len(texts)), key=lambda row: len(texts[row])
    )  # stored shortest first: little is padded
    done = file.stat().st_size // (4 * width) if file.exists() else 0
    with file.open("r+b" if file.exists() else "wb") as out, torch.inference_mode(), autocast(device):
        out.truncate(done * 4 * width)  # a killed call may have left half a row
        out.seek(0, 2)
        for start in range(done, len(texts), _ROWS):
            rows = order[start : start + _ROWS]
            ids = vocabulary.encode([prefix + texts[row] for row in rows])
            wrapped = [vocabulary.wrap(row[: max_length - 2]) for row in ids]
            pooled = mean_state(encoder, *tensors(wrapped, vocabulary.pad, device))
            out.write(pooled.float().cpu().numpy().astype("<f4").tobytes())
            if start // _ROWS % 50 == 0:
                log(f"teacher: {start + len(rows)} of {len(texts)} texts")
    stored = np.fromfile(file, "<f4").reshape(len(texts), width)
    found = np.empty_like(stored)
    found[order] = stored
    return found
