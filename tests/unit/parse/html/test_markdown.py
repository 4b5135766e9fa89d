# ruff: noqa: E501 - pages are written as they come
import pytest

from tests.unit.parse.html.test_listings import markdown


@pytest.mark.parametrize(
    "prose",
    [
        "The variable max_retry_count is 3 [1]; see C:\\temp\\new_file and std::vector<int>.",
        "From ~5 to ~3, 2*3*4 = 24, a `tick`, A~B and # no heading; 1. no list.",
        "- no item; > no quote | no cell",
    ],
)
def test_prose_has_no_escapes(prose):
    """Prevents backslashes that no page holds from being learned."""
    html = prose.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert markdown(f"<p>{html}</p>") == prose


@pytest.mark.parametrize(
    ("html", "right"),
    [
        ("<h2>A <i>title</i></h2><p>One<br>two<br><br>three</p>", "## A *title*\n\nOne\ntwo\n\nthree"),
        ("<ul><li>a<ul><li>b</li></ul></li><li><p>c</p></li></ul>", "- a\n  - b\n- c"),
        ("<ol start=1><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<ol start=5><li>a</li><li value=9>b</li><li>c</li></ol>", "5. a\n9. b\n10. c"),
        ("<h2>Tools<a class=headerlink href='#tools'>¶</a></h2><h3><a href='#c'>#</a> In C#</h3><h3>Part #</h3>", "## Tools\n\n### In C#\n\n### Part #"),
        ("<x-card><template shadowrootmode=open><p>Shown.</p></template></x-card>", "Shown."),
        ("<ul><li><h3>Ann</h3><p>One.</p><p>Two.</p></li></ul>", "### Ann\n\nOne.\n\nTwo."),  # a card
        ("<blockquote><p>a</p></blockquote>b", "> a\n\nb"),
        ("<p>x<sub>1</sub><sup>2</sup>, a note<sup>[3]</sup>, <b>bold</b>, <b>not * twice</b></p>",
         "x<sub>1</sub><sup>2</sup>, a note[3], **bold**, not * twice"),
        ("<p><b>\u3000\u2003新华社</b>电，<b>见\u200b</b>下</p><p>\ufffd\ufffd</p>", "**新华社**电，**见**下"),
        ("<p>super<wbr>cali&shy;fragil<span>istic</span></p>", "supercalifragilistic"),
        ("<p><a>One</a><a>Two</a></p>", "One Two"),
        ("<p>北<ruby>京<rp>(</rp><rt>jīng</rt><rp>)</rp></ruby>的</p><p>春</p>", "北京的\n\n春"),
        ("<p>a</p><noscript><img src=x>Turn it on.</noscript><template>no</template>", "a"),
    ],
)  # fmt: skip
def test_structure_becomes_markdown(html, right):
    """Prevents lost paragraphs, glued words, and bullets before whole posts."""
    assert markdown(html) == right


def test_a_table_keeps_its_columns_and_lists_in_cells():
    """Prevents a cell from moving to another column, and a list in a cell from ending the table."""
    table = (
        "<table><tr><th>Part</th><th>Made of</th><th>Price</th></tr>"
        "<tr><td rowspan=2>Lamp</td><td><ul><li>brass</li><li>glass</li></ul></td><td>3|4</td></tr>"
        "<tr><td colspan=2>sold out</td></tr></table>"
    )
    assert markdown(table) == (
        "| Part | Made of | Price |\n| --- | --- | --- |\n| Lamp | brass; glass | 3\\|4 |\n|  | sold out |  |"
    )


def test_a_table_that_lays_out_a_page_is_no_table():
    """Prevents columns of text from becoming rows of cells."""
    text = "The keeper wrote down the weather each evening, and sent the book to town once a month. " * 3
    page = f"<table><tr><td><p>{text}</p></td><td>Menu</td></tr><tr><td><p>{text}</p></td><td>Foot</td></tr></table>"
    assert "|" not in markdown(page)
    assert markdown(page).count("weather") == 6
