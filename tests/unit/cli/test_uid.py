"""A uid as it is written elsewhere is told as it is written here."""

from __future__ import annotations

import pytest

from services.cli.uid import meant_uid

UID = "f1b8363bda3a45f3"


@pytest.mark.parametrize(
    "text", [UID.upper(), f"0x{UID}", f" {UID}", str(int(UID, 16)), str(int(UID, 16) - 2**64)]
)
def test_another_notation_is_told(text: str) -> None:
    """Prevents: a document that is nowhere, since a spreadsheet or another program wrote its uid."""
    assert meant_uid(text) == f"; did you mean the uid {UID}?"


@pytest.mark.parametrize("text", [UID, "notes/7.md", "-1", UID[:8], "", "99999999999999999999"])
def test_what_is_none_gives_no_hint(text: str) -> None:
    assert meant_uid(text) == ""
