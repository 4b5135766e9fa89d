"""The code that runs inside Triton's python backend, here against a backend of the test's own."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from services.inference.onnx import RUN_TOKENS
from services.local.servers import repository
from tests import tiny_model


class Backend(ModuleType):
    """What the stub gives to model.py."""

    Tensor = staticmethod(lambda name, array: (name, array))
    TritonError = staticmethod(lambda message: message)

    @staticmethod
    def InferenceResponse(outputs=(), error=None):
        return SimpleNamespace(outputs=dict(outputs), error=error)

    @staticmethod
    def get_input_tensor_by_name(request, name):
        return SimpleNamespace(as_numpy=lambda: request[name])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Version 1 of the tiny model, as Triton would load it."""
    folder = tiny_model.make(tmp_path)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", Backend("backend"))
    monkeypatch.setattr(os, "getppid", lambda: 2**22 + 1)  # no process has it, should the watch ever kill
    spec = importlib.util.spec_from_file_location("judge_model_under_test", repository.CODE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    config = {
        "input": [{"name": "input_ids"}, {"name": "attention_mask"}],
        "output": [{"name": "category"}, {"name": "quality"}],
        "parameters": {"threads": {"string_value": "1"}, "rows": {"string_value": "16"}},
    }
    made = module.TritonPythonModel()
    made.initialize(
        {"model_config": json.dumps(config), "model_repository": str(folder), "model_version": "1"}
    )
    made.runs = []
    run = made._session.run
    made._session = SimpleNamespace(run=lambda names, feed: (made.runs.append(feed), run(names, feed))[1])
    yield made
    made.finalize()


def request(rows: int, length: int, seed: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(4, 60, (rows, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def test_each_request_gets_its_own_rows(model, tmp_path):
    """Prevents answers that go to another request, and logits that depend on who asks at the same time."""
    requests = [request(2, 8, 1), request(3, 8, 2), request(1, 5, 3), request(1, 8, 4)]
    responses = model.execute(requests)
    assert [feed["input_ids"].shape for feed in model.runs] == [(2, 8), (3, 8), (1, 5), (1, 8)]
    alone = onnxruntime.InferenceSession(tmp_path / "judge" / "1" / "model.onnx")
    for asked, response in zip(requests, responses, strict=True):
        expected = alone.run(["category", "quality"], asked)
        assert response.error is None
        assert list(response.outputs) == ["category", "quality"]
        for array, wanted in zip(response.outputs.values(), expected, strict=True):
            np.testing.assert_allclose(array, wanted, atol=1e-5)


@pytest.mark.parametrize(("rows", "length", "most"), [(300, 64, RUN_TOKENS // 64), (50, 4, 16), (1, 2, 1)])
def test_a_request_is_cut_into_runs(model, tmp_path, rows: int, length: int, most: int):
    """Prevents runs whose values leave the cache, or that hold more rows than the graph takes."""
    asked = request(rows, length, 5)
    (response,) = model.execute([asked])
    sizes = [len(feed["input_ids"]) for feed in model.runs]
    assert sum(sizes) == rows
    assert len(sizes) == -(-rows // most)
    assert max(sizes) <= most
    alone = onnxruntime.InferenceSession(tmp_path / "judge" / "1" / "model.onnx")
    for array, wanted in zip(response.outputs.values(), alone.run(None, asked), strict=True):
        np.testing.assert_allclose(array, wanted, atol=1e-5)


def test_it_runs_as_much_at_once_as_the_stand_in(model):
    """Prevents one of the two from going on with what was measured before."""
    assert sys.modules[type(model).__module__].RUN_TOKENS == RUN_TOKENS


def test_what_the_graph_refuses_is_that_requests_error(model):
    """Prevents one bad row from failing the requests beside it, of another length, or the server."""
    bad = request(1, 8, 1)
    bad["input_ids"][0, 0] = 10**9
    good, refused = model.execute([request(1, 5, 2), bad])
    assert good.error is None
    assert "out of data bounds" in refused.error
    assert model.execute([request(1, 8, 3)])[0].error is None


def test_the_watch_ends_with_the_version(model):
    """Prevents a shell that stays for each version that was ever served."""
    assert model._watch.poll() is None
    model.finalize()
    assert model._watch.returncode == 0
    model._watch = SimpleNamespace(communicate=lambda _: None)
