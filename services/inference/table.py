"""A table beside a model: what was measured of that model, in a file of its folder that a person can read.

    {"layout": 1, "version": "e71f2c4f1a08",
    "loss": 0.01,
    "groups": [
    {"language": "en", "logit": 0.1246, "documents": 5737},
    …
    ]}

The version is a digest of all that follows it: the same for the same table, wherever it was written. A file
without one is of an earlier release, and is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from services.inference.description import MODELS
from services.runtime import ConfigurationError


class Table(ABC):
    """FILE: its name in a model's folder. LAYOUT: of the file. CALLED, MADE_BY: in messages, what it is and
    the command that writes it.
    """

    FILE: ClassVar[str]
    LAYOUT: ClassVar[int] = 1
    CALLED: ClassVar[str]
    MADE_BY: ClassVar[str]

    @property
    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """All that is in it, as JSON has it, in one order; of a list or an object each item gets a line."""

    @classmethod
    @abstractmethod
    def made_of(cls, content: Mapping[str, Any]) -> Self:
        """The table. Raises ValueError, and what else Python raises of content that makes none."""

    @cached_property
    def version(self) -> str:
        """A digest of all that is in it."""
        return hashlib.sha256(self._body.encode()).hexdigest()[:12]

    @property
    def data(self) -> bytes:
        """The file: the same bytes for the same table."""
        return f'{{"layout": {self.LAYOUT}, "version": "{self.version}",\n{self._body}'.encode()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ConfigurationError: no such file, another layout, damaged or changed by hand."""
        called, make = f"the {cls.CALLED} {path}", f"make one with `{cls.MADE_BY}`"
        try:
            found = json.loads(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"{called} cannot be read: {error.strerror}; {make}") from error
        except ValueError as error:
            raise ConfigurationError(f"{called} is not JSON: {error}; {make}") from error
        layout = found.pop("layout", None) if isinstance(found, dict) else None
        if layout != cls.LAYOUT:
            raise ConfigurationError(
                f"{called} has layout {layout}, and this version reads {cls.LAYOUT}; {make}"
            )
        version = found.pop("version", None)
        try:
            made = cls.made_of(found)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ConfigurationError(f"{called} is damaged: {error!r}; {make}") from error
        if version not in (None, made.version):
            raise ConfigurationError(
                f"{called} is damaged or was changed by hand: it says version {version}, and what is in it "
                f"makes {made.version}; {make}"
            )
        return made

    @classmethod
    def beside(cls, models: Path | None, model: str) -> Self | None:
        """The model's own, models being its repository (None: the one that ships); None where it has none,
        since no other model's holds for it. Raises ConfigurationError.
        """
        path = (models or MODELS) / model / cls.FILE
        return cls.load(path) if path.exists() else None

    @property
    def _body(self) -> str:
        members = (f"{json.dumps(name)}: {_lines(value)}" for name, value in self.content.items())
        return ",\n".join(members) + "}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_json, value)) + "\n]"
    if isinstance(value, Mapping):
        items = (f"{_json(key)}: {_json(each)}" for key, each in value.items())
        return "{\n" + ",\n".join(items) + "\n}"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
