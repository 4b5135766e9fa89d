# ruff: noqa: E501 - pages are written as they come
import random
import time

import pytest

from services.parse import html
from services.parse.config import ParseConfig, Unparseable
from services.parse.html.tables import is_data
from services.parse.html.tree import read
from tests.unit.parse.odd_pages import odd_page

SENTENCE = (
    "The lighthouse keeper wrote down the weather each evening, and sent the book to town once a month. "
)
ZH = "灯塔看守人每天傍晚都记下天气，每个月把本子寄到镇上一次，这样过了三十年，从来没有间断过一天。"


@pytest.fixture(autouse=True, scope="module")
def _prepared():
    html.prepare()


def text_of(page: str, charset: str = "utf-8") -> str:
    return html.parse_html(page.encode(charset), ParseConfig()).text


def article(body: str) -> str:
    menu = "".join(f'<li><a href="/{i}">Menu entry {i}</a></li>' for i in range(20))
    return (
        f"<html><head><title>T</title></head><body><nav><ul>{menu}</ul></nav><article>"
        f"<h1>Keeping the light</h1>{body}</article>"
        "<footer>All rights reserved, imprint, privacy</footer></body></html>"
    )


def test_main_text_is_kept_as_markdown_and_navigation_left_out():
    """Prevents menus from entering the corpus, and structure from being lost."""
    text = text_of(
        article(
            f"<p>{SENTENCE * 3}</p><h2>Tools</h2><ul><li>a lamp of brass</li><li>a book of weather</li></ul>"
            f"<pre><code>light = True\nwhile light:\n    watch()</code></pre><p>{SENTENCE * 2}</p>"
            "<table><tr><th>Month</th><th>Storms</th></tr><tr><td>May</td><td>3</td></tr></table>"
        )
    )
    assert SENTENCE.strip() in text
    assert "## Tools" in text
    assert "- a lamp of brass" in text
    assert "while light:\n    watch()" in text
    assert "| May | 3 |" in text
    assert "Menu entry" not in text
    assert "imprint" not in text


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "utf-16"])
def test_chinese_pages_in_their_charsets(charset):
    """Prevents GBK pages from becoming mojibake."""
    page = article(f"<p>{ZH * 4}</p>").replace("<head>", f'<head><meta charset="{charset}">')
    assert ZH in text_of(page, charset)


def test_a_page_of_too_many_tags_is_read_by_the_faster_extractor():
    """Prevents a dump of tags from occupying a worker for a minute, and its text from being lost."""
    page = article(f"<p>{SENTENCE * 5}</p><p>{'<i>a</i> ' * 200}</p>").encode()
    text = html.parse_html(page, ParseConfig(max_html_tags=100)).text
    assert text.count("lighthouse keeper") == 5
    assert "*a*" not in text


def test_the_posts_of_a_thread_are_kept_in_their_order():
    """Prevents a thread from shrinking to its first post, or to its longest."""
    posts = "".join(
        f"<div class='post' id='p{i}'><div class='username'>keeper{i}</div><div class='postdate'>3 May 2021, 10:0{i}</div>"
        f"<div class='message'><p>Answer {i}: {SENTENCE * (1 + i % 3)}</p></div><a href='#'>Reply</a></div>"
        for i in range(8)
    )
    menu = "".join(f"<li><a href='/{i}'>Board {i}</a></li>" for i in range(20))
    text = text_of(
        f"<html><head><title>Which lamp? - Forum</title></head><body><div class='nav'><ul>{menu}</ul></div>"
        f"<h1>Which lamp?</h1><div class='thread'>{posts}</div><div class='footer'>Powered by a board</div></body></html>"
    )
    assert [text.find(f"Answer {i}:") for i in range(8)] == sorted(
        text.find(f"Answer {i}:") for i in range(8)
    )
    assert "Answer 0:" in text
    assert "Board 3" not in text


@pytest.mark.parametrize(
    ("author", "post"),
    [
        ("postauthor", "postcontent"),
        ("post-author", "post-body"),
        ("alt2", "post_4711"),
        ("alt2", "alt1' id='td_post_4711"),
    ],
)
def test_posts_laid_out_by_tables_are_no_table(author, post):
    """Prevents the threads of older forums from becoming rows, which are mostly taken for no content."""
    answers = [f"我们这里的灯也冒烟，换了第{i}号灯芯就好了，你看看是不是油不干净。" for i in range(8)]
    posts = "".join(
        f"<table><tr><td class='{author}'>看守人{i}</td><td class='{post}'><div>发表于 2009-5-{i + 1}</div>"
        f"<div>{answer}</div></td></tr><tr><td class='{author}'>查看资料</td><td class='{post}'>引用 回复</td></tr></table>"
        for i, answer in enumerate(answers)
    )
    text = text_of(f"<html><head><title>灯冒烟怎么办</title></head><body>{posts}</body></html>")
    assert "| --- |" not in text
    assert all(answer in text for answer in answers)


def test_a_table_with_a_named_post_in_a_cell_is_no_table():
    """Prevents boards that name what is in a cell, and not the cell, from losing all but the writers."""
    posts = "".join(
        f"<tr><td>看守人{i}</td><td><div>发表于 2009-5-{i + 1}</div><div id=textstyle_{i}>换了第{i}号灯芯</div></td></tr>"
        for i in range(8)
    )
    text = text_of(
        f"<html><head><title>灯冒烟怎么办</title></head><body><h1>灯冒烟</h1><table>{posts}</table></body></html>"
    )
    assert "| --- |" not in text


