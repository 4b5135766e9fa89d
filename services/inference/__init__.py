"""inference: texts to the logits of a judge, by Triton or, where there is none, in process.

    encoder = Encoder.open(settings.triton_url, models=None, name="judge")
    judged = encoder.judge(texts)  # judged.logits["quality"]: float32 [len(texts), 1]

Nothing is opened at import; onnxruntime, tritonclient and tokenizers are imported where they are used.
"""

from __future__ import annotations

from services.inference.config import InferenceConfig
from services.inference.description import MODELS, Description, Head
from services.inference.encoder import Encoder, Judged
from services.inference.model import Inferred, Model
from services.inference.table import Table
from services.inference.windows import windows

__all__ = [
    "MODELS",
    "Description",
    "Encoder",
    "Head",
    "InferenceConfig",
    "Inferred",
    "Judged",
    "Model",
    "Table",
    "windows",
]
