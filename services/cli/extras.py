"""Libraries that only some commands need, and the extra that brings each."""

from __future__ import annotations

import importlib.util

from services.runtime import ConfigurationError


def require(module: str, extra: str) -> None:
    """Raises ConfigurationError where it is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"{module} is not installed: pip install 'corpusworks[{extra}]'")
