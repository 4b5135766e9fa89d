"""Training: steps over the loader, from the newest checkpoint of the run on.

    python -m trainer.train --config 5m --set data.store=demo
    torchrun --nproc-per-node 8 -m trainer.train --config train.yaml

`train` sets up and loops; what a step computes is update.py, what is written of it record.py, what becomes of
a spike spikes.py and suspects.py. All ranks run the same lines; where one of them knows more (a signal, the end
of the data, a part that cannot be read), they agree before they go on.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import torch
import yaml

from trainer import checkpoint, metrics, progress, suspects
from trainer.agreement import Agreement
from trainer.checkpoint import Checkpoints, Learned
from trainer.config import TrainConfig, load
from trainer.data.loader import Loader, Step
from trainer.data.state import DataState
from trainer.data.store import Store
from trainer.errors import TrainerError, Unstable, errors
from trainer.events import Events
from trainer.model import Decoder
from trainer.optimizer import Optimizer
from trainer.parallel import Place, prepare, process_group
from trainer.record import Recorder
from trainer.replay import Replayer, Taken
from trainer.schedule import Schedule
from trainer.signals import Interruption
from trainer.spikes import Detector, Rewind, Stop, Watch
from trainer.steplog import StepLog, code_digest
from trainer.update import Outcome, Update
from trainer.vocabulary import resolved, token_bytes

Say = Callable[[str], None]


class Ended(NamedTuple):
    """How a run ended. why: done, its steps or its decay are over; starved, no part came for wait_s; stopped.

    bucket_loss: of the steps since the last line of the log before its end.
    """

    why: Literal["done", "starved", "stopped"]
    step: int
    loss: float
    bucket_loss: dict[str, float]
    bucket_bits: dict[str, float]
    bucket_tokens: dict[str, int]


def train(config: TrainConfig, say: Say = print) -> Ended:
    """Run a configuration to its end; again, from where it was. say: takes a line, on rank 0.

    Raises TrainerError; what was trained until then is in a checkpoint where one can be written.
    """
    with ExitStack() as stack:
        place = stack.enter_context(process_group(config))
        interruption = stack.enter_context(Interruption())
        run = Run(config, place, interruption, say if place.leads else _silent)
        stack.callback(run.close)
        return run.to_the_end()


class Run:
    """What a run consists of, and its loop."""

    def __init__(self, config: TrainConfig, place: Place, interruption: Interruption, say: Say) -> None:
        self.place, self.say, self.interruption = place, say, interruption
        self.agreement = Agreement(place)
        self.store = Store(config.data.store)
        self.checkpoints = Checkpoints(
            self.store, config.run, config.checkpoint, place=place, say=say, written=self._checkpointed
        )
        found = self.checkpoints.newest()
        state = DataState.from_json(json.dumps(found.about["data"])) if found else DataState()
        self.config = config = resolved(config, self.store, state.vocabulary, interruption.came)
        if found:
            checkpoint.check(found, config)
        self.loader = Loader(
            self.store,
            config.data,
            state,
            rank=place.rank,
            world_size=place.world_size,
            pin=place.device.type == "cuda",
            interrupted=interruption.came,
        )
        torch.manual_seed(config.data.seed)
        decoder = Decoder(config.model)
        self.flops_per_token = decoder.flops_per_token
        self.num_parameters = decoder.num_parameters()
        model = prepare(decoder, config, place)
        optimizer = Optimizer(model, config.optimizer)
        stability = config.stability
        detector = Detector(
            window=stability.window, least=stability.least, sigmas=stability.sigmas, device=place.device
        )
        self.learned = Learned(model, optimizer, detector)
        self.update = Update(
            model,
            optimizer,
            config.optimizer.clip,
            place.device,
            self.agreement,
            by_document=config.data.mask == "document",
            world_size=place.world_size,
        )
        self.schedule = Schedule(config.schedule, config.steps)
        self.watch = Watch(stability, config.run)
        self.recorder = Recorder(config, place, self.agreement)
        self.log, self.events = StepLog(self.store, config.run), Events(self.store, config.run)
        self.taken: deque[Taken] = deque(maxlen=2 * config.checkpoint.every + stability.rewind_window)
        self.meter: progress.Meter | None = None
        self.step, self.saved, self.tokens, self.phase = state.step, -1, 0, ""
        self.fault: TrainerError | None = None
        self.last: progress.Progress | None = None
        if found:
            self._load(found)
            say(f"run {config.run} goes on from the checkpoint of step {found.step}")
        elif place.leads:
            self.store.put(f"train/{config.run}/config.yaml", yaml.safe_dump(_plain(asdict(config))).encode())

    def to_the_end(self) -> Ended:
        """Steps until there is nothing more to do. Raises TrainerError."""
        config = self.config
        if self.step >= self.schedule.last:
            self.say(
                f"run {config.run} is done: {self.step} steps. For more, raise steps"
                + (" and begin another run: this one's decay is over" if self.schedule.decay_from else "")
            )
            return self._ended("done")
        if self.place.leads and config.metrics_port:
            metrics.serve(config.metrics_port)
        self.say(
            f"{self.num_parameters:,} parameters on {self.place.world_size} × {self.place.device}, vocabulary "
            f"{config.data.vocabulary or 'unnamed'} of {config.model.vocab_size:,}"
        )
        self.events.say("start", self.step, checkpoint=max(self.saved, 0))
        if self.saved < 0:
            self._save()  # to go back to, and to know at once that one can be written
        why: Literal["done", "starved", "stopped"] = "done"
        while self.step < self.schedule.last:
            step = self._next()
            if step is None:
                why = "stopped" if self._interrupted() else "starved"
                break
            self._train(step)
        return self._finish(why)

    def _next(self) -> Step | None:
        """The next global batch, if all ranks have it and nobody was asked to end."""
        step: Step | None = None
        try:
            step = next(self.loader, None)
        except TrainerError as error:
            self.fault = error
        ready = step is not None and not self.interruption.came()
        return step if self.agreement.everywhere(ready) else None

    def _train(self, step: Step) -> None:
        self._observe(step)
        rate = self.config.optimizer.learning_rate * self.schedule.share(step.number)
        outcome = self.update(step.batches, rate, self.learned.detector)
        self.taken.append(Taken(step.number, step.indices, rate))
        self.step = step.number
        self._record(step, outcome, rate)
        verdict = self.watch.note(step.number, float(outcome.loss), bool(outcome.skip))
        if isinstance(verdict, Stop):
            raise Unstable(verdict.why)
        if isinstance(verdict, Rewind):
            self._rewind(verdict)
        elif step.number % self.config.checkpoint.every == 0:
            self._save()

    def _observe(self, step: Step) -> None:
        """Before a step: what its samples' phases change."""
        if step.phase != self.phase:
            if self.phase:
                self.learned.detector.forget()  # another mixture has another loss
            self.phase = step.phase
            self.events.say("phase", step.number, phase=step.phase)
        if self.schedule.observe(step.number, step.phases):
            self.say(f"step {step.number}: the decay begins; the run ends with step {self.schedule.last}")

    def _record(self, step: Step, outcome: Outcome, rate: float) -> None:
        """After a step: step log, metrics, a line."""
        self.tokens += outcome.num_targets
        self.log.add(self.recorder.rows(step, outcome, rate))
        meter = self.meter = self.meter or self._new_meter(step.batches[0].tokens.shape[1])
        meter.add(step.batches, outcome, self.loader.buckets)
        skipped = bool(outcome.skip)
        if skipped:
            metrics.SKIPS.inc()
            self.say(f"step {step.number} is skipped: loss {outcome.loss:.4f}, norm {outcome.gradient_norm:.2f}")
            self._say_step("skip", step.number, outcome, parts=sorted({name for name, _ in step.places}))
        if step.number % self.config.log_every == 0 or step.number == self.schedule.last:
            self.last = told = meter.read(step.number, outcome, rate, self.loader.waited_s)
            self.say(progress.line(told, self.schedule.phase(step.number)))
            self._say_step(
                "step",
                step.number,
                outcome,
                learning_rate=rate,
                tokens=self.tokens,
                tokens_per_second=told.tokens_per_second,
                recipe=step.recipe,
                phase=step.phase,
                parts=sorted({name for name, _ in step.places}),
                bucket_loss=told.bucket_loss,
                bucket_bits_per_byte=told.bucket_bits,
                bucket_tokens=dict(meter.tokens),
                mfu=told.mfu or 0.0,
                wait_share=told.wait,
            )

    def _say_step(self, kind: Any, number: int, outcome: Outcome, **fields: Any) -> None:
        loss, norm = float(outcome.loss), float(outcome.gradient_norm)
        self.events.say(kind, number, loss=loss, gradient_norm=norm, **fields)

    def _rewind(self, verdict: Rewind) -> None:
        """Back to the newest checkpoint before the spike, and past the samples that explain it."""
        found = self.checkpoints.newest(before=verdict.first)
        if found is None:
            raise Unstable(f"{verdict.why}, and no checkpoint is older than step {verdict.first}")
        state = DataState.from_json(json.dumps(found.about["data"]))
        replayer = Replayer(self.checkpoints, found, self.learned, self.update, self.loader, self.place)
        taken = [each for each in self.taken if each.number > found.step]
        passed_over = suspects.explain(
            verdict, taken, replayer, self.config, self.agreement, store=self.store, events=self.events, say=self.say
        )
        self.loader.rewind(state)
        self.loader.skip(passed_over)
        found = self.checkpoints.amend(found, {"data": json.loads(self.loader.state.to_json())})
        self._load(found)
        self.log.rewound()
        self.taken = deque((each for each in taken if each.number <= found.step), self.taken.maxlen)
        metrics.REWINDS.inc()
        self.say(f"{verdict.why}: back to step {found.step}, past {len(passed_over)} ranges of samples")

    def _load(self, found: checkpoint.Checkpoint) -> None:
        self.checkpoints.load(found, self.learned)
        self.learned.optimizer.apply(self.config.optimizer)
        about = found.about
        self.schedule.load_state_dict(about["schedule"])
        self.step = self.saved = found.step
        self.tokens, self.phase = about["tokens"], about["phase"]

    def _save(self) -> None:
        self.log.flush()  # a step that a checkpoint has must not be missing in the log
        about = {
            "identity": checkpoint.identity(self.config),
            "schedule": self.schedule.state_dict(),
            "data": json.loads(self.loader.state.to_json()),
            "tokens": self.tokens,
            "phase": self.phase,
            "code": code_digest(),
        }
        self.checkpoints.save(self.step, self.learned, about)
        self.saved = self.step

    def _checkpointed(self, step: int) -> None:
        """On the writing thread of rank 0."""
        metrics.CHECKPOINT.set(step)
        self.events.say("checkpoint", step, checkpoint=step)

    def _finish(self, why: Literal["done", "starved", "stopped"]) -> Ended:
        if self.step != self.saved:
            self._save()
        self.checkpoints.close()
        faults = [each for each in self.agreement.gather(self.fault) if each is not None]
        if faults:
            raise faults[0]
        told = {"done": "all its steps are done", "starved": "no more parts came", "stopped": "it was told to"}
        self.say(f"run {self.config.run} ends at step {self.step}: {told[why]}")
        self.events.say("end", self.step, detail=why)
        return self._ended(why)

    def _ended(self, why: Literal["done", "starved", "stopped"]) -> Ended:
        last = self.last
        tokens = dict(self.meter.tokens) if self.meter else {}
        if last is None:
            return Ended(why, self.step, float("nan"), {}, {}, tokens)
        return Ended(why, self.step, last.loss, dict(last.bucket_loss), dict(last.bucket_bits), tokens)

    def _interrupted(self) -> bool:
        return not self.agreement.everywhere(not self.interruption.came())

    def _new_meter(self, sequence_length: int) -> progress.Meter:
        vocabulary = self.config.data.vocabulary
        lengths = token_bytes(self.store, vocabulary, self.config.model.vocab_size) if vocabulary else None
        if lengths is None:
            self.say("bits per byte are not told: the store does not have the parts' vocabulary")
        cuda = self.place.device.type == "cuda"
        peak = metrics.peak_flops(torch.cuda.get_device_name(self.place.device)) if cuda else None
        flops = self.flops_per_token(sequence_length)
        return progress.Meter(self.agreement, flops, lengths, self.place.world_size, peak)

    def close(self) -> None:
        """Let go of threads; what was said is written."""
        self.loader.close()
        self.checkpoints.wait()
        self.log.close()
        self.events.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("trainer.train", description="Train; go on from the run's newest checkpoint.")
    parser.add_argument("--config", required=True, help="a YAML file, or a name in trainer/configs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as data.batch_size=8")
    given = parser.parse_args(arguments)
    with errors("trainer.train"):
        train(load(given.config, given.set), say=_print)


def _print(line: str) -> None:
    print(line, flush=True)


def _silent(_line: str) -> None:
    return


def _plain(value: Any) -> Any:
    """For YAML: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    main()