@pytest.mark.parametrize(
    "page", ["<p>Hello, keeper.</p>", "Only words <b>and a tag</b>", f"<body>{ZH}<br>{ZH}</body></html>"]
)
def test_a_page_of_few_words_is_all_text(page):
    """Prevents short pages from being dropped for want of a frame."""
    assert text_of(page)


def test_what_stands_behind_the_end_of_the_page_is_read():
    """Prevents pages of broken templates from losing their body to the parser."""
    assert SENTENCE.strip() in text_of(
        f"<html><head><title>x</title></head></html><body><article><h1>A</h1><p>{SENTENCE * 4}</p>"
    )


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 100_000 + f"<p>{SENTENCE}</p>" + "</div>" * 100_000,
        "<b>" * 100_000 + SENTENCE,
        "<table><tr><td>" * 30_000 + SENTENCE,
    ],
    ids=["div", "open b", "table"],
)
def test_deep_nesting_ends_in_a_reason_within_seconds(page):
    """Prevents a crash of the C stack and the quadratic minutes of a tree builder."""
    begun = time.process_time()
    with pytest.raises(Unparseable) as caught:
        text_of("<html><body>" + page)
    assert caught.value.reason == "too_deep"
    assert caught.value.measured is not None
    assert caught.value.measured > caught.value.threshold
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "hostile",
    [
        "<div " + " ".join(f"a{i}=1" for i in range(100_000)) + ">",
        '<img src="data:image/png;base64,' + "A" * 2_000_000 + '">',
        "<!--" * 100_000 + "-->",
        "&#xD800;&#0;&#x110000;",
        "<b>" * 400 + "</b>" * 400,
        "<pre>" + "<span><br></span>" * 20_000 + "</pre>",
        "<table>" + "<tr><td rowspan=99999 colspan=99999>x</td></tr>" * 60 + "</table>",
        "<math>" + "<mrow>" * 400 + "<mi>x</mi>" + "</mrow>" * 400 + "</math>",
        "$" * 50_000 + "\\(" * 20_000,
    ],
    ids=["attributes", "data uri", "comments", "entities", "bold", "lines", "spans", "math", "dollars"],
)
def test_hostile_markup_costs_seconds_and_leaves_the_text(hostile):
    """Prevents quadratic attribute lists (220 s before), and surrogates that protobuf refuses."""
    begun = time.process_time()
    text = text_of(article(hostile + f"<p>{SENTENCE * 5}</p>"))
    assert "lighthouse keeper" in text
    text.encode()
    assert time.process_time() - begun < 10


def test_listings_in_each_other_in_a_cell_take_linear_time():
    """Prevents minutes for a page of some thousand, each of which was read to its end."""

    def seconds(number):
        page = read("<table><tr><td>a<td>b<tr><td>" + "<pre>x" * number)
        table = next(page.iter("table"))
        begun = time.process_time()
        is_data(table)
        return time.process_time() - begun

    small, large = (min(seconds(number) for _ in range(2)) for number in (400, 1600))
    assert large < 8 * small + 0.02


def test_odd_pages_end_in_a_text_or_a_reason():
    """Prevents dead letters from markup that no one thought of; the soak has a hundred times as many."""
    rng = random.Random(5)
    found = set()
    for _ in range(200):
        body = odd_page(rng)
        try:
            text = html.parse_html(body, ParseConfig()).text
        except Unparseable as error:
            found.add(error.reason)
        else:
            assert text.strip(), body
            assert "\x00" not in text, body
            found.add("text")
    assert {"text", "no_text"} <= found <= {"text", "no_text", "broken", "too_deep"}


def test_a_page_that_scripts_draw_has_the_text_of_its_json():
    """Prevents shops whose description is drawn by a script from being lost, or kept as a slogan alone."""
    told = (
        "A lamp of brass that burns all night, with a wick of cotton and a foot of oak, made by the keeper."
    )
    value = f"<b>{told}</b> \\u00e9"
    script = (
        f"""<script type="application/ld+json">{{"@type": "Product", "description": "{value}"}}</script>"""
    )
    drawn = f"<html><head>{script}</head><body><div id=app>Lamp</div></body></html>"
    text = text_of(drawn)
    assert text == f"Lamp\n\n{told} é"
    told_short = drawn.replace(told, "Buy now")
    assert text_of(told_short) == "Lamp"
    long = drawn.replace("Lamp</div>", f"</div><article><h1>Lamp</h1><p>{told}</p><p>{told}</p></article>")
    assert text_of(long).count(told) == 2


def test_a_page_without_text_says_so():
    """Prevents empty documents from flowing on."""
    with pytest.raises(Unparseable) as caught:
        text_of("<html><body><script>var a = 1;</script><nav></nav></body></html>")
    assert caught.value.reason == "no_text"


def test_a_page_that_is_too_large_says_so():
    """Prevents a data dump from occupying a worker for minutes."""
    with pytest.raises(Unparseable) as caught:
        html.parse_html(b"<p>" + b"x" * 2000, ParseConfig(max_html_bytes=1000))
    assert caught.value.reason == "too_large"
