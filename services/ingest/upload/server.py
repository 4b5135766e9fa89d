"""An upload service in one process: the API, readers of deliveries, the follower, housekeeping."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from services.ingest.upload.config import UploadConfig
from services.ingest.upload.follow import Follower
from services.ingest.upload.gate import Gate
from services.ingest.upload.intake import Intake
from services.ingest.upload.keys import Keys
from services.ingest.upload.states import States
from services.ingest.upload.stored import Stored
from services.runtime import ConfigurationError, DependencyDown, Keeper

if TYPE_CHECKING:
    from uvicorn import Server

_LOOK_S = 3.0  # between two looks at what waits
_SEARCH_S = 60.0  # between two searches of the store for what Redis has forgotten
_SWEEP_S = 3600.0
_LONGEST_PAUSE_S = 10.0


class _Loop:
    """A round again and again in a thread, with a pause where there was nothing to do, or no answer."""

    def __init__(self, name: str, keeper: Keeper, act: Callable[[], object], pause_s: float) -> None:
        self._keeper = keeper
        self._act = act
        self._pause_s = pause_s
        self.raised: BaseException | None = None
        self.trouble = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """It ends after the round that it is in."""
        self._ended.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while not self._ended.is_set() and not self._keeper.stopping:
            try:
                worked = self._act()
            except DependencyDown as error:
                failures += 1
                self.trouble = str(error)
                self._keeper.unwell(error.dependency, error)
                self._ended.wait(min(_LONGEST_PAUSE_S, 0.2 * 2**failures))
                continue
            except BaseException as error:  # noqa: BLE001 - the main thread raises it
                self.raised = error
                return
            if self.trouble:
                self.trouble, failures = "", 0
                self._keeper.all_well()
            if not worked:
                self._ended.wait(self._pause_s)


def serve(config: UploadConfig, keeper: Keeper) -> None:
    """Until SIGTERM. Raises ConfigurationError, Fenced."""
    try:
        import uvicorn

        from services.ingest.upload import api
        from services.ingest.upload.receive import Receiver
    except ImportError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'corpusworks[upload]'"
        ) from error
    keys = Keys(config.keys)
    stored, states = Stored(keeper.resources.store), States(keeper.resources, config.keep_days)
    gate = Gate(config, keeper, keys, states)
    follower = Follower(states, keeper, uuid.uuid4().hex)
    intakes = [Intake(config, keeper, stored, states, number) for number in range(config.readers)]
    acts: dict[str, tuple[Callable[[], object], float]] = {
        "follower": (follower.round, 0.3),
        "gate": (gate.look, _LOOK_S),
        "housekeeping": (_Housekeeping(config, stored, states), 1.0),
    }
    for number, intake in enumerate(intakes):
        acts[f"intake-{number}"] = (partial(_take, gate, intake), 0.2)
    _until_well(keeper, follower.begin)
    with _listening(config) as listener, _running(keeper, acts) as loops:
        app = api.make(Receiver(config, stored, states), gate, keeper, lambda: _trouble(loops))
        options = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=10
        )
        keeper.say("listening", host=config.host, port=listener.getsockname()[1])
        asyncio.run(_serve_until(uvicorn.Server(options), listener, lambda: _go_on(keeper, loops)))
    for intake in intakes:
        intake.close()
    follower.close()
    for loop in loops:
        if loop.raised is not None:
            raise loop.raised


def _listening(config: UploadConfig) -> socket.socket:
    try:
        return socket.create_server((config.host, config.port), backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"{config.host}:{config.port} cannot be listened on: {error}; "
            "set CORPUSWORKS_UNITS__UPLOAD__PORT to a free one"
        ) from error


async def _serve_until(server: Server, listener: socket.socket, go_on: Callable[[], bool]) -> None:
    """Requests under way are answered at the end; new ones find nobody."""
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment] # the runtime's
    serving = asyncio.create_task(server.serve([listener]))
    while not serving.done():
        server.should_exit = not go_on()
        await asyncio.sleep(0.2)
    await serving


@contextlib.contextmanager
def _running(keeper: Keeper, acts: Mapping[str, tuple[Callable[[], object], float]]) -> Iterator[list[_Loop]]:
    """acts: by name of a thread, what it does and its pause."""
    loops = [_Loop(name, keeper, *act) for name, act in acts.items()]
    try:
        yield loops
    finally:
        for loop in loops:
            loop.stop(keeper.settings.stop_grace_s / 2)


def _take(gate: Gate, intake: Intake) -> bool:
    """What the river has no room for stays in the store."""
    return not gate.full and intake.round()


class _Housekeeping:
    """Finds again what the store has and Redis does not, and removes what never became whole."""

    def __init__(self, config: UploadConfig, stored: Stored, states: States) -> None:
        self._keep_days = config.keep_days
        self._stored = stored
        self._states = states
        self._searched = self._swept = float("-inf")

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._searched > _SEARCH_S:
            for file in list(self._stored.ready()):
                with contextlib.suppress(FileNotFoundError):  # published meanwhile
                    self._states.received(self._stored.delivery(file))
            self._searched = now
        if now - self._swept > _SWEEP_S:
            self._stored.sweep(self._keep_days)
            self._swept = now
        return False


def _until_well(keeper: Keeper, act: Callable[[], object]) -> None:
    while not keeper.stopping:
        keeper.moved()
        try:
            act()
        except DependencyDown as error:
            keeper.unwell(error.dependency, error)
            time.sleep(1)
        else:
            keeper.all_well()
            return


def _trouble(loops: list[_Loop]) -> str:
    return next((loop.trouble for loop in loops if loop.trouble), "")


def _go_on(keeper: Keeper, loops: list[_Loop]) -> bool:
    keeper.moved()
    return not keeper.stopping and all(loop.raised is None for loop in loops)
