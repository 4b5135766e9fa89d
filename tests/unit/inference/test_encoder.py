"""From texts to windows and back, over a model that the test holds in its hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services.inference import Description, Encoder, InferenceConfig, Inferred
from services.runtime import ConfigurationError
from tests import tiny_model


class Counting:
    """A model whose quality is the number of tokens of a window."""

    def __init__(self, description: Description, broken: float | None = None) -> None:
        self.description = description
        self.broken = broken
        self.seen: list[list[int]] = []

    def infer(self, windows: Sequence[Sequence[int]]) -> Inferred:
        self.seen += map(list, windows)
        quality = np.array([[len(window)] for window in windows], np.float32).reshape(-1, 1)
        if self.broken is not None:
            quality[-1] = self.broken
        return Inferred({"quality": quality}, 4)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def model(tmp_path: Path) -> Counting:
    tiny_model.make(tmp_path)
    return Counting(Description.read(tmp_path, "judge"))


def test_a_text_has_the_mean_of_its_windows(model: Counting) -> None:
    """Texts of one, two, none and three windows do not run into each other."""
    size = model.description.window
    texts = ["河" * 5, "水" * (size + 1), "", "山" * size * 7]
    judged = Encoder(model, InferenceConfig(windows=3)).judge(texts)
    assert judged.version == 4
    assert judged.logits["quality"].tolist() == [[5], [size], [0], [size]]
    assert [len(window) for window in model.seen] == [5, size, size, 0, size, size, size]


def test_the_windows_of_a_long_text(model: Counting) -> None:
    """Cut in characters first, it still shows its very beginning and its very end."""
    size = model.description.window
    text = "春" + "江" * 100_000 + "夜"
    Encoder(model, InferenceConfig(windows=3)).judge([text])
    first, middle, last = model.seen
    spring, river, night = (tiny_model.VOCABULARY.index(each) for each in "春江夜")
    assert first == [spring] + [river] * (size - 1)
    assert middle == [river] * size
    assert last == [river] * (size - 1) + [night]
    Encoder(model, InferenceConfig()).judge([text])
    assert model.seen[3:] == [first, last]


def test_names_of_special_tokens_are_text(model: Counting) -> None:
    """A page that writes [SEP] must not end its own window."""
    Encoder(model, InferenceConfig()).judge(["[SEP][CLS][PAD]"])
    assert not {tiny_model.PAD, tiny_model.CLS, tiny_model.SEP} & set(model.seen[0])
    assert len(model.seen[0]) > 9


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_logit_that_is_no_number(model: Counting, broken: float) -> None:
    """It would be a rank and a category like any other."""
    model.broken = broken
    with pytest.raises(ValueError, match="a quality that is not a number"):
        Encoder(model, InferenceConfig()).judge(["a", "b"])


@pytest.mark.parametrize(
    "url", ["", "http://triton:8000", "triton", "onnx", "grpc://", "triton:port", "a b:1", "h:8001/v2"]
)
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    """Known at the start, with an example of a right one."""
    tiny_model.make(tmp_path)
    with pytest.raises(ConfigurationError, match=r"CORPUSWORKS_TRITON_URL=.*host:8001"):
        Encoder.open(url, tmp_path, "judge")


@pytest.mark.parametrize(
    "url", ["triton:8001", "127.0.0.1:1", "[::1]:8001", "grpc://t:1", "grpcs://t.b.c:443"]
)
def test_an_address(tmp_path: Path, url: str) -> None:
    """Nobody is called at construction."""
    tiny_model.make(tmp_path)
    Encoder.open(url, tmp_path, "judge").close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("windows", 0),
        ("bucket", 0),
        ("max_tokens", 0),
        ("in_flight", 0),
        ("retries", -1),
        ("threads", -1),
        ("deadline_s", 0),
        ("deadline_s", float("inf")),
        ("backoff_s", float("nan")),
    ],
)
def test_a_setting_that_cannot_be(field: str, value: float) -> None:
    """Named, at construction."""
    with pytest.raises(ValueError, match=field):
        InferenceConfig(**{field: value})  # type: ignore[arg-type]
