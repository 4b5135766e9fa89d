"""A model folder: what model.json says, and whether tokenizer.json is the one that the model knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODELS = Path(__file__).with_name("models")  # the repository that ships with the package
SHA256 = "tokenizer_sha256"  # parameter of config.pbtxt


@dataclass(frozen=True)
class Head:
    """One output of a model.

    kind: classes, one logit for each label; score, one logit, higher is better.
    temperature: calibration (Guo et al. 2017, "On calibration of modern neural networks"): probabilities are
        softmax(logits / temperature).
    """

    kind: Literal["classes", "score"]
    labels: tuple[str, ...] = ()
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.kind == "classes" and (len(self.labels) < 2 or len(set(self.labels)) < len(self.labels)):
            raise ValueError("a head of classes needs two or more different labels")
        if self.kind == "score" and self.labels:
            raise ValueError("a score has no labels")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature: a number above 0 is needed, not {self.temperature}")

    @property
    def size(self) -> int:
        """Logits a row."""
        return len(self.labels) or 1

    def probabilities(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Calibrated probabilities [n, labels] of logits [n, labels] of a head of classes."""
        scaled = logits / np.float32(self.temperature)
        exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Description:
    """A model, as its folder describes it.

    max_length: tokens of a row, [CLS] and [SEP] included. max_batch_size: rows of a request.
    tokenizer_sha256: of tokenizer.json; the server's model must have been made with the same.
    """

    name: str
    max_length: int
    pad_id: int
    cls_id: int
    sep_id: int
    heads: Mapping[str, Head]
    max_batch_size: int
    folder: Path
    tokenizer_sha256: str

    def __post_init__(self) -> None:
        if self.max_length < 3:
            raise ValueError(
                f"max_length: at least 3 is needed ([CLS], a token, [SEP]), not {self.max_length}"
            )
        if self.max_batch_size < 1:
            raise ValueError(f"max_batch_size: at least 1 is needed, not {self.max_batch_size}")
        if not self.heads:
            raise ValueError("heads: at least one is needed")

    @property
    def window(self) -> int:
        """Tokens of text in a row."""
        return self.max_length - 2

    @classmethod
    def read(cls, models: Path | None, name: str) -> Description:
        """The model `name` of a repository; None is the one that ships with the package.

        Raises ConfigurationError when the folder is missing, broken, or does not fit together.
        """
        folder = (models or MODELS) / name
        if not folder.is_dir():
            raise ConfigurationError(
                f"there is no model {name} in {folder.parent}: it has {_names(folder.parent)}; "
                "choose one, set the models folder, or write one with `corpusworks judge export`"
            )
        found = _json(folder / "model.json")
        tokenizer = _bytes(folder / "tokenizer.json")
        made = _validated(
            cls, folder, {**found, "folder": folder, SHA256: hashlib.sha256(tokenizer).hexdigest()}
        )
        if made.name != name:
            raise ConfigurationError(f"{folder}/model.json describes {made.name}: give the folder that name")
        made._agree_with(folder / "config.pbtxt")
        return made

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, without truncation and padding; names of special tokens in a text are text.

        Raises ConfigurationError when the file is none or lacks a token that model.json names.
        """
        from tokenizers import Tokenizer

        path = self.folder / "tokenizer.json"
        try:
            made = Tokenizer.from_str(_bytes(path).decode())
        except Exception as error:  # the library raises bare Exception
            raise ConfigurationError(f"{path} is not a tokenizer.json: {error}; {_AGAIN}") from error
        made.no_truncation()
        made.no_padding()
        made.encode_special_tokens = True
        for field in ("pad_id", "cls_id", "sep_id"):
            if made.id_to_token(getattr(self, field)) is None:
                raise ConfigurationError(
                    f"{path} has no token {getattr(self, field)}, which model.json calls {field}; {_AGAIN}"
                )
        return made

    def _agree_with(self, config: Path) -> None:
        """Refuse a tokenizer.json other than the one for which config.pbtxt was written; it may be absent."""
        from google.protobuf import text_format
        from tritonclient.grpc.model_config_pb2 import ModelConfig

        if not config.exists():
            return
        try:
            parameters = text_format.Parse(_bytes(config).decode(), ModelConfig()).parameters
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{config} is no Triton configuration: {error}; {_AGAIN}") from error
        self.require_tokenizer(parameters[SHA256].string_value, str(config))

    def require_tokenizer(self, sha256: str, where: str) -> None:
        """Raises ConfigurationError unless `where` names our tokenizer: other ids give other verdicts."""
        if sha256 != self.tokenizer_sha256:
            raise ConfigurationError(
                f"{where} was made for a tokenizer.json with sha256 {sha256[:12] or '(none)'}…, and "
                f"{self.folder}/tokenizer.json has {self.tokenizer_sha256[:12]}…: take both from one export"
            )


_AGAIN = "write the folder again with `corpusworks judge export`"


def _validated(cls: type[Description], folder: Path, values: Mapping[str, Any]) -> Description:
    import pydantic

    try:
        return pydantic.TypeAdapter(cls).validate_python(values)
    except pydantic.ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{folder}/model.json: {lines}; {_AGAIN}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(path))
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}; {_AGAIN}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} holds no description; {_AGAIN}")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; {_AGAIN}") from error


def _names(repository: Path) -> str:
    if not repository.is_dir():
        return "no such folder"
    return ", ".join(sorted(path.parent.name for path in repository.glob("*/model.json"))) or "none"
