"""A bucket's test: a CEL expression over one document (https://cel.dev)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from contracts import Document
from services.mixer.engine import program
from services.mixer.faults import meant

# What an expression may name, and how it is read; maps become plain dicts for the engine.
FIELDS: dict[str, Callable[[Document], Any]] = {
    "id": lambda d: d.id,
    "source": lambda d: d.source,
    "media_type": lambda d: d.media_type,
    "text": lambda d: d.text,
    "language": lambda d: d.language,
    "language_confidence": lambda d: d.language_confidence,
    "format": lambda d: d.format,
    "category": lambda d: d.category,
    "score": lambda d: d.score if d.HasField("score") else None,
    "rank": lambda d: d.rank if d.HasField("rank") else None,
    "num_tokens": lambda d: d.num_tokens,
    "luck": lambda d: (d.uid >> 11) * 2.0**-53,  # of the uid, which is a hash, 53 bits: [0, 1)
    "features": lambda d: dict(d.features),
    "metadata": lambda d: dict(d.metadata),
}

# Of few different values: an answer that depends on these alone is remembered.
_FEW = frozenset({"media_type", "language", "format", "category"})
_MOST = 1000  # answers; the values are what the input says

# Fields that are asked by name: features.x, has(features.x), features["x"]; of these no other key is read.
_KEY = r"""\b{}(?:\.(\w+)\b(?!\s*\()|\[\s*["']([^"'\\]+)["']\s*\])"""

# Names that a macro binds: metadata.exists(key, key == "url").
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")

# What the engine says of an expression that it cannot parse; the first is the cause of the others.
_SYNTAX = re.compile(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?(.*)")
_SINGLE_EQUALS = re.compile(r"(?<![=!<>])=(?!=)")

# What the engine raises when a document lacks what the expression asks of it.
_UNANSWERED = (TypeError, RuntimeError, ValueError, LookupError, ArithmeticError)

# Documents for the trial at construction; two, so that `language == "en" && …` is tried on both sides.
_TRIALS = [
    Document(id="1", text="x", language=language, format=format_, score=0.5, rank=0.5, num_tokens=1)
    for language, format_ in [("en", "prose"), ("zh", "code")]
]


class Condition:
    """A compiled expression; only the fields that it names are read from the document (about 2 µs).

    Raises ValueError at construction: not CEL, an unknown field, or not a yes-or-no question.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        try:
            self._program = program(expression)
        except ValueError as error:
            raise ValueError(_no_cel(expression, str(error))) from error
        names = set(self._program.variables()) - set(_BOUND.findall(expression))
        if unknown := sorted(names - set(FIELDS)):
            near = "".join(meant(name, FIELDS) for name in unknown)
            raise ValueError(
                f"`{expression}` names {', '.join(unknown)}{near} (a document has: {', '.join(FIELDS)})"
            )
        self.names = frozenset(names)
        self._readers = {name: _keyed(name, expression) or FIELDS[name] for name in names}
        self._known: dict[tuple[Any, ...], bool] | None = {} if self.names <= _FEW else None
        for document in _TRIALS:
            self._try(document)

    def holds(self, document: Document) -> bool:
        """Whether the expression is true of the document.

        Raises LookupError when it cannot be answered (an absent feature, a rank that is not set).
        """
        try:
            return self._recalled(document) if self._known is not None else self._answer(document) is True
        except _UNANSWERED as error:
            raise LookupError(f"`{self.expression}` cannot be answered: {error}") from error

    def _recalled(self, document: Document) -> bool:
        assert self._known is not None
        values = tuple(read(document) for read in self._readers.values())
        if (found := self._known.get(values)) is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[values] = self._answer(document) is True
        return found

    def _answer(self, document: Document) -> Any:
        return self._program.execute({name: read(document) for name, read in self._readers.items()})

    def _try(self, document: Document) -> None:
        try:
            answer = self._answer(document)
        except TypeError as error:
            why = str(error).partition(". ")[0]  # what follows is advice on CEL in general
            raise ValueError(f"`{self.expression}` compares different types: {why}") from error
        except RuntimeError as error:
            if "Undefined" in str(error):
                raise ValueError(f"`{self.expression}`: {error}") from error
            return  # a function that minds this document's values
        except (LookupError, ArithmeticError, ValueError):
            return  # a feature that this document lacks
        if not isinstance(answer, bool):
            raise ValueError(f"`{self.expression}` is {answer!r} for a document; it must be true or false")


def _keyed(name: str, expression: str) -> Callable[[Document], Any] | None:
    """Reads the keys alone that the expression names, where it asks nothing else of this map.

    The engine copies what it is given; a whole map of 15 features takes it some 70 µs.
    """
    if name not in ("features", "metadata"):
        return None
    found = re.findall(_KEY.format(name), expression)
    if len(found) != len(re.findall(rf"\b{name}\b", expression)):
        return None
    keys = {bare or quoted for bare, quoted in found}

    def read(document: Document) -> dict[str, Any]:
        held = getattr(document, name)
        return {key: held[key] for key in keys if key in held}

    return read


def _no_cel(expression: str, said: str) -> str:
    found = _SYNTAX.search(said)
    why = f"at letter {found[1]}, {found[2]}" if found else said
    hint = " (equal is ==)" if _SINGLE_EQUALS.search(expression) else ""
    return f"`{expression}` is no CEL: {why}{hint}"
