"""The stand-in for Triton: the same repository, run in this process by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.inference.batches import pad, plan
from services.inference.config import InferenceConfig
from services.inference.description import Description
from services.inference.model import Inferred, gather
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    import onnxruntime

_INPUTS = ("input_ids", "attention_mask")
# Tokens of one run, padding included; a row that is longer runs alone. Own measurement with the judge that
# ships, 2 MB of second-level cache: 8 rows of 128 cost 2 % less a row than 16 on one thread and 5 % less on
# two, 32 of them 9 and 15 % more, since their values leave the cache.
RUN_TOKENS = 1024

logger = structlog.get_logger(__name__)


class OnnxModel:
    """Runs the newest version of a model folder; a newer one that appears is taken up by the next call.

    Raises ConfigurationError at construction when onnxruntime or a usable version is missing.
    """

    def __init__(self, description: Description, options: InferenceConfig) -> None:
        self.description = description
        self._options = options
        self._version = 0
        self._refused: dict[tuple[int, int], ConfigurationError] = {}  # by version and time of its file
        self._session: onnxruntime.InferenceSession | None = None
        self._update()

    def infer(self, windows: Sequence[Sequence[int]]) -> Inferred:
        """As Model."""
        session = self._update()
        described, options = self.description, self._options
        batches = plan(
            [len(window) for window in windows],
            multiple=options.bucket,
            longest=described.max_length,
            max_rows=described.max_batch_size,
            max_tokens=RUN_TOKENS,
        )
        names = list(described.heads)
        answers = []
        for batch in batches:
            inputs = pad(
                windows, batch, cls_id=described.cls_id, sep_id=described.sep_id, pad_id=described.pad_id
            )
            outputs = session.run(names, dict(zip(_INPUTS, inputs, strict=True)))
            answers.append(dict(zip(names, outputs, strict=True)))
        return Inferred(gather(described, batches, answers, len(windows)), self._version if batches else 0)

    def close(self) -> None:
        """As Model."""
        self._session = None
        self._version = 0

    def _update(self) -> onnxruntime.InferenceSession:
        """The newest version that loads; as in Triton, one that does not leaves the older one serving."""
        problem = ConfigurationError(
            f"{self.description.folder} has no version, not even 1/model.onnx: copy the whole export"
        )
        for version, path in self._versions():
            if version == self._version and self._session is not None:
                return self._session
            try:
                key = version, path.stat().st_mtime_ns
                if key not in self._refused:
                    self._session, self._version = self._load(path), version
                    return self._session
                problem = self._refused[key]
            except OSError as error:  # removed, or not there yet
                problem = ConfigurationError(f"{path} cannot be read: {error.strerror}")
            except ConfigurationError as error:
                problem = self._refused[key] = error
                logger.warning("model version left out", error=str(error))
        raise problem

    def _versions(self) -> list[tuple[int, Path]]:
        """(number, model.onnx) of each version, newest first."""
        folders = self.description.folder.iterdir()
        numbers = sorted((int(folder.name) for folder in folders if folder.name.isdecimal()), reverse=True)
        return [(number, self.description.folder / str(number) / "model.onnx") for number in numbers]

    def _load(self, path: Path) -> onnxruntime.InferenceSession:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigurationError(
                "judging in process needs onnxruntime: pip install 'corpusworks[local]', or set "
                "CORPUSWORKS_TRITON_URL to the gRPC address of a Triton"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._options.threads
        # Threads that spin while they wait would take the cores from the services beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors; they are raised as well
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base of their own
            raise ConfigurationError(f"{path} is not a model that onnxruntime can run: {error}") from error
        inputs = {each.name: each.type for each in session.get_inputs()}
        outputs = {each.name: (each.type, each.shape[-1]) for each in session.get_outputs()}
        heads = {name: ("tensor(float)", head.size) for name, head in self.description.heads.items()}
        if inputs != dict.fromkeys(_INPUTS, "tensor(int64)") or not heads.items() <= outputs.items():
            raise ConfigurationError(
                f"{path} does not fit model.json: it takes {inputs} and gives {outputs}; heads are {heads}"
            )
        return session
