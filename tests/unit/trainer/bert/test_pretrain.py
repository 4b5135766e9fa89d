from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, BertConfig

from trainer.bert.errors import JudgeError
from trainer.bert.model import build_encoder, mean_state, tensors
from trainer.bert.pretrain import Pretraining, mask, pieces, pretrain
from trainer.bert.recipe import EncoderConfig, FitConfig, PretrainConfig
from trainer.bert.teacher import embed
from trainer.bert.vocabulary import Vocabulary

CPU = torch.device("cpu")
TINY = EncoderConfig(layers=1, width=32, heads=2, inner=64, embedding=16, dropout=0)


@pytest.fixture(scope="module")
def texts(records: Callable[..., list[dict[str, Any]]]) -> list[str]:
    return [row["text"] for row in records(120)]


@pytest.fixture(scope="module")
def vocabulary(texts: list[str]) -> Vocabulary:
    return Vocabulary.train(texts, 400)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> str:
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    shape = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=400, max_position_embeddings=64, **shape)
    AutoModel.from_config(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(vocabulary.to_json())
    return str(folder)


def test_masks_hide_what_they_should(vocabulary: Vocabulary) -> None:
    """Prevents [CLS] or padding from being guessed, and a batch from having nothing to guess."""
    draw = np.random.default_rng(0)
    ids = draw.integers(5, 400, (64, 40))
    ids[:, 0], ids[:, 30], ids[:, 31:] = vocabulary.cls, vocabulary.sep, vocabulary.pad
    hidden, chosen = mask(ids, 0.15, vocabulary, draw)
    assert not chosen[:, 0].any()
    assert not chosen[:, 30:].any()
    assert chosen.any(axis=1).all()
    assert 0.12 < chosen[:, 1:30].mean() < 0.2
    assert (hidden[~chosen] == ids[~chosen]).all()
    assert 0.7 < (hidden[chosen] == vocabulary.mask).mean() < 0.9
    assert 0.03 < (hidden[chosen] == ids[chosen]).mean() < 0.2
    _, least = mask(ids, 0.0, vocabulary, draw)
    assert (least.sum(axis=1) == 1).all()


def test_pieces_cover_a_text_and_carry_its_own_words(vocabulary: Vocabulary) -> None:
    """Prevents a teacher from being asked about another piece than the student sees."""
    text = "gull harbour 海鸥 tide " * 9
    found = list(pieces(vocabulary, [text, "comet", "\n"], 10, 100))
    assert found[-1][0] == "comet"
    whole = [i for _, ids in found[:-1] for i in ids[1:-1]]
    assert whole == vocabulary.encode([text])[0]
    assert all(vocabulary.wrap(vocabulary.encode([span])[0]) == ids for span, ids in found)
    assert len(list(pieces(vocabulary, [text], 10, 2))) == 2


def test_masked_words_are_learnt(vocabulary: Vocabulary, texts: list[str], tmp_path: Path) -> None:
    """Prevents a pre-training that runs and teaches nothing."""
    encoder = build_encoder(TINY, vocabulary, 32)
    said: list[str] = []
    config = PretrainConfig(fit=FitConfig(epochs=8, batch_size=16, learning_rate=5e-3, patience=0))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    pretrain(encoder, vocabulary, texts, config, max_length=32, device=CPU, out=tmp_path, log=said.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in said if "loss" in line]
    assert losses[-1] < losses[0] - 1
    assert any(not torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    maskless = Vocabulary(vocabulary.tokenizer, 0, 2, 3, -1)
    with pytest.raises(JudgeError, match=r"no \[MASK\]"):
        pretrain(encoder, maskless, texts, config, max_length=32, device=CPU, out=tmp_path / "b")


def test_a_teacher_is_matched(vocabulary: Vocabulary, texts: list[str], teacher: str, tmp_path: Path) -> None:
    """Prevents a student from being pulled to the embedding of another text."""
    config = PretrainConfig(
        masked=0, teacher=teacher, fit=FitConfig(epochs=25, batch_size=16, learning_rate=5e-3, patience=0)
    )
    encoder = build_encoder(TINY, vocabulary, 32)
    said: list[str] = []
    pretrain(encoder, vocabulary, texts, config, max_length=32, device=CPU, out=tmp_path, log=said.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in said if "loss" in line]
    target = embed(teacher, texts, tmp_path / "t", CPU, max_length=32)
    blind = 1 - float(
        np.mean(target @ target.mean(0) / np.linalg.norm(target, axis=1) / np.linalg.norm(target.mean(0)))
    )
    assert losses[-1] < 0.6 * blind  # what always answering the mean embedding would cost


def test_embeddings_go_on_where_they_were_interrupted(
    vocabulary: Vocabulary, texts: list[str], teacher: str, tmp_path: Path
) -> None:
    """Prevents an hour of the teacher's work from being lost, and rows from being mixed up."""
    whole = embed(teacher, texts, tmp_path, CPU, prefix="tide ", max_length=32)
    encoder = AutoModel.from_pretrained(teacher).eval()
    for row in (0, 7, 119):
        ids = [vocabulary.wrap(vocabulary.encode(["tide " + texts[row]])[0][:30])]
        with torch.inference_mode():
            alone = mean_state(encoder, *tensors(ids, vocabulary.pad, CPU))
        np.testing.assert_allclose(whole[row], alone[0].numpy(), atol=1e-5)
    (file,) = tmp_path.glob("teacher-*.f32")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 + 3])
    again = embed(teacher, texts, tmp_path, CPU, prefix="tide ", max_length=32)
    np.testing.assert_allclose(again, whole, atol=1e-5)
    embed(teacher, texts[:-1], tmp_path, CPU, prefix="tide ", max_length=32)
    assert len(list(tmp_path.glob("teacher-*.f32"))) == 2


def test_both_objectives_are_summed(vocabulary: Vocabulary, texts: list[str]) -> None:
    rows = [vocabulary.wrap(ids) for ids in vocabulary.encode(texts[:8])]
    targets = np.random.default_rng(0).normal(size=(8, 48)).astype(np.float32)
    losses = []
    for config, wanted in (
        (PretrainConfig(), None),
        (PretrainConfig(masked=0, teacher="t"), targets),
        (PretrainConfig(teacher="t"), targets),
    ):
        torch.manual_seed(0)
        encoder = build_encoder(TINY, vocabulary, 64)
        objective = Pretraining(encoder, vocabulary, rows, config=config, targets=wanted, device=CPU)
        objective.module.eval()
        losses.append(objective.loss(range(8), np.random.default_rng(0)).item())
    assert 5 < losses[0] < 8  # ln 400 = 6
    assert 0.8 < losses[1] < 1.2
    assert losses[2] > losses[0] + 0.5


def test_a_tokenizer_without_padding_is_told(tmp_path: Path) -> None:
    broken = Tokenizer.from_str(
        '{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}'
    )
    with pytest.raises(JudgeError, match="not of the BERT family"):
        Vocabulary.of(broken)
