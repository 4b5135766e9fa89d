"""The decoder: shapes, counts, gradients, positions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from tests.unit.trainer import tiny
from trainer.errors import ConfigError
from trainer.loss import CHUNK
from trainer.model import Decoder


def gradients(model: Decoder) -> dict[str, torch.Tensor]:
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_in_chunks_is_the_cross_entropy_of_the_logits(
    tied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHUNK, "cpu", 7 * tiny.CONFIG.vocab_size)  # 7 tokens at a time, 2 in the last
    model = tiny.model(tied=tied)
    tokens, positions, documents = tiny.packed([[5, 10], [12]], 15)
    targets = torch.randint(0, tiny.CONFIG.vocab_size, tokens.shape)
    targets[0, 4], targets[1, 11:] = -100, -100
    logits = model(tokens, positions, documents).flatten(0, 1)
    of_tokens = functional.cross_entropy(logits, targets.flatten(), reduction="none")
    wanted = of_tokens.sum()
    (wanted * 0.25).backward()
    plain = gradients(model)
    model.zero_grad()
    loss, losses = model(tokens, positions, documents, targets, 0.25)
    (2 * loss).backward()
    assert loss.item() == pytest.approx(0.25 * wanted.item(), rel=1e-6)
    assert losses.sum().item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(losses.flatten(), of_tokens, atol=1e-5)
    assert losses[targets == -100].count_nonzero() == 0
    assert not losses.requires_grad
    assert plain.keys() == gradients(model).keys()
    for name, one in gradients(model).items():
        assert torch.allclose(one, 2 * plain[name], rtol=1e-4, atol=1e-5), name


def test_no_targets_at_all_cost_nothing_and_teach_nothing() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[8]], 8)
    loss, losses = model(tokens, positions, documents, torch.full_like(tokens, -100), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert losses.count_nonzero() == 0
    assert all(one.count_nonzero() == 0 for one in gradients(model).values())


def test_losses_without_gradients_need_no_backward() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[8]], 8)
    with torch.no_grad():
        loss, losses = model(tokens, positions, documents, tokens, 1.0)
    assert loss.item() == pytest.approx(losses.sum().item())


def test_logits_are_invariant_to_a_shift_of_all_positions() -> None:
    model = tiny.model()
    tokens, positions, _ = tiny.packed([[20]], 20)
    with torch.no_grad():
        here, later = model(tokens, positions), model(tokens, positions + 1000)
        elsewhere = model(tokens, positions * 3)
    assert (here - later).abs().max() < 1e-3
    assert (here - elsewhere).abs().max() > 1e-2


def test_recomputed_activations_give_the_same_gradients() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[5, 10]], 15)
    kept = []
    for recompute in (False, True):
        model.recompute = recompute
        model.zero_grad()
        model(tokens, positions, documents, tokens, 1.0)[0].backward()
        kept.append(gradients(model))
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_bfloat16_is_near_float32_and_gradients_stay_float32() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[5, 10]], 15)
    exact, _ = model(tokens, positions, documents, tokens, 1.0)
    model.autocast = torch.bfloat16
    loss, losses = model(tokens, positions, documents, tokens, 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert losses.dtype == torch.float32
    assert {one.dtype for one in gradients(model).values()} == {torch.float32}


def test_counts_and_operations() -> None:
    model = tiny.model()  # 2 layers of 32, 4 heads of 8, 2 of keys and values, feed-forward of 128
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 128 + 2 * 32
    assert model.num_parameters(embedding=False) == 2 * layer + 32
    assert model.num_parameters() == 2 * layer + 32 + 97 * 32
    assert tiny.model(tied=False).num_parameters() == 2 * layer + 32 + 2 * 97 * 32
    assert model.flops_per_token(64) == 6 * model.num_parameters() + 12 * 2 * 32 * 64


def test_it_begins_as_a_uniform_guess() -> None:
    torch.manual_seed(0)
    model = Decoder(tiny.CONFIG)
    tokens, positions, documents = tiny.packed([[200]], 200)
    _, losses = model(tokens, positions, documents, tokens.roll(-1, 1), 1.0)
    assert losses.mean().item() == pytest.approx(math.log(tiny.CONFIG.vocab_size), abs=0.1)


def test_it_learns_a_sequence_by_heart() -> None:
    torch.manual_seed(0)
    model = Decoder(tiny.CONFIG)
    tokens, positions, documents = tiny.packed([[20, 12]], 32)
    targets = tokens.roll(-1, 1)
    targets[0, [19, 31]] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss, _ = model(tokens, positions, documents, targets, 1 / 30)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_a_model_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.vocab_size: is not known"):
        tiny.model(vocab_size=0)
