"""The small encoder that is cut out of a big one: same words, fewer numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig

from trainer.bert.default.__main__ import SHAPE
from trainer.bert.default.encoder import LINE, SPECIAL, build
from trainer.bert.default.onward import restore
from trainer.bert.errors import JudgeError
from trainer.bert.model import mean_of, open_encoder
from trainer.bert.recipe import EncoderConfig, Recipe
from trainer.bert.thin import thin_states
from trainer.bert.train import train
from trainer.bert.vocabulary import Vocabulary

WORDS = [
    "▁the",
    "▁sea",
    "▁tide",
    "▁Sea",
    "▁",
    "海",
    "海港",
    "潮水",
    "a",
    "b",
    "7",
    "▁oven",
    "▁dough",
    "黄油",
    "é",
]
ROOT = Path(__file__).parents[5]
SHIPPED = ROOT / "services" / "inference" / "models" / "judge"
RECIPE = ROOT / "trainer" / "bert" / "default" / "recipe.yaml"
TEXTS = ["The sea, the tide\nthe sea"] * 4 + ["海港潮水"] * 4


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of XLM-R's layout: four special tokens, the words, <mask>."""
    folder = tmp_path_factory.mktemp("teacher")
    pieces = [(piece, 0.0) for piece in (*SPECIAL[:4], *WORDS, "<mask>")]
    scored = [(piece, -1.0 - row / 10 if row >= 4 else 0.0) for row, (piece, _) in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(3)
    config = BertConfig(vocab_size=len(pieces), hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config.intermediate_size = 16
    model = AutoModel.from_config(config, add_pooling_layer=False)
    tensors = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    from safetensors.torch import save_file

    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def small(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    build(teacher, TEXTS, out, EncoderConfig(vocabulary=100, layers=1, width=8, heads=2, inner=16), 32)
    return out


def test_it_keeps_the_pieces_of_its_languages_and_line_ends(small: Path) -> None:
    """Prevents a dialogue and a paragraph from looking the same, and case from costing words."""
    vocabulary = Vocabulary.load(small)
    tokens = vocabulary.tokenizer.encode("The SEA\nthe tide", add_special_tokens=False).tokens
    assert tokens == ["▁the", "▁sea", LINE, "▁the", "▁tide"]
    assert vocabulary.tokenizer.token_to_id("é") is None
    assert vocabulary.tokenizer.token_to_id("▁Sea") is None
    assert (vocabulary.cls, vocabulary.pad, vocabulary.sep, vocabulary.mask) == (0, 1, 2, 4)


def test_words_lie_as_they_do_in_the_teacher(teacher: Path, small: Path) -> None:
    """Prevents a row from being given to another word: with as many components as numbers nothing is lost."""
    there = json.loads((teacher / "tokenizer.json").read_text())["model"]["vocab"]
    rows = {piece: row for row, (piece, _) in enumerate(there)}
    tokenizer = Vocabulary.load(small).tokenizer
    kept = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    before = load_file(teacher / "model.safetensors")["embeddings.word_embeddings.weight"]
    after = load_file(small / "model.safetensors")["embeddings.word_embeddings.weight"]
    chosen = before[[rows["</s>" if piece == LINE else piece] for piece in kept]]
    apart, kept_apart = torch.cdist(chosen, chosen).numpy(), torch.cdist(after, after).numpy()
    ratio = kept_apart[apart > 1e-3] / apart[apart > 1e-3]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)


def test_frozen_words_stay(small: Path, tmp_path: Path) -> None:
    """Prevents words that the labelled texts never show from being left behind by those that they do."""
    rows = [{"text": f"the sea {i}", "topic": "sea"} for i in range(30)]
    rows += [{"text": f"the oven dough {i}", "topic": "kitchen"} for i in range(30)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "heads": {"topic": {"kind": "classes"}},
        "encoder": {"path": str(small), "freeze_words": True},
        "max_length": 16,
        "fit": {"epochs": 2, "learning_rate": 0.01},
    }
    train(Recipe.of(values), [tmp_path / "data.jsonl"], tmp_path / "run", device="cpu", log=lambda _: None)
    name = "embeddings.word_embeddings.weight"
    before = open_encoder(str(small), 16).state_dict()
    (weights,) = (tmp_path / "run").rglob("weights.safetensors")
    after = {key.removeprefix("encoder."): value for key, value in load_file(weights).items()}
    assert torch.equal(before[name], after[name])
    assert not torch.equal(before["embeddings.LayerNorm.weight"], after["embeddings.LayerNorm.weight"])


def test_a_judge_that_ships_is_taken_up_where_it_stands(tmp_path: Path) -> None:
    """Prevents training on from a network whose layers were mixed up: it says what the exported one says."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    restore(SHIPPED, tmp_path, EncoderConfig(**SHAPE))
    encoder, vocabulary = open_encoder(str(tmp_path), 128).eval(), Vocabulary.load(tmp_path)
    (network,) = SHIPPED.rglob("model.onnx")
    weights = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(network)).graph.initializer
    }
    ids = torch.tensor([vocabulary.wrap(vocabulary.encode(["The tide turned at noon. 潮水退了。"])[0])])
    mask = torch.ones_like(ids)
    every = Recipe.load(RECIPE).encoder.every
    with torch.inference_mode():
        pooled = mean_of(thin_states(encoder, ids, mask, every), mask[:, ::every]).numpy()
    restored = pooled @ weights["heads.category.weight"].T + weights["heads.category.bias"]
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    said = session.run(["category"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    temperature = (restored * said).sum() / (said * said).sum()
    np.testing.assert_allclose(restored / temperature, said, atol=0.1)  # in 8 bits


def test_a_judge_of_another_shape_is_one_clear_line(tmp_path: Path) -> None:
    """Prevents a traceback of tensor names from being all that a user gets."""
    with pytest.raises(JudgeError, match="no judge of the default's shape"):
        restore(SHIPPED, tmp_path, EncoderConfig(**SHAPE | {"layers": 3}))
