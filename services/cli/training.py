"""`up --train`: a trainer beside the river, by the launcher's policy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from services.cli.extras import require
from services.cli.remix import remix
from services.launcher.backends.process import TrainerProcess
from services.launcher.config import LauncherConfig, Plan
from services.launcher.control import Control
from services.launcher.forward import Forward
from services.launcher.policy import Decision, Reason
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    Resources,
    Settings,
    configure,
)

# A process costs seconds to start and no cluster's time: it begins with the first part.
_POLICY = {"start_tokens": 1, "resume_tokens": 50_000, "starve_tokens": 50_000}
_PERIOD_S = 1.0


def beside(
    file: str, overrides: Sequence[str], url: str, log: Path
) -> Callable[[Settings], AbstractContextManager[Training]]:
    """What `up` runs beside its river. url: of the store that has the parts. log: of the trainer's output.

    Raises ConfigurationError: the file, or no PyTorch here.
    """
    from trainer.config import load
    from trainer.errors import ConfigError

    require("torch", "trainer")
    told = [*overrides, f"data.store={url}"]
    try:
        config = load(file, told)
    except ConfigError as error:
        raise ConfigurationError(str(error)) from error
    words = ["--config", file, *(word for one in told for word in ("--set", one))]

    @contextmanager
    def running(settings: Settings) -> Iterator[Training]:
        given = settings.units.get("launcher", {})
        policy = {**_POLICY, **given.get("policy", {})}
        launcher = configure(
            "launcher",
            LauncherConfig,
            {"period_s": _PERIOD_S} | given | {"run": config.run, "policy": policy},
        )
        training = Training(launcher, settings, words, log)
        try:
            yield training
        finally:
            training.close()

    return running


class Training:
    """A thread that follows the policy, and the trainer's process."""

    def __init__(self, config: LauncherConfig, settings: Settings, words: Sequence[str], log: Path) -> None:
        """words: the trainer's arguments."""
        self._config, self._log = config, log
        self._words = list(words)
        self._decision: Decision | None = None
        self._trouble = ""
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._backend = TrainerProcess(self._command, log, say=self._tell)
        forward = Forward(settings, config.run, remix)
        self._control = Control(
            config,
            Resources(settings).store,
            settings.store_url,
            self._backend,
            forward=forward,
            topic=forward.topic,
        )
        self._thread = threading.Thread(target=self._run, name="training", daemon=True)
        self._thread.start()

    def said(self) -> str:
        """What the run does, in a few words. Raises CorpusworksError: it cannot be followed any more."""
        if self._failure is not None:
            raise self._failure
        if self._trouble:
            return f"training waits: {self._trouble}"
        course, decision = self._control.course, self._decision
        if decision is None:
            return "training begins"
        if decision.reason is Reason.TRAINING and course.loss is not None:
            return f"training: step {course.step:,}, loss {course.loss:.3f}"
        return f"training: {decision.why}"

    def close(self) -> None:
        """End the trainer, which writes a checkpoint first, and hand on what it still said."""
        self._stop.set()
        self._thread.join()
        self._backend.close()
        if self._failure is None:
            self._control.follow()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._control.turn()
                self._trouble = ""
            except DependencyDown as error:
                self._trouble = str(error)
            except Exception as error:  # noqa: BLE001 - who asks what is done is told, and `up` ends
                self._failure = error
                return
            self._stop.wait(self._config.period_s)

    def _tell(self, decision: Decision) -> None:
        self._decision = decision

    def _command(self, plan: Plan) -> list[str]:
        several = plan.config.workers * plan.config.processes
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={several}"]
        ours = [word for one in plan.config.set for word in ("--set", one)]
        return [
            sys.executable,
            *(torchrun if several > 1 else []),
            "-m",
            "trainer.train",
            *self._words,
            *ours,
        ]
