"""What runs a model: Triton or the stand-in, behind one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.inference.batches import Batch
from services.inference.description import Description

Logits = Mapping[str, npt.NDArray[np.float32]]  # by head, [rows, size of the head]


@dataclass(frozen=True)
class Inferred:
    """Logits of every head, a row for each window in the order given, and the version that answered."""

    logits: Logits
    version: int


class Model(Protocol):
    """Runs windows. One thread at a time."""

    description: Description

    def infer(self, windows: Sequence[Sequence[int]]) -> Inferred:
        """Logits of windows, each a list of at most `description.window` ids without [CLS] and [SEP].

        All rows come from one version: the newest there is when the call begins, or later. Raises
        DependencyDown, ConfigurationError.
        """

    def close(self) -> None:
        """Let go of connections and memory."""


def gather(
    description: Description, batches: Sequence[Batch], answers: Sequence[Logits], count: int
) -> Logits:
    """The answers to batches, put back in the order of the windows."""
    gathered = {name: np.empty((count, head.size), np.float32) for name, head in description.heads.items()}
    for batch, answer in zip(batches, answers, strict=True):
        for name, logits in answer.items():
            gathered[name][batch.rows] = logits
    return gathered
