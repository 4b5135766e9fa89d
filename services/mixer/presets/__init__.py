"""Recipes that ship, each a file of its name here; its first line says what it is for."""

from __future__ import annotations

from pathlib import Path

from services.mixer.faults import meant
from services.runtime import ConfigurationError

DEFAULT = "zh-en-code-442"
_FOLDER = Path(__file__).parent
_SUFFIX = ".yaml"


def names() -> list[str]:
    """All presets, the default first."""
    return sorted(
        (path.stem for path in _FOLDER.glob(f"*{_SUFFIX}")), key=lambda name: (name != DEFAULT, name)
    )


def purpose(name: str) -> str:
    """What a preset is for, in a line."""
    first, _, _ = find(name).read_text(encoding="utf-8").partition("\n")
    return first.removeprefix("# ")


def find(given: str | Path | None) -> Path:
    """The file of a recipe: None is the default, a preset's name that preset, anything else a path.

    A file that has a preset's name is told by a path with a slash (`./en-heavy`). Raises ConfigurationError
    where there is neither, with the presets.
    """
    name = str(given or DEFAULT)
    known = names()
    if name in known:
        return _FOLDER / (name + _SUFFIX)
    path = Path(name)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"recipe {name} cannot be read: {why}; nor is it a preset{meant(path.stem, known)} "
            f"(presets: {', '.join(known)})"
        ) from error
    return path


def lasting(given: str) -> str:
    """What names the same recipe in every working directory. Raises ConfigurationError."""
    path = find(given)
    return given if given in names() else str(path.absolute())
