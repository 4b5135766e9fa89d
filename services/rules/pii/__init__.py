"""Personal data in a text: found by shape, checksum and cue in one pass, replaced by typed placeholders."""

from services.rules.pii.find import KINDS
from services.rules.pii.mask import Masked, Masker
from services.rules.pii.ner import load_finder
from services.rules.pii.span import Span

__all__ = ["KINDS", "Masked", "Masker", "Span", "load_finder"]
