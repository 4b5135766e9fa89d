"""The CEL engine, without the command-line tool that its package imports too, at 0.4 s of CPU."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

_PACKAGE, _EXTENSION = "cel", "cel.cel"


def _extension() -> ModuleType:
    """The package's one compiled module. Raises ImportError."""
    if _EXTENSION in sys.modules:
        return sys.modules[_EXTENSION]
    package = importlib.util.find_spec(_PACKAGE)  # finds, and does not import
    found = package and PathFinder.find_spec(_EXTENSION, package.submodule_search_locations)
    if found is None or found.loader is None:
        raise ImportError("no CEL engine: pip install common-expression-language", name=_PACKAGE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    sys.modules[_EXTENSION] = (
        module  # it can be loaded once: the package, if anybody imports it, takes this one
    )
    return module


def program(expression: str) -> Any:
    """An expression, compiled. Raises ValueError: it is not CEL."""
    return _extension().compile(expression)
