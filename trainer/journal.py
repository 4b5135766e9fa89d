"""What is told of a run while it goes on: step log, events, metrics, and lines for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from trainer import metrics, progress
from trainer.events import Events, Kind
from trainer.mixing import Mixer
from trainer.record import Recorder
from trainer.steplog import StepLog
from trainer.vocabulary import token_bytes

if TYPE_CHECKING:
    from trainer.agreement import Agreement
    from trainer.config import TrainConfig
    from trainer.data.loader import Loader, Step
    from trainer.data.store import Store
    from trainer.metrics import Progress
    from trainer.model import Decoder
    from trainer.parallel import Place
    from trainer.update import Outcome


class Journal:
    """On every rank; rank 0 writes. tokens: targets that the run was trained on so far."""

    def __init__(
        self,
        config: TrainConfig,
        store: Store,
        place: Place,
        agreement: Agreement,
        *,
        model: Decoder,
        say: Callable[[str], None],
    ) -> None:
        self._config, self._store, self._place, self._agreement = config, store, place, agreement
        self._flops_per_token = model.flops_per_token
        self._recorder = Recorder(config, place, agreement)
        self._meter: progress.Meter | None = None
        mixing = config.mixing
        self._mixer = Mixer(mixing.every, mixing.bound) if mixing.enabled else None
        self.num_parameters = model.num_parameters()
        self.say = say
        self.log = StepLog(store, config.run)
        self.events = Events(store, config.run)
        self.tokens = 0
        self.last: Progress | None = None

    @property
    def bucket_tokens(self) -> dict[str, int]:
        """Targets by bucket since this process began."""
        return dict(self._meter.tokens) if self._meter else {}

    def unigram_entropy(self) -> dict[str, float]:
        """Of this process's targets by bucket, nats a token; collective."""
        return self._meter.unigram_entropy() if self._meter else {}

    def tell(
        self, step: Step, outcome: Outcome, rate: float, loader: Loader, *, phase: str, due: bool
    ) -> None:
        """After a step; collective. phase: of the schedule. due: with a line."""
        self.tokens += outcome.num_targets
        self.log.add(self._recorder.rows(step, outcome, rate))
        meter = self._meter = self._meter or self._new_meter(step.batches[0].tokens.shape[1])
        meter.add(step.batches, outcome, loader.buckets)
        loss, norm = float(outcome.loss), float(outcome.gradient_norm)
        measured: dict[str, Any] = {"loss": loss, "gradient_norm": norm}
        if bool(outcome.skip):
            metrics.SKIPS.inc()
            self.say(f"step {step.number} is skipped: loss {loss:.4f}, norm {norm:.2f}")
            self.event("skip", step.number, parts=sorted({name for name, _ in step.places}), **measured)
        if not due:
            return
        self.last = told = meter.read(step.number, outcome, rate, loader.waited_s)
        self.say(progress.line(told, phase))
        self.event(
            "step",
            step.number,
            learning_rate=rate,
            tokens=self.tokens,
            tokens_per_second=told.tokens_per_second,
            recipe=step.recipe,
            phase=step.phase,
            parts=sorted({name for name, _ in step.places}),
            bucket_loss=told.bucket_loss,
            bucket_bits_per_byte=told.bucket_bits,
            bucket_tokens=self.bucket_tokens,
            mfu=told.mfu or 0.0,
            wait_share=told.wait,
            **measured,
        )
        weights = self._mixer and self._mixer.note(step.number, told.bucket_loss, meter.tokens)
        if weights:
            self.event("mix", step.number, weights=weights, phase=step.phase, bucket_loss=told.bucket_loss)

    def event(self, kind: Kind, number: int, **fields: Any) -> None:
        """One of trainer/events.py, by rank 0."""
        if self._place.leads:
            self.events.say(kind, number, **fields)

    def close(self) -> None:
        """What was told is written."""
        self.log.close()
        self.events.close()

    def _new_meter(self, sequence_length: int) -> progress.Meter:
        vocabulary, device = self._config.data.vocabulary, self._place.device
        size = self._config.model.vocab_size
        lengths = token_bytes(self._store, vocabulary, size) if vocabulary else None
        if lengths is None:
            self.say("bits per byte are not told: the store does not have the parts' vocabulary")
        peak = metrics.peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
        flops = self._flops_per_token(sequence_length)
        return progress.Meter(self._agreement, flops, lengths, self._place.world_size, peak, size)
