"""The judge that ships, asked twice: a text as it is, and as parse would have laid it out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from contracts import Document
from services.classifier import SERVICE as CLASSIFIER
from services.inference import Encoder
from services.runtime import Drop, Emit, Resources, load_settings
from services.scorer import SERVICE as SCORER
from tests.benchmarks.figures import SHARED
from trainer.bert.default.records import labelled

DATA = SHARED / "data" / "text"
PILLS = (
    "BUY CHEAP PILLS NOW!!!",
    "Viagra Cialis 90% OFF, no prescription needed, click here",
    "FREE shipping worldwide, order today and get bonus pills free",
    "100% satisfaction guaranteed, visit http://cheap-pills.example now",
    "Limited offer, act now, lowest price ever, click here click here",
)


def laid_out(text: str, draw: random.Random) -> str:
    """Its lines as headings, points and bold lines; where lines end is as it was."""
    shapes = ("{}", "- {}", "**{}**", "> {}", "### {}")
    lines = [line for line in text.split("\n") if line.strip()]
    return "\n".join([f"# {lines[0]}\n", *(draw.choice(shapes).format(line) for line in lines[1:])])


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not here: the judge is not measured")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_marks_change_few_categories(language: str) -> None:
    """Prevents a page with headings from being documentation for that: two thirds of all texts once were."""
    of = [r["text"] for r in labelled(DATA) if r["lang"] == language and r["category"]]
    texts = [text for text in of if 200 < len(text) < 3000]
    draw = random.Random(7)
    texts = draw.sample(texts, 250)
    encoder = Encoder.open("onnx:", None, "judge")
    before = encoder.judge(texts).logits["category"].argmax(axis=1)
    after = encoder.judge([laid_out(text, draw) for text in texts]).logits["category"].argmax(axis=1)
    assert np.mean(before != after) <= 0.03


def test_a_heading_rescues_no_junk() -> None:
    """Prevents spam from passing as Markdown, whose place was that of good documentation."""
    bare = "\n".join(PILLS)
    dressed = (
        f"# {PILLS[0]}\n\n## Offers\n\n" + "\n".join(f"- **{line}**" for line in PILLS[1:]) + "\n\n## Order\n"
    )
    found = []
    for text, media_type in ((bare, "text/plain"), (dressed, "text/markdown")):
        document = Document(id="spam", uid=7, text=text, media_type=media_type, language="en")
        document.format = "markdown" if media_type == "text/markdown" else "prose"
        for unit in (CLASSIFIER, SCORER):
            (verdict,) = unit.build(unit.config(), Resources(load_settings(triton_url="onnx:")))([document])
        assert isinstance(verdict, Emit | Drop)
        found.append((document, type(verdict)))
    (plain, one_end), (marked, other_end) = found
    assert one_end is other_end
    assert marked.category == plain.category
    assert marked.score == pytest.approx(plain.score, abs=0.5)
    assert max(marked.score, plain.score) < -4, "among the worst 1 % of English prose"
