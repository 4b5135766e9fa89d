"""Weights out and in by way of Hugging Face's Llama, held against transformers itself."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from services.tokenizer import Vocabulary
from services.tokenizer.extend import extend
from services.tokenizer.train import as_tokenizer_json, train
from tests.unit.trainer import tiny
from trainer.config import ModelConfig, TrainConfig, load
from trainer.errors import CheckpointError, ConfigError
from trainer.hf import __main__ as command
from trainer.hf.export import Tokenizer, export
from trainer.hf.read import read, start
from trainer.model import Decoder

END = "<|endoftext|>"
TEXTS = [
    "the tide turned and the gull flew over the harbour",
    "潮水退了，海鸥飞过海港",
    "def f(x):\n    return x",
] * 9


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return as_tokenizer_json(train(TEXTS, 300))


@pytest.fixture
def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    return Tokenizer.read(vocabulary.content, END, "tokenizer.json")


def small(**changes: Any) -> Decoder:
    return tiny.model(**({"vocab_size": 300} | changes))


def logits_of(folder: Path, tokens: torch.Tensor) -> torch.Tensor:
    from transformers import LlamaForCausalLM

    model, told = LlamaForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        found: torch.Tensor = model(tokens).logits
    return found


@pytest.mark.parametrize("changes", [{"tied": True}, {"tied": False, "num_kv_heads": 0, "rope_theta": 5e5}])
def test_transformers_computes_the_same_logits(
    tmp_path: Path, tokenizer: Tokenizer, changes: dict[str, Any]
) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    model = small(**changes)
    export(model.state_dict(), model.config, tmp_path, tokenizer, context=64)
    tokens, positions, _ = tiny.packed([[40], [40]], 40)
    with torch.no_grad():
        assert (model(tokens, positions) - logits_of(tmp_path, tokens)).abs().max() < 1e-4
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.decode(loaded(TEXTS[1])["input_ids"]) == TEXTS[1]
    assert loaded.eos_token_id == GenerationConfig.from_pretrained(tmp_path).eos_token_id == tokenizer.end


@pytest.mark.parametrize("tied", [True, False])
def test_what_was_exported_is_read_again_bit_by_bit(tmp_path: Path, tied: bool) -> None:
    model = small(tied=tied)
    export(model.state_dict(), model.config, tmp_path)
    found = read(tmp_path)
    assert found.config == replace(model.config, hidden_dim=model.config.mlp_dim)
    assert found.state.keys() == model.state_dict().keys()
    assert all(torch.equal(found.state[name], one) for name, one in model.state_dict().items())


def test_a_model_that_transformers_made_is_gone_on_with(tmp_path: Path) -> None:
    """In 16 bit and in several files, as those that are published."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).bfloat16().save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    found = read(tmp_path)
    model = Decoder(found.config)
    model.load_state_dict(found.state)
    tokens, positions, _ = tiny.packed([[30]], 30)
    theirs = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        assert (model(tokens, positions) - theirs(tokens).logits).abs().max() < 1e-4


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows", [300, 304])  # the second: rounded up, as many models are
def test_new_tokens_begin_as_the_mean_of_their_pieces(
    tmp_path: Path, vocabulary: Vocabulary, tied: bool, rows: int
) -> None:
    words = [f"lex{n % 7} habeas corpus tortious estoppel" for n in range(60)]
    extension = extend(vocabulary, words, 12)
    (tmp_path / "pieces.json").write_bytes(extension.pieces_file())
    model = small(tied=tied, vocab_size=rows)
    export(model.state_dict(), model.config, tmp_path / "old")
    found = read(tmp_path / "old", tmp_path / "pieces.json")
    assert found.config.vocab_size == 312
    assert found.vocabulary == extension.vocabulary.digest
    for name in ("embedding.weight", "head.weight"):
        old, new = model.state_dict()[name], found.state[name]
        assert torch.equal(new[:300], old[:300])
        for index, ids in extension.pieces.items():
            assert torch.allclose(new[index], torch.stack([old[one] for one in ids]).mean(0), atol=1e-6)
    Decoder(found.config).load_state_dict(found.state)


