"""Several copies of a service in one pod, for units that are bound by the CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from services.runtime.logs import configure_logs, log
from services.runtime.settings import PREFIX, Settings

_TICK_S = 0.1


def serve_replicas(names: Sequence[str], number: int, settings: Settings) -> int:
    """Run `number` processes, each with its own consumer, until SIGTERM or until one ends.

    Returns the exit code of the first that ended by itself, after the others have stopped too: whoever
    watches the pod starts it again as a whole. Copy i takes the instance name with -i, and port + i.
    """
    configure_logs(names[0])
    base = settings.instance or f"{os.uname().nodename}-{os.getpid()}"
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number_, stop)
    children = [_start(names, base, index, settings.http_port) for index in range(number)]
    while not stopping and all(child.poll() is None for child in children):
        time.sleep(_TICK_S)
    ended = [child.returncode for child in children if child.poll() is not None]
    log.info("stopping replicas", ended=ended)
    for child in children:
        child.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.wait(settings.stop_grace_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return next((code for code in ended if code), 0)


def _start(names: Sequence[str], base: str, index: int, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        f"{PREFIX}INSTANCE": f"{base}-{index}",
        f"{PREFIX}HTTP_PORT": str(port + index if port else 0),
    }
    return subprocess.Popen([sys.executable, "-m", "services.cli", "serve", *names], env=environment)
