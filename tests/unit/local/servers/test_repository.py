"""The local model repository against the model folders that it is derived from."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from services.local.servers import repository
from services.local.servers.repository import derive_all, derived, local_config, model_folders
from services.local.servers.triton import DEFAULT_MODELS
from services.runtime import ConfigurationError
from tests import tiny_model

BACKEND = {"backend", "instance_group", "optimization", "parameters", "max_batch_size", "dynamic_batching"}
ELABORATE = """
name: "judge" backend: "onnxruntime" platform: "onnxruntime_onnx" default_model_filename: "model.onnx"
max_batch_size: 8
input [ { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] } ]
output [ { name: "quality" data_type: TYPE_FP32 dims: [ 1 ] label_filename: "labels.txt" } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 500 }
version_policy { specific { versions: [ 1, 3 ] } }
instance_group [ { kind: KIND_GPU count: 2 gpus: [ 0, 1 ] } ]
optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } } }
parameters { key: "tokenizer_sha256" value { string_value: "abc" } }
"""


def parsed(text: str) -> model_config_pb2.ModelConfig:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def config_texts() -> list[str]:
    shipped = [path.read_text() for path in DEFAULT_MODELS.glob("*/config.pbtxt")]
    return [tiny_model._config("judge", "abc"), ELABORATE, *shipped]


@pytest.mark.parametrize("text", config_texts())
def test_both_configurations_agree_in_all_but_the_backend(text: str):
    """Prevents a model that names, shapes or switches otherwise on a laptop than in the cluster."""
    cluster, local = parsed(text), parsed(local_config(text, threads=3))
    assert cluster.backend == "onnxruntime"
    assert local.backend == "python"
    assert local.parameters["threads"].string_value == "3"
    assert local.parameters["rows"].string_value == str(cluster.max_batch_size)
    assert local.max_batch_size == 1024
    assert not local.HasField("dynamic_batching")  # a lone request would wait for others
    assert cluster.parameters.items() <= local.parameters.items()
    for config in (cluster, local):
        for field in (*BACKEND, "platform", "default_model_filename"):
            config.ClearField(field)
    assert cluster == local
    assert cluster.input
    assert cluster.output


def test_every_version_has_the_code_beside_its_graph(tmp_path):
    """Prevents a version that Triton cannot load."""
    folder = tiny_model.make(tmp_path / "models", versions=(1, 2))
    (folder / "2" / "weights.bin").write_bytes(b"beside the graph")
    derive_all([tmp_path / "models"], tmp_path / "local", threads=1)
    found = tree(tmp_path / "local")
    assert set(found) == {
        "judge/config.pbtxt",
        *(f"judge/{version}/{name}" for version in (1, 2) for name in ("model.onnx", "model.py")),
        "judge/2/weights.bin",
    }
    assert found["judge/2/model.onnx"] == (folder / "2" / "model.onnx").read_bytes()
    assert found["judge/1/model.py"] == repository.CODE.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"models", "local"}


def test_where_no_link_can_be_made_it_is_copied(tmp_path, monkeypatch):
    """Prevents a state folder on another disk from being refused."""

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    tiny_model.make(tmp_path / "models")
    derive_all([tmp_path / "models"], tmp_path / "linked", threads=1)
    monkeypatch.setattr(os, "link", refuse)
    derive_all([tmp_path / "models"], tmp_path / "copied", threads=1)
    assert tree(tmp_path / "copied") == tree(tmp_path / "linked")


def test_what_is_gone_from_the_model_folders_is_gone_here(tmp_path):
    """Prevents a start that serves a version which was taken back, or a model which was removed."""
    folder = tiny_model.make(tmp_path / "models", versions=(1, 2))
    tiny_model.make(tmp_path / "models", name="other")
    derive_all([tmp_path / "models"], tmp_path / "local", threads=1)
    shutil.rmtree(folder / "2")
    shutil.rmtree(tmp_path / "models" / "other")
    derive_all([tmp_path / "models"], tmp_path / "local", threads=1)
    assert {path.split("/")[0] for path in tree(tmp_path / "local")} == {"judge"}
    assert not (tmp_path / "local" / "judge" / "2").exists()


def test_a_refused_version_leaves_the_former_repository(tmp_path):
    """Prevents a server that cannot start again after a crash, because of a version it never served."""
    folder = tiny_model.make(tmp_path / "models")
    derive_all([tmp_path / "models"], tmp_path / "local", threads=1)
    before = tree(tmp_path / "local")
    tiny_model.add_version(folder, 2)
    target = tmp_path / "local" / "judge"
    with contextlib.suppress(RuntimeError), derived(folder, target, threads=1):
        seen = (target / "2" / "model.onnx").exists()
        raise RuntimeError("refused")
    assert seen
    assert tree(tmp_path / "local") == before


def test_a_half_written_model_is_not_served(tmp_path):
    """Prevents an export that is under way from stopping the server."""
    folder = tiny_model.make(tmp_path / "models")
    shutil.copytree(folder, tmp_path / "models" / ".other")
    (folder / ".2").mkdir()
    (folder / ".2" / "model.onnx").write_bytes(b"half")
    derive_all([tmp_path / "models"], tmp_path / "local", threads=1)
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["judge"]
    assert not (tmp_path / "local" / "judge" / ".2").exists()


def test_bad_model_folders_are_named(tmp_path):
    """Prevents a table in Triton's log from being the first hint."""
    local = tmp_path / "local"
    with pytest.raises(ConfigurationError, match=r"nowhere is no model repository.*judge export"):
        model_folders([tmp_path / "nowhere"])
    folder = tiny_model.make(tmp_path / "models")
    shutil.copytree(tmp_path / "models", tmp_path / "again")
    with pytest.raises(ConfigurationError, match="two models are named judge"):
        model_folders([tmp_path / "models", tmp_path / "again"])
    assert model_folders([tmp_path / "models", tmp_path / "models"]) == {"judge": folder}
    (folder / "config.pbtxt").write_text("name: judge")
    with pytest.raises(ConfigurationError, match=r"config.pbtxt is no model's configuration"):
        derive_all([tmp_path / "models"], local, threads=1)
    (folder / "config.pbtxt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"config.pbtxt is no model's configuration"):
        derive_all([tmp_path / "models"], local, threads=1)
    (folder / "config.pbtxt").write_text(tiny_model._config("judge", "abc"))
    shutil.rmtree(folder / "1")
    with pytest.raises(ConfigurationError, match=r"holds no version of its model: 1/model.onnx is missing"):
        derive_all([tmp_path / "models"], local, threads=1)
