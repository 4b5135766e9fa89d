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
    "blob",
    [
        encoded(500),
        encoded(601, 76),
        encoded(400, 64),
        encoded(423, 76),  # no padding, and a short last line
        encoded(601, 76).replace("\n", " "),  # the lines of a paragraph
        encoded(300, 40).replace("\n", " "),
        "data:image/png;base64," + encoded(450),
        encoded(1200).replace("+", "-").replace("/", "_"),
        random.Random(1).randbytes(300).hex(),
        base64.b32encode(random.Random(1).randbytes(500)).decode(),
    ],
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


def test_a_blob_goes_from_among_chinese_from_a_quoted_mail_and_from_under_a_heading() -> None:
    """No space is before it, a mark stands before each line, or little else is on the page."""
    chinese = "港口每天傍晚都由看守人记下水位，他把数字写在账本上。" * 12
    assert without_blobs(Page(f"{chinese}附件：{encoded(6000)}。{chinese}")) == f"{chinese}附件：。{chinese}"
    quoted = "> " + encoded(601, 72).replace("\n", "\n> ")
    assert without_blobs(Page(f"{MORE}\n{quoted}\n{PROSE}")) == f"{MORE}\n> \n{PROSE}"
    assert without_blobs(Page(f"# Key\n\n{encoded(3000)}")) == "# Key"
    assert without_blobs(Page(f"{MORE}\n{encoded(456, 76)}\nThanks\n{PROSE}")).endswith(f"\nThanks\n{PROSE}")


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "The commit is " + "9fceb02d0ae598e95dc970b74767f19372d61af8\n" * 20,
        "see-the-page-of-" * 20,
        "https://example.org/" + "archive/2024/05/the-keeper-of-the-lock/" * 8,
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
