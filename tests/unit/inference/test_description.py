"""Model folders: what is wrong with one is said before a document is judged by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.inference import Description, Encoder, Head
from services.inference.encoder import IN_PROCESS
from services.runtime import ConfigurationError
from tests import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.make(tmp_path)


def change(folder: Path, **values: Any) -> None:
    path = folder / "model.json"
    found = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


def test_what_a_folder_says(folder: Path) -> None:
    """The heads, their labels in order, and the room for text."""
    found = Description.read(folder.parent, "judge")
    assert list(found.heads) == ["category", "quality"]
    assert found.heads["category"] == Head("classes", tiny_model.LABELS, 1.5)
    assert [head.size for head in found.heads.values()] == [len(tiny_model.LABELS), 1]
    assert found.window == tiny_model.MAX_LENGTH - 2
    assert found.max_batch_size == tiny_model.MAX_BATCH_SIZE


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"max_length": None}, "max_length"),
        ({"max_length": 2}, "at least 3"),
        ({"max_length": "many"}, "max_length"),
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"heads": {}}, "heads"),
        ({"heads": {"category": {"kind": "classes", "labels": ["news"]}}}, "two or more"),
        ({"heads": {"category": {"kind": "classes", "labels": ["web", "web"]}}}, "two or more"),
        ({"heads": {"quality": {"kind": "score", "labels": ["web"]}}}, "no labels"),
        ({"heads": {"quality": {"kind": "rank"}}}, "'classes' or 'score'"),
        ({"heads": {"c": {"kind": "classes", "labels": ["a", "b"], "temperature": 0}}}, "temperature"),
        ({"name": "other"}, "describes other"),
    ],
)
def test_a_wrong_model_json(folder: Path, values: dict[str, Any], says: str) -> None:
    """The message names the file and the field."""
    change(folder, **values)
    with pytest.raises(ConfigurationError, match=says) as raised:
        Description.read(folder.parent, "judge")
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize("file", ["model.json", "tokenizer.json"])
def test_a_file_is_missing(folder: Path, file: str) -> None:
    """A folder copied in half."""
    (folder / file).unlink()
    with pytest.raises(ConfigurationError, match=f"{file} cannot be read: No such file"):
        Description.read(folder.parent, "judge")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("model.json", b"{", "is not JSON"),
        ("model.json", b"[]", "no description"),
        ("model.json", b"\xff\xfe", "is not JSON"),
        ("config.pbtxt", b"name = judge", "no Triton configuration"),
        ("config.pbtxt", b"\xff", "no Triton configuration"),
        ("config.pbtxt", b'name: "judge"', r"sha256 \(none\)"),
    ],
)
def test_a_broken_file(folder: Path, file: str, content: bytes, says: str) -> None:
    """Said with its name, not as a stack of a parser."""
    (folder / file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=says) as raised:
        Description.read(folder.parent, "judge")
    assert str(folder / file) in str(raised.value)


def test_a_tokenizer_that_is_none(folder: Path) -> None:
    """Or one that lacks a token that the model is told to see."""
    (folder / "config.pbtxt").unlink()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"is not a tokenizer\.json"):
        Description.read(folder.parent, "judge").tokenizer()


@pytest.mark.parametrize("field", ["pad_id", "cls_id", "sep_id"])
def test_a_special_token_that_is_not_there(folder: Path, field: str) -> None:
    """An id outside the vocabulary is outside the model's table too."""
    change(folder, **{field: 10**6})
    with pytest.raises(ConfigurationError, match=f"calls {field}"):
        Description.read(folder.parent, "judge").tokenizer()


def test_a_missing_model_is_told_which_there_are(folder: Path, tmp_path: Path) -> None:
    """A typing error is seen at once."""
    with pytest.raises(ConfigurationError, match=r"no model juge in .* has judge; choose one"):
        Description.read(folder.parent, "juge")
    with pytest.raises(ConfigurationError, match="no such folder"):
        Description.read(tmp_path / "nowhere", "judge")


def remove_versions(folder: Path) -> None:
    shutil.rmtree(folder / "1")


def remove_graph(folder: Path) -> None:
    (folder / "1" / "model.onnx").unlink()


def break_graph(folder: Path) -> None:
    (folder / "1" / "model.onnx").write_bytes(b"no graph")


def put_other_graph(folder: Path) -> None:
    change(folder, heads={"genre": {"kind": "score"}})


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (remove_versions, "has no version"),
        (remove_graph, "cannot be read"),
        (break_graph, "not a model that onnxruntime can run"),
        (put_other_graph, "does not fit model.json"),
    ],
)
def test_a_folder_without_a_model_that_runs(folder: Path, trouble: Callable[[Path], None], says: str) -> None:
    """Known when the unit is built, not with the first document."""
    trouble(folder)
    with pytest.raises(ConfigurationError, match=says):
        Encoder.open(IN_PROCESS, folder.parent, "judge")


def test_probabilities() -> None:
    """Calibrated: temperature 2 halves the logits; large logits do not overflow."""
    head = Head("classes", ("a", "b"), 2.0)
    found = head.probabilities(np.array([[2.0, 0.0], [2000.0, 0.0]], np.float32))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))], [1, 0]]), abs=1e-6)
