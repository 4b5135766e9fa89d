"""The configuration of a run: what a YAML file may say. Every value is checked before anything starts.

load("train.yaml", ["data.batch_size=8"])     # --set
load("5m", ["data.store=demo"])               # a file of trainer/configs/
model: 5m                                     # in a file: the model of that one
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from trainer import schema
from trainer.errors import ConfigError
from trainer.schema import Disagreement, Tree

PRESETS = Path(__file__).parent / "configs"
HIDDEN_MULTIPLE = 64  # a width that kernels tile without a rest


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


_Strict = Field(strict=True)
Natural = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
# Not strict: YAML reads 3e-4, without a point, as a word.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_no_bool)]
Momentum = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), BeforeValidator(_no_bool)]
Penalty = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=True), BeforeValidator(_no_bool)]
Flag = Annotated[bool, _Strict]


class _Closed:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if wrong := list(self._disagreements()):
            raise Disagreement(wrong)

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        yield from ()


@dataclass(frozen=True)
class ModelConfig(_Closed):
    """A Llama-style decoder.

    vocab_size: rows of the embedding; 0: data.vocabulary_size, else that of the parts.
    hidden_dim: width of the SwiGLU layer; 0: 8/3 dim, rounded up to 64, so that its three matrices hold as
        many numbers as the two of 4 dim (Shazeer 2020, "GLU Variants Improve Transformer").
    num_kv_heads: heads of keys and values, each for num_heads / num_kv_heads queries; 0: num_heads.
    tied: the head is the embedding (Press & Wolf 2017).
    """

    dim: Count
    num_layers: Count
    num_heads: Count
    num_kv_heads: Natural = 0
    hidden_dim: Natural = 0
    vocab_size: Natural = 0
    rope_theta: Positive = 10_000.0
    norm_eps: Positive = 1e-5
    tied: Flag = True

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return self.dim // self.num_heads

    @property
    def kv_heads(self) -> int:
        """num_kv_heads, resolved."""
        return self.num_kv_heads or self.num_heads

    @property
    def mlp_dim(self) -> int:
        """hidden_dim, resolved."""
        return self.hidden_dim or -(-8 * self.dim // (3 * HIDDEN_MULTIPLE)) * HIDDEN_MULTIPLE

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        if self.dim % self.num_heads:
            yield "num_heads", f"{self.num_heads} heads do not divide dim {self.dim}"
        elif self.head_dim % 2:
            yield "num_heads", f"a head is {self.head_dim} wide; it has to be even, its pairs are rotated"
        if self.num_heads % self.kv_heads:
            yield "num_kv_heads", f"{self.kv_heads} do not divide the {self.num_heads} heads"


@dataclass(frozen=True)
class DataConfig(_Closed):
    """What is read, and how much of it a step takes.

    store: folder or URL (s3://…) that holds parts/ and catalog/; train/ is written into it.
    batch_size: sequences of a global batch; micro_batch_size: of one pass, on one device.
    shuffle_parts: parts that are shuffled as one block; 1: sequences within a part.
    mask: document: a token sees its own document alone; none: all before it in the sequence.
    vocabulary: digest of the one that parts must have; empty: that of the first part.
    wait_s: so long new parts are waited for, then the run ends; inf: for ever.
    prefetch: steps that are read ahead.
    cache: folder for parts of a store on the network; empty: corpusworks/parts in the user's cache folder.
    verify: the sha256 of a folder's parts is checked too, and not only of what comes over the network.
    cache_gb: how much of them is kept, in 10^9 bytes; those in use stay in any case.
    """

    store: Annotated[str, Field(strict=True, min_length=1)]
    batch_size: Count
    micro_batch_size: Count
    seed: Natural = 0
    shuffle_parts: Count = 1
    mask: Literal["document", "none"] = "document"
    vocabulary: Annotated[str, _Strict] = ""
    vocabulary_size: Natural = 0
    wait_s: Seconds = math.inf
    prefetch: Count = 2
    cache: Annotated[str, _Strict] = ""
    cache_gb: Positive = 64.0
    verify: Flag = False

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        if self.batch_size % self.micro_batch_size:
            yield "micro_batch_size", f"{self.micro_batch_size} does not divide batch_size {self.batch_size}"


@dataclass(frozen=True)
class OptimizerConfig(_Closed):
    """AdamW; betas and decay as Llama 2 (Touvron et al. 2023, 2.2). clip: norm of the gradient."""

    learning_rate: Positive
    betas: tuple[Momentum, Momentum] = (0.9, 0.95)
    eps: Positive = 1e-8
    weight_decay: Penalty = 0.1
    clip: Positive = 1.0


@dataclass(frozen=True)
class ScheduleConfig(_Closed):
    """Warm-up, stable, decay (Hu et al. 2024, MiniCPM, 4).

    decay_steps: length of the decay once it has begun. It begins at the first step of a phase in
    decay_phases, or after step decay_at at the latest (0: never by itself). final: share of the rate that
    is left at its end.
    """

    warmup_steps: Natural
    decay_steps: Count
    decay: Literal["linear", "sqrt", "cosine"] = "linear"
    final: Share = 0.0
    decay_phases: tuple[str, ...] = ("anneal",)
    decay_at: Natural = 0

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        if 0 < self.decay_at < self.warmup_steps:
            yield "decay_at", f"the warm-up lasts to step {self.warmup_steps}; the decay begins after it"


@dataclass(frozen=True)
class StabilityConfig(_Closed):
    """When a step is skipped, and when more than that is done.

    A step whose loss or gradient norm is `sigmas` above those of the last `window` steps (as soon as there
    are `least`) changes no weights (OLMo's SkipStepOptimizer, 6 of 128). After `rewind_after` of them among
    `rewind_window`, or a loss that is no number, the run goes back to a checkpoint and passes the samples
    over. After more than max_spikes in spike_window steps it ends. prove: suspects are replayed before
    documents are named.
    """

    window: Annotated[int, Field(strict=True, ge=2)] = 128
    least: Annotated[int, Field(strict=True, ge=2)] = 64
    sigmas: Positive = 6.0
    rewind_after: Count = 3
    rewind_window: Count = 8
    max_spikes: Natural = 5
    spike_window: Count = 10_000
    prove: Flag = True

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        if self.least > self.window:
            yield "least", f"{self.least} steps never fit into a window of {self.window}"
        if self.rewind_after > self.rewind_window:
            yield "rewind_after", f"{self.rewind_after} skips never fit into {self.rewind_window} steps"


@dataclass(frozen=True)
class CheckpointConfig(_Closed):
    """every: steps; the newest keep_last stay, and each whose step keep_every divides (0: none besides).

    folder: for temporary files; empty: the system's.
    """

    every: Count
    keep_last: Count = 3
    keep_every: Natural = 0
    folder: Annotated[str, _Strict] = ""


@dataclass(frozen=True)
class MixingConfig(_Closed):
    """Online mixing: each `every` steps the weight of a bucket moves by `bound` of itself at the most."""

    enabled: Flag = False
    every: Count = 1000
    bound: Annotated[float, Field(gt=0, lt=1), BeforeValidator(_no_bool)] = 0.1


@dataclass(frozen=True)
class StartConfig(_Closed):
    """Weights to begin with, where there is no checkpoint yet: those of a folder of Hugging Face's Llama.

    folder: empty: random ones. pieces: pieces.json of an extended vocabulary, see trainer.hf.pieces.
    """

    folder: Annotated[str, _Strict] = ""
    pieces: Annotated[str, _Strict] = ""

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        if self.pieces and not self.folder:
            yield "pieces", "needs start.folder, the model whose vocabulary was extended"


@dataclass(frozen=True)
class TrainConfig(_Closed):
    """A run. Its name is the folder of its checkpoints and logs, and with them it resumes.

    fsdp: parameters are sharded where there is more than one process; false: each has all of them.
    metrics_port: of the Prometheus metrics; 0: none. threads: of PyTorch on the CPU; 0: its own choice.
    """

    run: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    checkpoint: CheckpointConfig
    steps: Count
    stability: StabilityConfig = field(default_factory=StabilityConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    start: StartConfig = field(default_factory=StartConfig)
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: Flag = False
    activation_checkpointing: Flag = False
    fsdp: Flag = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_every: Count = 10
    metrics_port: Annotated[int, Field(strict=True, ge=0, le=65_535)] = 0
    threads: Natural = 0

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        sizes = self.model.vocab_size, self.data.vocabulary_size
        if all(sizes) and sizes[0] < sizes[1]:
            yield "model.vocab_size", f"{sizes[0]} rows are too few for a vocabulary of {sizes[1]}"


def presets() -> list[str]:
    """Names of the files of trainer/configs/, by size."""
    return sorted((file.stem for file in PRESETS.glob("*.yaml")), key=_size)


def load(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The configuration in a file, or in the preset of that name, with `a.b=c` overrides put over it.

    Raises ConfigError with all faults, a line each.
    """
    tree = _file(path)
    _put_preset(tree)
    for one in overrides:
        schema.override(tree, [one])
        _put_preset(tree)
    return schema.build(TrainConfig, tree)


def _file(path: str | Path) -> Tree:
    file = Path(path)
    if str(path) in presets():
        file = PRESETS / f"{path}.yaml"
    try:
        return schema.read(file.read_text("utf-8"), file.name if file.parent == PRESETS else str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 ({error.reason})") from error
    except OSError as error:
        hint = schema.meant(path, presets())
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}), and no preset has this name{hint}"
        ) from error


def _put_preset(tree: Tree) -> None:
    """`model: 5m` becomes the model of that file."""
    name: Any = tree.values.get("model")
    if not isinstance(name, str):
        return
    if name not in presets():
        tree.fault(("model",), f"no model is called {name}{schema.meant(name, presets())}")
    else:
        tree.values["model"] = dict(_file(name).values["model"])


def _size(name: str) -> float:
    number, unit = name[:-1], name[-1:]
    return float(number) * {"m": 1e6, "b": 1e9}[unit]
