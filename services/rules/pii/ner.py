"""Names found by a model, behind one interface: an entry module:attribute in the settings.

Only what stands near other personal data is read: a model takes a thousand times as long as a pattern, and
a name by itself, in news or a novel, is no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from services.rules.pii.span import Span, around
from services.runtime import ConfigurationError

NEAR = 60  # characters before and behind other personal data

# Start and end of each name, for each of the pieces of text.
Tag = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]
FindNames = Callable[[str, Sequence[Span]], list[Span]]


def load_finder(entry: str) -> FindNames:
    """The finder of an entry module:attribute, which is a function without arguments that makes a Tag.

    Raises ConfigurationError when there is none, or what it needs is not installed.
    """
    module, _, attribute = entry.partition(":")
    try:
        tag: Tag = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"ner {entry!r} cannot be used ({error}): give module:attribute of a function that makes a "
            "tagger, such as services.rules.pii.lac:lac, which needs: pip install 'corpusworks[ner]'"
        ) from error

    def find_names(text: str, others: Sequence[Span]) -> list[Span]:
        pieces = around(others, len(text), NEAR)
        found = tag([text[start:end] for start, end in pieces])
        return [
            Span(low + start, low + end, "name", text[low + start : low + end].lower())
            for (low, _), names in zip(pieces, found, strict=True)
            for start, end in names
        ]

    return find_names
