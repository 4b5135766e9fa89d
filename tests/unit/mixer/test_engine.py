"""The engine alone is loaded, and who imports its package afterwards gets the same one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.mixer.engine import program

_ALONE = """
import sys
from services.mixer.engine import program
assert program("a > 1").execute({"a": 2}) is True
assert "cel" not in sys.modules and "prompt_toolkit" not in sys.modules
import cel
assert cel.compile("a > 1").execute({"a": 1}) is False
"""


def test_the_package_is_not_imported_and_may_be_later() -> None:
    """Prevents: half a second of a terminal library at each start, and an extension that is loaded twice."""
    done = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_no_expression() -> None:
    with pytest.raises(ValueError, match="Syntax error"):
        program("a ==")
