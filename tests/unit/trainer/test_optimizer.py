"""AdamW that the device can stop, and the clipping of gradients."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from trainer.config import OptimizerConfig  # noqa: E402
from trainer.optimizer import Optimizer, clip  # noqa: E402

CONFIG = OptimizerConfig(learning_rate=0.01, weight_decay=0.5)


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.RMSNorm(8))


def _backward(model: torch.nn.Module, scale: float = 1.0) -> None:
    model.zero_grad()
    (model(torch.arange(16.0).view(2, 8)).square().sum() * scale).backward()


def _whole(model: torch.nn.Module, optimizer: Optimizer) -> list[torch.Tensor]:
    state = optimizer.state_dict()["state"].values()
    moments = [value for each in state for value in each.values()]
    return [each.clone() for each in (*model.state_dict().values(), *moments)]


def test_a_refused_step_changes_neither_weights_nor_moments_nor_counts() -> None:
    model = _model()
    optimizer = Optimizer(model, CONFIG)
    _backward(model)
    optimizer.update(0.01, torch.zeros(()))
    before = _whole(model, optimizer)
    _backward(model, scale=float("nan"))
    optimizer.update(0.01, torch.ones(()))
    after = _whole(model, optimizer)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    _backward(model)
    optimizer.update(0.01, torch.zeros(()))
    assert not torch.equal(before[0], _whole(model, optimizer)[0]), "the next step is done"


def test_after_a_refused_step_the_next_is_as_if_it_had_not_been() -> None:
    plain, other = _model(), _model()
    for model, refused in ((plain, False), (other, True)):
        optimizer = Optimizer(model, CONFIG)
        for skip in (0.0, 1.0, 0.0) if refused else (0.0, 0.0):
            _backward(model, scale=100.0 if skip else 1.0)
            optimizer.update(0.01, torch.tensor(skip))
    assert all(torch.equal(one, two) for one, two in zip(plain.parameters(), other.parameters(), strict=True))


def test_only_matrices_decay() -> None:
    model = _model()
    optimizer = Optimizer(model, CONFIG)
    before = copy.deepcopy(model.state_dict())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.update(0.01, torch.zeros(()))
    for name, weights in model.state_dict().items():
        expected = before[name] * (1 - 0.01 * 0.5) if weights.ndim >= 2 else before[name]
        torch.testing.assert_close(weights, expected, msg=name)


def test_values_of_another_config_are_taken_over() -> None:
    optimizer = Optimizer(_model(), CONFIG)
    optimizer.apply(OptimizerConfig(learning_rate=0.01, betas=(0.8, 0.9), weight_decay=0.25))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.0]
    assert {group["betas"] for group in optimizer.param_groups} == {(0.8, 0.9)}


def test_the_norm_is_over_all_gradients_and_they_are_scaled_to_the_limit() -> None:
    model = _model()
    _backward(model)
    gradients = torch.cat([each.grad.flatten() for each in model.parameters()])
    norm = clip(model.parameters(), 0.5)
    assert norm == pytest.approx(float(gradients.norm()))
    clipped = torch.cat([each.grad.flatten() for each in model.parameters()])
    torch.testing.assert_close(clipped, gradients * 0.5 / gradients.norm(), rtol=1e-4, atol=1e-6)


def test_a_gradient_below_the_limit_stays() -> None:
    model = _model()
    _backward(model, scale=1e-9)
    before = [each.grad.clone() for each in model.parameters()]
    clip(model.parameters(), 0.5)
    assert all(torch.equal(a, each.grad) for a, each in zip(before, model.parameters(), strict=True))
