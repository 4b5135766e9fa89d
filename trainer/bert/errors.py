"""What the user can mend."""

from __future__ import annotations


class JudgeError(Exception):
    """A recipe, file or folder that cannot be used; the text says what is wrong and what to do."""
