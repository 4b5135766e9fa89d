"""Asks now and then how the servers stand that a chain's units keep state in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

from services.runtime import metrics
from services.runtime.contracts.unit import Unit, configure
from services.runtime.errors import CorpusworksError
from services.runtime.logs import log
from services.runtime.resources import Resources
from services.runtime.settings import Settings

_EVERY_S = 15.0


def watch_gauges(settings: Settings, units: Iterable[Unit], every_s: float = _EVERY_S) -> threading.Event:
    """In the background, and on connections of its own, so that a slow server holds up no document.

    A server that does not answer is no news here: who needs it says so. Its numbers go meanwhile, since old
    ones would look well. The event, once set, ends it.
    """
    ended = threading.Event()
    asked = [unit for unit in units if unit.gauges is not None]
    if asked:
        threading.Thread(
            target=_watch, args=(settings, asked, every_s, ended), name="gauges", daemon=True
        ).start()
    return ended


def _watch(settings: Settings, units: list[Unit], every_s: float, ended: threading.Event) -> None:
    configs = [configure(unit.name, unit.config, settings.units.get(unit.name, {})) for unit in units]
    while True:
        resources = Resources(settings)
        for unit, config in zip(units, configs, strict=True):
            assert unit.gauges is not None
            try:
                told = unit.gauges(config, resources)
            except CorpusworksError as error:  # the judge meets it too, and says so
                log.debug("not told", unit=unit.name, error=str(error))
                _forget(unit.name)
                continue
            except Exception as error:  # noqa: BLE001 - numbers that are missing must not end the asking
                log.warning("not told", unit=unit.name, error=repr(error))
                _forget(unit.name)
                continue
            for name, value in told.items():
                metrics.GAUGES[name].labels(unit.name).set(value)
        resources.close()
        if ended.wait(every_s):
            return


def _forget(service: str) -> None:
    for gauge in metrics.GAUGES.values():
        with contextlib.suppress(KeyError):
            gauge.remove(service)
