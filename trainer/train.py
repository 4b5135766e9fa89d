"""Training: steps over the loader, from the newest checkpoint of the run on.

    python -m trainer.train --config 5m --set data.store=demo
    torchrun --nproc-per-node 8 -m trainer.train --config train.yaml

`train` sets up and loops; what a step computes is update.py, what is written of it record.py, what becomes of
a spike spikes.py and suspects.py. All ranks run the same lines; where one of them knows more (a signal, the
end of the data, a part that cannot be read), they agree before they go on.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal, NamedTuple

import torch

from trainer import checkpoint, metrics, report, suspects
from trainer.agreement import Agreement
from trainer.checkpoint import Checkpoint, Checkpoints, Learned
from trainer.config import TrainConfig, load
from trainer.data.loader import Loader, Step
from trainer.data.state import DataState
from trainer.data.store import Store
from trainer.errors import TrainerError, Unstable, errors
from trainer.hf.read import start
from trainer.journal import Journal
from trainer.model import Decoder
from trainer.parallel import Place, prepare, process_group
from trainer.record import keep
from trainer.replay import Replayer, Taken
from trainer.schedule import Schedule
from trainer.signals import Interruption
from trainer.spikes import Detector, Rewind, Stop, Watch
from trainer.steplog import code_digest
from trainer.update import Update
from trainer.vocabulary import resolved

Say = Callable[[str], None]
Why = Literal["done", "starved", "stopped"]


class Ended(NamedTuple):
    """How a run ended. why: done, its steps or its decay are over; starved, no part came for wait_s; stopped.

    tokens: targets by bucket, of this process; unigrams: their entropy in nats a token, and that of `all`.
    """

    why: Why
    step: int
    loss: float
    tokens: dict[str, int]
    unigrams: dict[str, float]


def train(config: TrainConfig, say: Say = print) -> Ended:
    """Run a configuration to its end; again, from where it was. say: takes a line, on rank 0.

    Raises TrainerError; what was trained until then is in a checkpoint where one can be written.
    """
    with ExitStack() as stack:
        place = stack.enter_context(process_group(config))
        interruption = stack.enter_context(Interruption())
        run = Run(config, place, interruption, say if place.leads else _silent)
        stack.callback(run.close)
        try:
            return run.to_the_end()
        except TrainerError as error:
            run.journal.event("end", run.step, detail=str(error))
            raise


class Run:
    """What a run consists of, and its loop. step, saved: the newest done, the newest in a checkpoint."""

    def __init__(self, config: TrainConfig, place: Place, interruption: Interruption, say: Say) -> None:
        self.place, self.interruption, self.say = place, interruption, say
        self.agreement = Agreement(place)
        self.store = store = Store(config.data.store)
        self.checkpoints = Checkpoints(
            store, config.run, config.checkpoint, place=place, say=say, written=self._checkpointed
        )
        found = self.checkpoints.newest()
        state = _data_of(found) if found else DataState()
        self.config = config = resolved(config, store, state.vocabulary, interruption.came)
        if found:
            checkpoint.check(found, config)
        self.loader = Loader(
            store,
            config.data,
            state,
            rank=place.rank,
            world_size=place.world_size,
            pin=place.device.type == "cuda",
            interrupted=interruption.came,
        )
        torch.manual_seed(config.data.seed)
        decoder = Decoder(config.model)
        if not found:
            start(decoder, config)
        model = prepare(decoder, config, place)
        self.update = Update.of(model, config, place, self.agreement)
        detector = _detector(config, place)
        self.learned = Learned(model, self.update.optimizer, detector)
        self.schedule = Schedule(config.schedule, config.steps)
        spikes = self.agreement.first(report.spikes(store, config.run))
        self.watch = Watch(config.stability, config.run, spikes)
        self.journal = Journal(config, store, place, self.agreement, model=decoder, say=say)
        self.taken: deque[Taken] = deque(maxlen=2 * config.checkpoint.every + config.stability.rewind_window)
        self.step, self.saved, self.phase = 0, -1, ""
        self.fault: TrainerError | None = None
        if found:
            self._load(found)
            say(f"run {config.run} goes on from the checkpoint of step {found.step}")

    def to_the_end(self) -> Ended:
        """Steps until there is nothing more to do. Raises TrainerError."""
        if self.step >= self.schedule.last:
            decayed = self.schedule.decay_from is not None
            more = "its decay is over, begin another" if decayed else "for more, raise steps"
            self.say(f"run {self.config.run} is done: {self.step} steps; {more}")
            return self._ended("done")
        self._begin()
        why: Why = "done"
        while self.step < self.schedule.last:
            step = self._next()
            if step is None:
                why = "starved" if self.agreement.everywhere(not self.interruption.came()) else "stopped"
                break
            self._train(step)
        return self._finish(why)

    def _begin(self) -> None:
        config, place = self.config, self.place
        if place.leads:
            keep(self.store, config)
            if config.metrics_port:
                metrics.serve(config.metrics_port)
        self.say(
            f"{self.journal.num_parameters:,} parameters on {place.world_size} × {place.device}, vocabulary "
            f"{config.data.vocabulary[:16] or 'unnamed'} of {config.model.vocab_size:,}"
        )
        self.journal.event("start", self.step, checkpoint=max(self.saved, 0))
        if self.saved < 0:
            self._save()  # to go back to, and to know at once that one can be written

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
        due = step.number % self.config.log_every == 0 or step.number == self.schedule.last
        self.journal.tell(step, outcome, rate, self.loader, phase=self.schedule.phase(step.number), due=due)
        verdict = self.watch.note(step.number, float(outcome.loss), bool(outcome.skip))
        if isinstance(verdict, Stop):
            raise Unstable(verdict.why)
        if isinstance(verdict, Rewind):
            self._rewind(verdict)
        elif step.number % self.config.checkpoint.every == 0:
            self._save()

    def _observe(self, step: Step) -> None:
        """Before a step: what the phases of its samples change."""
        if step.phase != self.phase:
            if self.phase:
                self.learned.detector.forget()  # another mixture has another loss
            self.phase = step.phase
            self.journal.event("phase", step.number, phase=step.phase)
        if self.schedule.observe(step.number, step.phases):
            self.say(f"step {step.number}: the decay begins; the run ends with step {self.schedule.last}")

    def _rewind(self, verdict: Rewind) -> None:
        """Back to the newest checkpoint before the spike, and past the samples that explain it."""
        found = self.checkpoints.newest(before=verdict.first)
        if found is None:
            raise Unstable(f"{verdict.why}, and no checkpoint is older than step {verdict.first}")
        passed_over = suspects.explain(
            verdict,
            [each for each in self.taken if each.number > found.step],
            Replayer(self.checkpoints, found, self.learned, self.update, self.loader, self.place),
            self.config,
            self.agreement,
            store=self.store,
            events=self.journal.events,
            say=self.say,
        )
        self.loader.rewind(_data_of(found))
        self.loader.skip(self.agreement.first(passed_over))
        self._load(self.checkpoints.amend(found, {"data": json.loads(self.loader.state.to_json())}))
        self.journal.log.rewound()
        self.taken.clear()
        metrics.REWINDS.inc()

    def _load(self, found: Checkpoint) -> None:
        self.checkpoints.load(found, self.learned)
        self.update.optimizer.apply(self.config.optimizer)
        self.schedule.load_state_dict(found.about["schedule"])
        self.step = self.saved = found.step
        self.journal.tokens, self.phase = found.about["tokens"], found.about["phase"]

    def _save(self) -> None:
        self.journal.log.flush()  # a step that a checkpoint has must not be missing in the log
        about = {
            "identity": checkpoint.identity(self.config),
            "schedule": self.schedule.state_dict(),
            "data": json.loads(self.loader.state.to_json()),
            "tokens": self.journal.tokens,
            "phase": self.phase,
            "code": code_digest(),
        }
        self.checkpoints.save(self.step, self.learned, about)
        self.saved = self.step

    def _checkpointed(self, step: int) -> None:
        """On the writing thread of rank 0."""
        metrics.CHECKPOINT.set(step)
        self.journal.event("checkpoint", step, checkpoint=step)

    def _finish(self, why: Why) -> Ended:
        if self.step != self.saved:
            self._save()
        self.checkpoints.close()
        if faults := [each for each in self.agreement.gather(self.fault) if each is not None]:
            raise faults[0]
        told = {
            "done": "all its steps are done",
            "starved": "no more parts came",
            "stopped": "it was told to",
        }
        self.say(f"run {self.config.run} ends at step {self.step}: {told[why]}")
        self.journal.event("end", self.step, detail=why)
        return self._ended(why)

    def _ended(self, why: Why) -> Ended:
        last = self.journal.last
        loss = last.loss if last else math.nan
        return Ended(why, self.step, loss, self.journal.bucket_tokens, self.journal.unigram_entropy())

    def close(self) -> None:
        """Let go of threads; what was said is written."""
        self.loader.close()
        self.checkpoints.wait()
        self.journal.close()


def _detector(config: TrainConfig, place: Place) -> Detector:
    stability = config.stability
    return Detector(
        window=stability.window, least=stability.least, sigmas=stability.sigmas, device=place.device
    )


def _data_of(found: Checkpoint) -> DataState:
    return DataState.from_json(json.dumps(found.about["data"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "trainer.train", description="Train; go on from the run's newest checkpoint."
    )
    parser.add_argument("--config", required=True, help="a YAML file, or a name in trainer/configs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as data.batch_size=8"
    )
    given = parser.parse_args(arguments)
    with errors("trainer.train"):
        train(load(given.config, given.set), say=_print)


def _print(line: str) -> None:
    print(line, flush=True)


def _silent(_line: str) -> None:
    return


if __name__ == "__main__":
    main()
