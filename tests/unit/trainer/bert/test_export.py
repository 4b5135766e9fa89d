from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton
from tritonclient.grpc.model_config_pb2 import ModelConfig

from services.inference import Description as Served
from services.inference import Encoder, InferenceConfig
from trainer.bert import export as exporting
from trainer.bert import repository
from trainer.bert.description import Description
from trainer.bert.drift import drift, too_far
from trainer.bert.errors import JudgeError
from trainer.bert.evaluate import evaluate, opened
from trainer.bert.export import export
from trainer.bert.model import load
from trainer.bert.predict import judge
from trainer.bert.run import Run

TEXTS = ["gull over the harbour", "黄油 烤箱 面粉", "comet orbit " * 60, "潮水 海鸥 " * 40, "?"]


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A repository with the run as fp32 (1) and int8 (2). Read only."""
    target = tmp_path_factory.mktemp("models")
    export(Run(trained), target, precision="fp32", log=quiet)
    export(Run(trained), target, precision="int8", notes="For tests. Knows three topics.", log=quiet)
    return target


@pytest.fixture
def copied(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    return Run(Path(shutil.copytree(trained, tmp_path / "run")))


def test_onnx_says_what_torch_says(models: Path, trained: Path) -> None:
    """Prevents an export that drops the mask, mixes up the heads or forgets the calibration."""
    infer, vocabulary, description = opened(trained, device="cpu")
    expected = judge(infer, vocabulary, description, TEXTS)
    exported = judge(*opened(models / "judge", version=1), TEXTS)
    temperature = description.heads["topic"].temperature
    assert abs(temperature - 1) > 0.01
    np.testing.assert_allclose(exported["topic"], expected["topic"] / temperature, atol=1e-4)
    np.testing.assert_allclose(exported["worth"], expected["worth"], atol=1e-4)


def test_int8_is_smaller_and_nearly_the_same(models: Path) -> None:
    sizes = [(models / "judge" / str(version) / "model.onnx").stat().st_size for version in (1, 2)]
    assert sizes[1] < sizes[0]  # little: the words keep their 32 bits, and most of this tiny one is the graph
    infer, vocabulary, description = opened(models / "judge", version=1)
    full = judge(infer, vocabulary, description, TEXTS)
    small = judge(*opened(models / "judge", version=2), TEXTS)
    assert not too_far(drift(full, small, description), 0.8)
    assert any((full[head] != small[head]).any() for head in full)


def test_a_text_is_judged_alone_as_in_company(models: Path) -> None:
    """Prevents ranges of 8 bits that are taken from each run: scores would depend on the batch."""
    infer, vocabulary, description = opened(models / "judge", version=2)
    together = judge(infer, vocabulary, description, TEXTS)
    for number, text in enumerate(TEXTS):
        alone = judge(infer, vocabulary, description, [text])
        for head in together:
            np.testing.assert_allclose(alone[head][0], together[head][number], atol=1e-4)


def test_products_with_weights_are_in_8_bits_and_no_others(models: Path) -> None:
    """Prevents an export that is slower than it looks: a product in 32 bits, or attention in 8."""
    path = models / "judge" / "2" / "model.onnx"
    graph = onnx.load(str(path)).graph
    weights = {each.name for each in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    of_weights = [
        product
        for product in products
        if (made := made_by.get(product.input[1])) is not None
        and made.op_type == "DequantizeLinear"
        and made.input[0] in weights
    ]
    assert 0 < len(of_weights) < len(products)
    assert all(made_by[product.input[0]].op_type == "DequantizeLinear" for product in of_weights)
    assert not any(each in weights for product in products for each in product.input)
    normalised = [made_by[node.input[0]] for node in graph.node if node.op_type == "LayerNormalization"]
    assert {node.op_type for node in normalised} == {"Sum"}


def test_the_graph_is_as_agreed(models: Path) -> None:
    """Prevents a graph that Triton's configuration does not fit."""
    for version in (1, 2):
        session = onnxruntime.InferenceSession(models / "judge" / str(version) / "model.onnx")
        assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
            ("input_ids", "tensor(int64)", ["batch", "length"]),
            ("attention_mask", "tensor(int64)", ["batch", "length"]),
        ]
        outputs = [(o.name, o.type, o.shape[1]) for o in session.get_outputs()]
        assert outputs == [("topic", "tensor(float)", 3), ("worth", "tensor(float)", 1)]


