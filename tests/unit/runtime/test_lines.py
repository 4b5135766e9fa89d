"""JSON lines, parsed some hundred at a time."""

from __future__ import annotations

import json

import pytest

from services.runtime import json_lines


def test_each_line_is_what_it_says_and_what_is_none_is_refused() -> None:
    """Prevents records that are lost at the seams, and a cut or empty line that passes for none."""
    told = [{"n": number, "text": "a,\u2028]\n" * (number % 3)} for number in range(401)]
    lines = [json.dumps(one, ensure_ascii=False).encode() for one in told]
    assert list(json_lines(b"\n".join(lines) + b"\n")) == told
    assert list(json_lines(b"")) == []
    for bad in (b"", b"{}{}", lines[1][:-1], b"1,2", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - json's own, and of bytes that are no text
            list(json_lines(b"\n".join([*lines[:300], bad, *lines[300:]])))
