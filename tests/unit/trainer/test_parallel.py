"""The same model on one process and on two: wrapped in other ways, it computes the same gradients."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, multiprocessing, nn

from tests.unit.trainer import tiny
from trainer.config import TrainConfig, load
from trainer.errors import ConfigError
from trainer.parallel import Place, prepare, process_group

BATCH = [[5, 10], [15], [3, 3, 3], [1, 14]]
WAYS: dict[str, dict[str, object]] = {
    "sharded": {},
    "sharded, recomputed": {"activation_checkpointing": True},
    "sharded, 16 bit": {"precision": "bfloat16"},
    "replicated": {"fsdp": False},
}


def config(**changes: object) -> TrainConfig:
    return replace(load("1m"), model=tiny.CONFIG, device="cpu", threads=1, **changes)  # type: ignore[arg-type]


def gradients(model: nn.Module, rank: int = 0, world_size: int = 1) -> dict[str, Tensor]:
    """Of the mean loss over the batch, of which each rank has a slice."""
    tokens, positions, documents = tiny.packed(BATCH, 15)
    size = len(BATCH) // world_size
    own = slice(rank * size, (rank + 1) * size)
    targets = tokens.where(documents >= 0, -100)
    scale = world_size / int((targets >= 0).sum())  # gradients are the mean over ranks
    loss, _ = model(tokens[own], positions[own], documents[own], targets[own], scale)
    loss.backward()
    found = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, name
        found[name.removeprefix("module.")] = (
            gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
        )
    return found


def worker(rank: int, port: int, folder: str) -> None:
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    with process_group(config()) as place:
        assert (place.rank, place.world_size, place.leads) == (rank, 2, rank == 0)
        for name, changes in WAYS.items():
            found = gradients(prepare(tiny.model(), config(**changes), place), rank, 2)
            if place.leads:
                torch.save(found, Path(folder) / name)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gradients of each of WAYS; one start for all of them, for most of the time is PyTorch's import."""
    folder = tmp_path_factory.mktemp("gradients")
    multiprocessing.spawn(worker, (free_port(), str(folder)), nprocs=2)  # type: ignore[no-untyped-call]
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_two_ranks_compute_the_gradients_of_one(on_two_ranks: Path, way: str) -> None:
    found, wanted = torch.load(on_two_ranks / way), gradients(tiny.model())
    near = {"rtol": 0.1, "atol": 0.02} if "16 bit" in way else {"rtol": 1e-4, "atol": 1e-6}
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        assert found[name].dtype == torch.float32
        assert torch.allclose(found[name], one, **near), name


def test_one_process_needs_no_group_and_keeps_the_names_of_its_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    chosen = config(compile=True, activation_checkpointing=True, precision="bfloat16")
    names = tiny.model().state_dict().keys()
    with process_group(chosen) as place:
        assert place == Place(torch.device("cpu"))
        assert not torch.distributed.is_initialized()
        model = prepare(tiny.model(), chosen, place)
    assert model.state_dict().keys() == names
    assert (model.recompute, model.autocast) == (True, torch.bfloat16)


def test_compiled_layers_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []

    def counted(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
        built.append(graph)
        return graph.forward

    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled(self, backend=counted))
    torch._dynamo.reset()
    model = prepare(tiny.model(), config(compile=True), Place(torch.device("cpu")))
    found, wanted = gradients(model), gradients(tiny.model())
    assert built
    assert all(torch.allclose(found[name], one, rtol=1e-4, atol=1e-6) for name, one in wanted.items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no CUDA device"), process_group(replace(config(), device="cuda")):
        pass
    with process_group(replace(config(), device="auto")) as place:
        assert place.device.type == "cpu"
