"""The `model.py` of the local Triton's python backend: runs the model.onnx beside it with onnxruntime.

Triton's onnxruntime backend does the same in a cluster, but is not in the wheel. This file is copied into
each version of the local model repository and runs in Triton's own environment: it imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as backend

THREADS = "threads"  # a parameter in config.pbtxt


class TritonPythonModel:
    """One version of one model. Triton calls its methods."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph; what is wrong with it becomes the reason for which the model is not ready."""
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
        """An answer to each request, in their order. Neighbours of one length run as one batch."""
        return [
            response
            for _, group in groupby(map(self._rows, requests), key=lambda rows: rows[0].shape[1])
            for response in self._answer(list(group))
        ]

    def _rows(self, request: Any) -> list[np.ndarray[Any, Any]]:
        return [backend.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]

    def _answer(self, requests: Sequence[Sequence[np.ndarray[Any, Any]]]) -> Iterator[Any]:
        """One run for requests that have the same length."""
        joined = map(np.concatenate, zip(*requests, strict=True))
        try:
            outputs = self._session.run(self._outputs, dict(zip(self._inputs, joined, strict=True)))
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
            yield from [backend.InferenceResponse(error=backend.TritonError(str(error))) for _ in requests]
            return
        begin = 0
        for rows in requests:
            end = begin + len(rows[0])
            yield backend.InferenceResponse(
                [
                    backend.Tensor(name, output[begin:end])
                    for name, output in zip(self._outputs, outputs, strict=True)
                ]
            )
            begin = end
