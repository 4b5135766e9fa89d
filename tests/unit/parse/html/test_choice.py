import numpy as np
import pytest
from lxml import etree

from services.parse.html.choice import chosen
from services.parse.html.outline import outline

TEXT = "The keeper wrote down the weather each evening, and once a month sent the whole book to town."


def kept_of(body: str, *likely: float) -> list[str]:
    page = outline(etree.fromstring(f"<html><body>{body}</body></html>", etree.HTMLParser()), 64)
    return [block.text for block in chosen(page, np.array(likely, np.float32))]


@pytest.mark.parametrize("tag", ["p", "section", "li"])
def test_a_paragraph_that_is_unsure_goes_with_its_like(tag):
    """Prevents a paragraph amid an article from being lost by a hair."""
    body = "".join(f"<{tag}>{n}. {TEXT}</{tag}>" for n in range(5))
    assert len(kept_of(f"<div>{body}</div>", 0.9, 0.9, 0.4, 0.9, 0.9)) == 5
    assert len(kept_of(f"<div>{body}</div>", 0.9, 0.9, 0.2, 0.9, 0.9)) == 4  # of this it was sure


@pytest.mark.parametrize(
    "odd",
    [
        f"<div><p>{TEXT}</p></div>",  # elsewhere
        f"<p class=more>{TEXT}</p>",
        f"<p><a href=/>{TEXT}</a></p>",
        "<p>Read more.</p>",
    ],
)
def test_what_is_not_their_like_does_not_go_with_them(odd):
    """Prevents links and notes among paragraphs from being kept for their company."""
    assert len(kept_of(f"<div>{f'<p>{TEXT}</p>' * 4}{odd}</div>", 0.9, 0.9, 0.9, 0.9, 0.4)) == 4


def test_an_unsure_paragraph_among_dropped_ones_is_dropped_with_them():
    """Prevents a thread of comments that was left out from leaving one behind."""
    body = f"<p>{TEXT}</p>" * 4
    assert len(kept_of(f"<div>{body}</div><div>{body}</div>", *[0.9] * 4, 0.1, 0.4, 0.1, 0.6)) == 5


def test_listings_between_kept_blocks_and_the_title_above_them_are_kept():
    """Prevents an article about code from losing it, or its name."""
    body = f"<h1>Lamps</h1><p>12 May</p><p>{TEXT}</p><pre><code>light()\n  on()</code></pre><p>{TEXT}</p>"
    assert kept_of(body, 0.1, 0.1, 0.9, 0.1, 0.9) == ["Lamps", TEXT, "light()\n  on()", TEXT]
