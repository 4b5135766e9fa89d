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

import onnxruntime
import triton_python_backend_utils as backend

THREADS = "threads"  # a parameter in config.pbtxt


class TritonPythonModel:
    """One version of one model. Triton calls its methods."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph; what is wrong with it becomes the reason for which the model is not ready."""
        _close_shared_memory()
        config = json.loads(args["model_config"])
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
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
        """An answer to each request, in their order; each runs alone: on CPUs a larger batch is no faster."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        rows = {name: backend.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
        try:
            outputs = self._session.run(self._outputs, rows)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
            return backend.InferenceResponse(error=backend.TritonError(str(error)))
        return backend.InferenceResponse(
            [backend.Tensor(name, output) for name, output in zip(self._outputs, outputs, strict=True)]
        )


def _close_shared_memory() -> None:
    """Take what requests and answers pass through away from other users: Triton makes it with mode 0644."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/dev/shm/")  # noqa: S108 - where shm_open(3) makes it
        if path[1] and not line.endswith(" (deleted)"):
            os.chmod(path[1] + path[2], 0o600)
