import pytest
from lxml import etree

from services.parse.config import ParseConfig
from services.parse.html import parse_html
from services.parse.html.leftovers import leftovers
from services.parse.html.outline import outline

TEXT = "<p>The keeper wrote down the weather each evening, and once a month sent the book to town.</p>"


def left_of(body: str) -> list[str]:
    """Blocks of a page that are no leftovers, without those of TEXT."""
    root = etree.fromstring(f"<html><body>{TEXT}{body}{TEXT}</body></html>", etree.HTMLParser())
    page = outline(root, 64)
    kept = [block.text for block, left in zip(page.blocks, leftovers(page), strict=True) if not left]
    assert kept[0] == kept[-1]
    return kept[1:-1]


@pytest.mark.parametrize(
    "body",
    [
        "<div>Advertisement</div>",
        "<div>{{ price.total }}</div>",
        "<p>Was: {{priceAnchor.originalPrice}}</p>",
        "<p>ADVERTISEMENT - CONTINUE READING BELOW</p>",
        "<p>Scroll to continue with content</p>",
        "<p>Loading …</p>",
        "<div>调查问题加载中，请稍候。</div>",
        "<p>广告</p>",
        "<ul><li><b>广告</b>今日新开，万人在线</li></ul>",
        "<div role='dialog'><h2>Tell us what you think</h2><p>Two questions on this page.</p></div>",
        "<dialog><p>Sign up for our letters.</p></dialog>",
        "<div aria-modal='true'><div><p>Stay informed.</p></div></div>",
        "<div class='cookie-banner'><p>We use cookies to improve this site.</p></div>",
        "<div id='consent-popup'><p>本网站使用cookie。</p></div>",
    ],
)
def test_what_only_stands_for_something_else_is_a_leftover(body):
    """Prevents labels of advertisements, notes of loading and dialogs from standing among paragraphs."""
    assert left_of(body) == []


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("<p>Story continues below advertisement</p>", "advertisement"),
        ("<p>调查问题加载中，请稍候。</p>", "加载中"),
        (
            "<dialog open><p>Subscribe and read of every ship that comes in this week.</p></dialog>",
            "Subscribe",
        ),
    ],
)
def test_leftovers_are_not_in_the_text_of_a_page(body, word):
    """Prevents them from being told and written all the same; by its place alone each would be kept."""
    page = f"<html><body><article><h1>The keeper's book</h1>{TEXT}{body}{TEXT * 2}</article></body></html>"
    text = parse_html(page.encode(), ParseConfig()).text
    assert word not in text
    assert "wrote down the weather" in text


@pytest.mark.parametrize(
    "text",
    [
        "Advertisement for a keeper was printed in May.",
        "Loading the lamp takes an hour.",
        "We use cookies to feed the keeper.",  # outside of any banner
        "广告法自五月起施行。",
        "Surround your code with {{ and }} to keep its white space.",
        "The name of each lamp is written as {{lamp}} in the template of the page.",
        "$\\frac{{a}}{{b}}$",
    ],
)
def test_what_speaks_of_such_things_is_none(text):
    """Prevents articles about advertising from losing their sentences."""
    assert left_of(f"<p>{text}</p>") == [text]


def test_code_and_tables_are_none():
    """Prevents a program from losing the line that says it is loading."""
    assert left_of("<pre>Loading...</pre>") == ["Loading..."]


def test_a_dialog_with_most_of_the_page_is_the_page():
    """Prevents applications that show everything in one from having no text."""
    text = "The lamp burns all night. " * 20
    assert left_of(f"<div role='dialog'><p>{text}</p></div>") == [text.strip()]