def test_the_configuration_is_one_that_triton_reads(models: Path) -> None:
    found = text_format.Parse((models / "judge" / "config.pbtxt").read_text(), ModelConfig())
    assert (found.name, found.backend, found.max_batch_size) == ("judge", "onnxruntime", 64)
    assert [(i.name, i.data_type, list(i.dims)) for i in found.input] == [
        ("input_ids", triton.TYPE_INT64, [-1]),
        ("attention_mask", triton.TYPE_INT64, [-1]),
    ]
    assert [(o.name, o.data_type, list(o.dims)) for o in found.output] == [
        ("topic", triton.TYPE_FP32, [3]),
        ("worth", triton.TYPE_FP32, [1]),
    ]
    assert found.version_policy.latest.num_versions == 1
    assert found.HasField("dynamic_batching")
    tokenizer = (models / "judge" / "tokenizer.json").read_bytes()
    assert found.parameters["tokenizer_sha256"].string_value == hashlib.sha256(tokenizer).hexdigest()


def test_inference_reads_the_folder_and_judges_alike(models: Path) -> None:
    """Prevents the two sides of the contract from drifting apart: what is served is what was measured."""
    served = Served.read(models, "judge")
    assert served.heads["topic"].labels == ("kitchen", "sea", "star")
    with closing(Encoder.open("onnx:", models, "judge", InferenceConfig(threads=1))) as encoder:
        judged = encoder.judge(TEXTS)
    expected = judge(*opened(models / "judge"), TEXTS)
    assert judged.version == 2
    for head in ("topic", "worth"):
        np.testing.assert_allclose(judged.logits[head], expected[head], atol=1e-3)
    assert (judged.logits["topic"].argmax(axis=1) == expected["topic"].argmax(axis=1)).all()


def test_an_exported_model_is_measured_by_onnxruntime(models: Path, trained: Path) -> None:
    before = json.loads((trained / "report.json").read_text())
    after = evaluate(models / "judge", [trained / "held-out.jsonl"], version=1)
    assert after["heads"]["topic"]["confusion"] == before["heads"]["topic"]["confusion"]
    assert after["heads"]["topic"]["ece"] == pytest.approx(before["heads"]["topic"]["ece"], abs=1e-4)
    with pytest.raises(JudgeError, match="has no version 7; it has 1, 2"):
        evaluate(models / "judge", [trained / "held-out.jsonl"], version=7)


def test_the_card_says_what_must_be_known(models: Path) -> None:
    card = (models / "judge" / "card.md").read_text()
    for what in (
        "# judge, version 2",
        "For tests. Knows three topics.",
        "made here: 480",
        "## Where it is weak",
    ):
        assert what in card
    assert "int8 against fp32" in card
    assert "| zh |" in card
    content = (models / "judge" / "2" / "model.onnx").read_bytes()
    assert hashlib.sha256(content).hexdigest() in card


def test_a_version_is_added_and_none_is_touched(copied: Path, trained: Path) -> None:
    """Prevents an export from overwriting what serves, or from reusing the number of a removed version."""
    folder = copied / "judge"
    before = {path: path.read_bytes() for path in folder.rglob("model.onnx")}
    (folder / "4").mkdir()
    assert export(Run(trained), copied, precision="fp32", log=quiet) == folder / "5"
    assert repository.versions(folder) == [1, 2, 5]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert repository.network(folder).parent.name == "5"
    assert {path.name for path in folder.iterdir()} == {
        "1", "2", "4", "5", "model.json", "tokenizer.json", "config.pbtxt", "card.md",
    }  # fmt: skip
    other = export(Run(trained), copied, precision="fp32", name="second", log=quiet)
    assert other == copied / "second" / "1"


