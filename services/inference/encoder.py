"""Texts to logits: cut, tokenise, infer, and bring the windows of a text together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contracts.plain import plain
from services.inference.config import InferenceConfig
from services.inference.description import Description
from services.inference.model import Logits, Model
from services.inference.windows import piece_windows, pieces
from services.runtime import Tls

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IN_PROCESS = "onnx:"  # the triton_url that means the stand-in


@dataclass(frozen=True)
class Judged:
    """logits: by head, float32 [texts, size of the head], the mean over a text's windows. version: whose."""

    logits: Logits
    version: int


class Encoder:
    """A model and its tokenizer. One thread at a time."""

    def __init__(self, model: Model, options: InferenceConfig) -> None:
        self.description = model.description
        self._model = model
        self._options = options
        self._tokenizer: Tokenizer = model.description.tokenizer()

    @classmethod
    def open(
        cls,
        triton_url: str,
        models: Path | None,
        name: str,
        options: InferenceConfig | None = None,
        tls: Tls | None = None,
    ) -> Encoder:
        """An encoder over the model `name` of the repository `models` (None: the one of the package).

        triton_url: host:port, grpcs://host:port or unix:/path of a Triton, which is first asked by the first
        batch; "onnx:" runs the folder's newest version in this process. tls: its files, for grpcs. Raises
        ConfigurationError.
        """
        options = options or InferenceConfig()
        description = Description.read(models, name)
        model: Model
        if triton_url == IN_PROCESS:
            from services.inference.onnx import OnnxModel

            model = OnnxModel(description, options)
        else:
            from services.inference.triton import TritonModel

            model = TritonModel(triton_url, description, options, tls)
        return cls(model, options)

    def judge(self, texts: Sequence[str]) -> Judged:
        """Logits of texts, in order, read without marks of Markdown; of no texts, no rows and version 0.

        Raises DependencyDown when the server does not answer, ConfigurationError when it has another
        model, ValueError when a logit is not a number, UnicodeEncodeError for a text with surrogates.
        """
        cut = self._windows([plain(text) for text in texts])
        counts = np.array([len(each) for each in cut], np.intp)
        inferred = self._model.infer([window for each in cut for window in each])
        logits = {}
        for name, rows in inferred.logits.items():
            if not np.isfinite(rows).all():
                raise ValueError(
                    f"{self.description.name} {inferred.version} gives a {name} that is not a number"
                )
            starts = np.cumsum(counts) - counts
            sums = np.add.reduceat(rows, starts, axis=0) if len(texts) else rows
            logits[name] = (sums / counts[:, None]).astype(np.float32)
        return Judged(logits, inferred.version)

    def close(self) -> None:
        """Close the model's connections."""
        self._model.close()

    def _windows(self, texts: Sequence[str]) -> list[list[list[int]]]:
        size, most = self.description.window, self._options.windows
        cut = [pieces(text, size, most) for text in texts]
        flat = [piece for each in cut for piece in each]
        ids = (each.ids for each in self._tokenizer.encode_batch_fast(flat, add_special_tokens=False))
        return [piece_windows(list(islice(ids, len(each))), size, most) for each in cut]
