"""The stand-in for Triton."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from services.inference import Description, InferenceConfig
from services.inference.onnx import RUN_TOKENS, OnnxModel
from tests import tiny_model


def test_a_run_holds_what_a_cache_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents runs as large as requests are, whose values leave the cache."""
    tiny_model.make(tmp_path)
    model = OnnxModel(Description.read(tmp_path, "judge"), InferenceConfig())
    session = model._session
    assert session is not None
    sizes: list[int] = []

    def run(names: list[str], inputs: dict[str, object]) -> object:
        sizes.append(inputs["input_ids"].size)  # type: ignore[attr-defined]
        return session.run(names, inputs)

    monkeypatch.setattr(model, "_session", SimpleNamespace(run=run))
    model.infer([[5] * 60] * 100)
    assert sum(sizes) == 100 * 64
    assert max(sizes) <= RUN_TOKENS
    model.close()
