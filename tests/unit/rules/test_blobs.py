"""Base64 goes, the prose around it stays; paths, hashes and long words are none."""

import base64
import random

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.blobs import without_blobs
from services.rules.page import Page
from services.runtime import Emit, Resources, load_settings

PROSE = "The gauge at the bridge is read by a girl from the mill, who sends figures to the office by card. "
MORE = (
    "When the river is high she walks there twice a day, and the cards are numbered, so that one that is lost"
    " in the post can be asked for again.\n\nMost of the lines say that nothing happened, as hoped."
)


def encoded(size: int, width: int = 0) -> str:
    text = base64.b64encode(random.Random(size).randbytes(size)).decode()
    return "\n".join(text[i : i + width] for i in range(0, len(text), width)) if width else text


@pytest.mark.parametrize(
    "blob", [encoded(500), encoded(601, 76), encoded(400, 64), "data:image/png;base64," + encoded(450)]
)
def test_the_blob_goes_and_the_prose_stays(blob: str) -> None:
    """Most tokens of such a page would be noise."""
    text = f"{MORE}\n\n{blob}\n\n{PROSE}When"
    kept = without_blobs(Page(text))
    assert kept == f"{MORE}\n\n\n\n{PROSE}When"
    document = Document(text=text)
    (verdict,) = SERVICE.build(RulesConfig(), Resources(load_settings()))([document])
    assert isinstance(verdict, Emit)
    assert blob[-30:] not in document.text
    assert document.features["blob_share"] > 0.2


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "/usr/share/doc/" * 30,
        "deadbeef" * 40,  # hexadecimal
        "Donaudampfschifffahrtsgesellschaftskapitaensmuetze" * 4,
        "ACGT" * 100,
        "0123456789" * 30,
        encoded(60),  # too short to be one
    ],
)
def test_what_is_no_blob_stays(text: str) -> None:
    assert without_blobs(Page(text)) == text
