"""Metrics of training, each declared once; and what share of the device's arithmetic it is (MFU).

Rank 0 serves them. Buckets are named by the recipe, so their number is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import Counter, Gauge, start_http_server

from trainer.errors import ConfigError

# Steps that are done, counted from 1; goes back by a rewind.
STEP = Gauge("corpusworks_train_step", "Newest step")

# Mean over the targets of the newest global batch, in nats.
LOSS = Gauge("corpusworks_train_loss", "Loss of the newest step")

# As it was applied.
LEARNING_RATE = Gauge("corpusworks_train_learning_rate", "Learning rate of the newest step")

# Global L2 norm before it is clipped.
GRADIENT_NORM = Gauge("corpusworks_train_gradient_norm", "Gradient norm of the newest step")

# Tokens that were read, padding left out; the rate of it is the throughput of all ranks.
TOKENS = Counter("corpusworks_train_tokens", "Tokens trained on")

# Over the steps since the last line of the log.
TOKENS_PER_SECOND = Gauge("corpusworks_train_tokens_per_second", "Tokens a second, all ranks")

# Share of what the devices can at best, by the model's own arithmetic (6 N + attention a token), 0..1; recomputed
# activations do not count. Absent where the device's peak is not known.
MFU = Gauge("corpusworks_train_mfu", "Model flops utilisation")

# From one step's end to the next one's, all in.
STEP_SECONDS = Gauge("corpusworks_train_step_seconds", "Seconds a step")

# Share of the step time that rank 0 stood waiting for data.
DATA_WAIT = Gauge("corpusworks_train_data_wait_ratio", "Share of time spent waiting for data")

# Running means, by bucket of the recipe.
BUCKET_LOSS = Gauge("corpusworks_train_bucket_loss", "Loss by bucket, in nats a token", ["bucket"])
BUCKET_BITS = Gauge("corpusworks_train_bucket_bits_per_byte", "Bits per byte by bucket", ["bucket"])
BUCKET_TOKENS = Counter("corpusworks_train_bucket_tokens", "Tokens trained on by bucket", ["bucket"])

# Steps that changed no weights, and returns to a checkpoint.
SKIPS = Counter("corpusworks_train_skipped_steps", "Steps that were skipped as spikes")
REWINDS = Counter("corpusworks_train_rewinds", "Returns to a checkpoint")

# Documents read: one that comes twice is used twice.
USES = Counter("corpusworks_train_document_uses", "Documents trained on, counted at each use")

# Newest step that has a checkpoint.
CHECKPOINT = Gauge("corpusworks_train_checkpoint_step", "Step of the newest complete checkpoint")

# Dense bfloat16 operations a second at best, from the makers' data sheets; SXM variants.
_PEAK = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "H20": 148e12,
    "B200": 2250e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
}


class Progress(NamedTuple):
    """What is told of the steps since the last time. wait: share of the time; mfu: None where unknown."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    step_seconds: float
    wait: float
    mfu: float | None
    bucket_loss: Mapping[str, float]
    bucket_bits: Mapping[str, float]


def serve(port: int) -> None:
    """On all addresses of this machine. Raises ConfigError where the port is taken."""
    try:
        start_http_server(port)
    except OSError as error:
        raise ConfigError(f"metrics_port {port}: {error.strerror}") from error


def show(progress: Progress) -> None:
    """Put what was measured into the gauges."""
    STEP.set(progress.step)
    LOSS.set(progress.loss)
    LEARNING_RATE.set(progress.learning_rate)
    GRADIENT_NORM.set(progress.gradient_norm)
    TOKENS_PER_SECOND.set(progress.tokens_per_second)
    STEP_SECONDS.set(progress.step_seconds)
    DATA_WAIT.set(progress.wait)
    if progress.mfu is not None:
        MFU.set(progress.mfu)
    for bucket, loss in progress.bucket_loss.items():
        BUCKET_LOSS.labels(bucket).set(loss)
    for bucket, bits in progress.bucket_bits.items():
        BUCKET_BITS.labels(bucket).set(bits)


def peak_flops(device_name: str) -> float | None:
    """Dense bfloat16 operations a second of a GPU by its name; None where it is not known."""
    found = [name for name in _PEAK if name in device_name.replace("NVIDIA ", "")]
    return _PEAK[max(found, key=len)] if found else None


def utilisation(flops_per_token: float, tokens_per_second: float, devices: int, peak: float | None) -> float | None:
    """MFU (Chowdhery et al. 2022, PaLM, appendix B), 0..1."""
    return flops_per_token * tokens_per_second / (devices * peak) if peak else None
