"""What a pool holds of a document, as far as a recipe may ask for it; dedup hands it on."""

from __future__ import annotations

import re

METADATA = frozenset(
    {"url", "licence", "title", "thread", "template"}
)  # a test holds dedup and this together
# A feature or a piece of metadata that an expression names: (kind, name) or (kind, "", name).
KEY = re.compile(r"""\b(features|metadata)(?:\.(\w+)|\[\s*["']([^"']+)["']\s*\])""")


def missing(expression: str, names: frozenset[str]) -> list[str]:
    """What an expression asks for that a pool does not hold. names: the fields that it names."""
    asked = {dot or quoted for kind, dot, quoted in KEY.findall(expression) if kind == "metadata"}
    return [*sorted(names & {"text"}), *(f"metadata.{key}" for key in sorted(asked - METADATA))]