def change_description(run: Run, **changes: Any) -> None:
    path = run.model / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_model_does_not_become_a_version(copied: Path, run: Run) -> None:
    """Prevents a switch under running clients to other labels, windows or another tokenizer."""
    there = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    held = run.folder / "held-out.jsonl"
    original = json.loads((run.model / "model.json").read_text())
    heads = json.loads(json.dumps(original["heads"]))
    heads["topic"]["labels"] = ["kitchen", "sea", "sun"]
    held_text = held.read_text()
    held.write_text(held_text.replace('"star"', '"sun"'))
    change_description(run, heads=heads)
    with pytest.raises(JudgeError, match="serves another model: heads and labels differ"):
        export(run, copied, log=quiet)
    held.write_text(held_text)
    change_description(run, heads=original["heads"], max_length=16)
    with pytest.raises(JudgeError, match="max_length differ"):
        export(run, copied, log=quiet)
    change_description(run, max_length=32)
    tokenizer = run.model / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("gull", "gulk"))
    with pytest.raises(JudgeError, match="tokenizer differ"):
        export(run, copied, log=quiet)
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == there


def test_a_version_that_judges_otherwise_must_be_accepted(copied: Path, run: Run) -> None:
    """Prevents a retrained model from moving every threshold unseen."""
    from safetensors.torch import load_file, save_file

    path = run.model / "weights.safetensors"
    weights = load_file(path)
    weights["heads.topic.weight"] = weights["heads.topic.weight"].roll(1, 0).contiguous()
    weights["heads.topic.bias"] = weights["heads.topic.bias"].roll(1, 0).contiguous()
    save_file(weights, path)
    with pytest.raises(JudgeError, match=r"judges otherwise than version 2: topic \(agreement 0\.\d+"):
        export(run, copied, precision="fp32", log=quiet)
    assert repository.versions(copied / "judge") == [1, 2]
    said: list[str] = []
    assert export(run, copied, precision="fp32", accept_drift=True, log=said.append).name == "3"
    assert any("against version 2" in line for line in said)


def test_a_failed_export_leaves_nothing(copied: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents half a version from being served."""

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(repository.shutil, "copyfile", full)
    with pytest.raises(OSError, match="disk full"):
        export(Run(trained), copied, precision="fp32", log=quiet)
    assert repository.versions(copied / "judge") == [1, 2]
    assert not list((copied / "judge").glob(".new*"))


def test_a_graph_that_is_not_the_model_is_not_written(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents an encoder that cannot be traced from being shipped as something else."""
    right = exporting.to_onnx

    def wrong(model: Any, *rest: Any) -> None:
        changed = load(trained / "model")[0]
        changed.heads["worth"].bias.data += 0.01
        exporting.fold_temperatures(changed, Description.load(trained / "model"))
        right(changed, *rest)

    monkeypatch.setattr(exporting, "to_onnx", wrong)
    with pytest.raises(JudgeError, match=r"differs from the trained one by 0\.01"):
        export(Run(trained), tmp_path, log=quiet)
    assert repository.versions(tmp_path / "judge") == []


def test_what_is_no_run_is_refused(tmp_path: Path, run: Run) -> None:
    with pytest.raises(JudgeError, match="holds no trained model"):
        export(Run(tmp_path / "none"), tmp_path)
    (run.folder / "report.json").unlink()
    with pytest.raises(JudgeError, match="has `judge train` ended"):
        export(run, tmp_path / "models")
    (run.model / "model.json").write_text("{}")
    with pytest.raises(JudgeError, match="is no description of a model"):
        export(run, tmp_path / "models")
    with pytest.raises(JudgeError, match="holds no version"):
        repository.network(tmp_path)
