"""The `model.py` of the local Triton's python backend: runs the model.onnx beside it with onnxruntime.

Triton's onnxruntime backend does the same in a cluster, but is not in the wheel. This file is copied into
each version of the local model repository and runs in Triton's own environment: it imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as backend

THREADS, ROWS = "threads", "rows"  # parameters in config.pbtxt: of onnxruntime, and that the graph takes
RUN_TOKENS = 1024  # of one run, padding included; measured in services/inference/onnx.py


class TritonPythonModel:
    """One version of one model. Triton calls its methods."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph; what is wrong with it becomes the reason for which the model is not ready."""
        _close_shared_memory()
        config = json.loads(args["model_config"])
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
        self._rows = int(config["parameters"][ROWS]["string_value"])
        graph = Path(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"][THREADS]["string_value"])
        options.inter_op_num_threads = 1
        # A thread that spins while it waits takes a core from the services on the same machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        # Triton would answer with errors for ever after this process has died. In a cluster the graph runs
        # in the server itself and would end it; so it does here, and the server is started again.
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _ || kill -KILL "$0"', str(os.getppid())], stdin=subprocess.PIPE
        )

    def finalize(self) -> None:
        """The end of this version is meant."""
        self._watch.communicate(b"\n")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """An answer to each request, in their order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        inputs = [backend.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]
        try:
            outputs = self._run(inputs)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
            return backend.InferenceResponse(error=backend.TritonError(str(error)))
        return backend.InferenceResponse(
            [backend.Tensor(name, output) for name, output in zip(self._outputs, outputs, strict=True)]
        )

    def _run(self, inputs: Sequence[Any]) -> list[Any]:
        """Outputs for [rows, length]: a request is large since each costs, a run as small as a cache."""
        rows, length = inputs[0].shape
        runs = max(1, -(-rows // self._rows), min(rows, -(-rows * length // RUN_TOKENS)))
        parts = zip(*(np.array_split(each, runs) for each in inputs), strict=True)
        found = [
            self._session.run(self._outputs, dict(zip(self._inputs, part, strict=True))) for part in parts
        ]
        return [np.concatenate(outputs) for outputs in zip(*found, strict=True)]


def _close_shared_memory() -> None:
    """Take what requests and answers pass through away from other users: Triton makes it with mode 0644."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/dev/shm/")  # noqa: S108 - where shm_open(3) makes it
        if path[1] and not line.endswith(" (deleted)"):
            os.chmod(path[1] + path[2], 0o600)