def broken_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def broken_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return rewrite


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (broken_config(model_type="qwen2"), "model_type qwen2; only a plain Llama"),
        (broken_config(attention_bias=True), "attention_bias True"),
        (broken_config(rope_parameters={"rope_type": "llama3", "rope_theta": 1e4}), "rope_type llama3"),
        (broken_config(head_dim=64), "head_dim 64"),
        (broken_config(num_attention_heads=3), "config.json is no Llama: num_heads: 3 heads do not divide"),
        (broken_config(hidden_size=None), "config.json is no Llama"),
        (broken_config(intermediate_size=77), "of another shape than its configuration says: 6 tensors"),
        (broken_config(num_hidden_layers=3), "layers.2"),
        (broken_weights(lambda weights: weights.pop("model.norm.weight")), "norm.weight missing"),
        (
            broken_weights(lambda weights: weights.update(extra=torch.ones(1))),
            "extra is no weight",
        ),
        (cut, "model.safetensors cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is no JSON"),
        (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors cannot be read"),
    ],
)
def test_another_architecture_or_shape_or_a_damaged_file_is_refused(
    tmp_path: Path, change: Callable[[Path], None], told: str
) -> None:
    model = small()
    export(model.state_dict(), model.config, tmp_path)
    change(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ({"of_size": 301, "size": 302, "pieces": {"301": [1]}}, "extends a vocabulary of 301"),
        ({"of_size": 300, "size": 302, "pieces": {"300": [1]}}, "damaged"),
        ({"of_size": 300, "size": 301, "pieces": {"300": [300]}}, "damaged"),
        ({"of_size": 300, "size": 301, "pieces": {"300": [-1]}}, "damaged"),
        ({"of_size": 300, "size": 301, "pieces": {"300": []}}, "damaged"),
        ({"of_size": 300, "size": 301}, "is no pieces.json"),
        ({"of_size": 300, "size": 301, "pieces": [1]}, "is no pieces.json"),
    ],
)
def test_pieces_of_another_model_or_damaged_ones_are_refused(tmp_path: Path, pieces: Any, told: str) -> None:
    model = small()
    export(model.state_dict(), model.config, tmp_path / "old")
    path = tmp_path / "pieces.json"
    path.write_text(json.dumps({"digest": "d"} | pieces))
    with pytest.raises(ConfigError, match=told):
        read(tmp_path / "old", path)


def test_an_export_that_cannot_be_is_refused_and_harms_nothing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = small()
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConfigError, match="has something in it"):
        export(model.state_dict(), model.config, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(ConfigError, match="cannot be written"):
        export(model.state_dict(), model.config, tmp_path / "mine" / "below")
    with pytest.raises(CheckpointError, match="the tokenizer has 300 ids, and the model 299 rows"):
        export(
            small(vocab_size=299).state_dict(),
            replace(model.config, vocab_size=299),
            tmp_path / "a",
            tokenizer,
        )
    with pytest.raises(CheckpointError, match="another shape"):
        export(model.state_dict(), replace(model.config, dim=64), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(ConfigError, match="has no token <eod>"):
        Tokenizer.read(tokenizer.content, "<eod>", "tokenizer.json")
    with pytest.raises(ConfigError, match="corpusworks tokenizer convert"):
        Tokenizer.read(b"AA== 0\n", END, "ranks")


def run_of(model: ModelConfig, **begins: str) -> TrainConfig:
    overrides = [f"start.{key}={value}" for key, value in begins.items()]
    return replace(load("1m", overrides), model=model)


def test_a_run_begins_with_the_weights_that_its_configuration_names(tmp_path: Path) -> None:
    given, begun = small(), small(seed=5)
    export(given.state_dict(), given.config, tmp_path / "old")
    before = begun.embedding.weight.clone()
    start(begun, run_of(begun.config))  # which says nothing
    assert torch.equal(begun.embedding.weight, before)
    start(begun, run_of(begun.config, folder=str(tmp_path / "old")))
    assert all(torch.equal(one, given.state_dict()[name]) for name, one in begun.state_dict().items())
    other = small(num_layers=3)
    with pytest.raises(ConfigError, match=r"has num_layers 2 \(model: 3\)"):
        start(other, run_of(other.config, folder=str(tmp_path / "old")))


def test_the_import_command_prints_a_start_that_a_configuration_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = small()
    export(given.state_dict(), given.config, tmp_path / "old")
    monkeypatch.setattr(sys, "argv", ["hf", "import", str(tmp_path / "old")])
    command.main()
    file = tmp_path / "train.yaml"
    rest = "run: onward\nsteps: 9\ndata: {store: s, batch_size: 1, micro_batch_size: 1}\n"
    rest += "checkpoint: {every: 1}\n"
    rest += "optimizer: {learning_rate: 1}\nschedule: {warmup_steps: 0, decay_steps: 1}\n"
    file.write_text(rest + capsys.readouterr().out)
    config = load(file)
    begun = Decoder(config.model)
    start(begun, config)
    assert torch.equal(begun.head.weight, given.head.weight)
    shutil.rmtree(tmp_path / "old")
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("trainer.hf: ")
