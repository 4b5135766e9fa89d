"""`train`: a model on the parts of a river, on this machine; no server is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import fail
from services.cli.options import Out
from services.local.store import store_in
from services.runtime import ConfigurationError, load_settings

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.train import Ended

app = typer.Typer()

# What the smallest preset needs to see something in five minutes and 900,000 tokens: its own
# batches of 32 sequences would be fourteen steps. Narrower, since the rows of 49,152 tokens cost by far the
# most: 3.3 M parameters with them. The rate falls nearly from the start, since at a constant one batches of a
# single sequence pull the frequencies of tokens about. With fewer steps no bucket's loss need be expected
# below its unigrams: who counts the demo's tokens as they come is 0.2 to 0.5 nats above the entropy of what
# was counted after 240 steps, and 0.1 at the most after 600.
_FIRST_LOOK = (
    "model.dim=64",
    "model.num_layers=3",
    "model.hidden_dim=192",
    "optimizer.learning_rate=0.006",
    "data.batch_size=1",
    "data.micro_batch_size=1",
    "schedule.warmup_steps=10",
    "schedule.decay_steps=420",
    "schedule.decay_at=31",
    "checkpoint.every=100",
)


@app.command()
def train(
    *,
    out: Out = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", help="YAML file, or 1m, 5m, … 7b; default: 1m in small batches, for a look."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value of it, as data.batch_size=8; repeatable.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Its name; with it a training goes on.")] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for the next part before the end.")
    ] = 10.0,
) -> None:
    """Train a model on the parts of a river, while it seals more or afterwards.

    Goes on from the newest checkpoint of the run. With more than one GPU: `torchrun -m trainer.train`.
    """
    store = store_in(str(out) if out is not None else load_settings().store_url)
    given = [f"data.store={store.url}", f"data.wait_s={wait}"]
    given += _FIRST_LOOK if config is None else ()
    given += settings or []
    given += [f"run={run}"] if run else []
    with _errors():
        from trainer.config import load
        from trainer.train import train as train_on

        chosen = load(config or "1m", given)
        ended = train_on(chosen, lambda line: print(line, file=sys.stderr, flush=True))
        _tell(chosen, ended)


def _tell(config: TrainConfig, ended: Ended) -> None:
    """The end: loss by bucket, the curve and where all this lies."""
    from trainer import report
    from trainer.checkpoint import key_of
    from trainer.data.store import Store

    store = Store(config.data.store)
    curve = report.curve(store, config.run)
    for line in report.numbers(curve, ended.unigrams):
        print(line)
    print(f"checkpoint: {_place(store.url, key_of(config.run, ended.step))}", file=sys.stderr)
    if curve.points:
        key = f"train/{config.run}/loss.png"
        store.put(key, report.curve_png(curve, config.run, ended.unigrams))
        print(f"loss curve: {_place(store.url, key)}", file=sys.stderr)


def _place(url: str, key: str) -> str:
    return f"{url.removeprefix('file://').rstrip('/')}/{key}"


@contextmanager
def _errors() -> Iterator[None]:
    """What the user can mend, as its lines and exit code; without PyTorch, what to install."""
    from trainer.errors import TrainerError

    try:
        yield
    except TrainerError as error:
        fail(error, error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("trainer", "contracts", "services")):
            raise
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'corpusworks[trainer]'"
        ) from error
