import json

import pytest

from services.parse import html
from services.parse.config import ParseConfig, Unparseable

SAID = (
    "The keeper wrote down the weather each evening. Once a month he sent the whole book to town, as agreed. "
    "In winter nobody read it before spring brought another boat, and then harbour masters counted storms. "
)
ZH = "灯塔看守人每天傍晚都记下天气。每个月把本子寄到镇上一次，这样过了三十年，从来没有间断过一天。"
WORDING = {
    f"label{n}": f"Please fill in field {n} of the form before you go on to the next one." for n in range(40)
}


@pytest.fixture(autouse=True, scope="module")
def _prepared():
    html.prepare()


def text_of(script: str, body: str = "<div id=__next></div>", title: str = "The weather each evening") -> str:
    page = f"<html><head><title>{title}</title></head><body>{body}{script}</body></html>"
    return html.parse_html(page.encode(), ParseConfig()).text


def data(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


@pytest.mark.parametrize(
    "script",
    [
        "<script id=__NEXT_DATA__ type=application/json>{}</script>",
        "<script>window.__INITIAL_STATE__ = {};</script>",
        "<script>window.__NUXT__={};(function(){{}})()</script>",
        "<script>window['__STATE__'] = {};</script>",
        "<script type='application/ld+json'>{}</script>",
    ],
)
@pytest.mark.parametrize("said", [SAID * 4, ZH * 6])
def test_an_article_in_the_json_of_an_empty_page_is_its_text(script, said):
    """Prevents pages that scripts draw from being dropped without a text."""
    value = {
        "i18n": WORDING,
        "props": {"page": {"body": f"<h2>Lamps</h2><p>{said}</p><p>{said}</p>", "id": "x" * 900}},
    }
    assert (
        text_of(script.format(data(value)), title=said[:12])
        == f"## Lamps\n\n{said.strip()}\n\n{said.strip()}"
    )


def test_the_posts_of_a_thread_in_json_stand_in_their_order():
    """Prevents a question from being kept without its answers, or below them."""
    posts = [
        {"text": f"{n}. {SAID * 3}" if n == 1 else f"{n}. It did for me, too, thank you.", "id": n}
        for n in range(5)
    ]
    value = {"@type": "QAPage", "answers": posts}
    text = text_of(f"<script type='application/ld+json'>{data(value)}</script>")
    assert [part[:2] for part in text.split("\n\n")] == ["0.", "1.", "2.", "3.", "4."]


def test_what_is_not_about_the_pages_title_is_no_text():
    """Prevents the terms of a shop and the rules of a board, which each page carries, from being its text."""
    script = f"<script type=application/json>{data({'terms': SAID * 6})}</script>"
    with pytest.raises(Unparseable, match="no main text"):
        text_of(script, title="Boats and their engines, second-hand")


@pytest.mark.parametrize(
    "value",
    [
        WORDING,
        {"css": "a { color: red; }\nb { color: blue; }\n" * 50},
        {"token": "QUJD" * 500},
        {"consent": "We use cookies on this site. If you accept them, we know you again. " * 8},
        {"urls": " ".join(f"https://example.org/pictures/of/lamps/{n}.jpeg" for n in range(60))},
        {"code": "function (a) { return a; }\nlet b = () => 1. " * 20},
    ],
)
def test_what_is_no_prose_is_no_text(value):
    """Prevents wording of buttons, style sheets and encoded data from becoming documents."""
    with pytest.raises(Unparseable, match="no main text"):
        text_of(f"<script type=application/json>{data(value)}</script>")


def test_what_a_page_says_of_itself_goes_before_what_its_scripts_draw():
    """Prevents the terms of a discount from standing for the description of a product."""
    said = (
        f"<script type='application/ld+json'>{data({'@type': 'Product', 'description': SAID * 4})}</script>"
    )
    drawn = f"<script type=application/json>{data({'terms': ZH * 40})}</script>"
    assert text_of(said + drawn) == (SAID * 4).strip()


def test_a_page_with_a_text_of_its_own_keeps_it_alone():
    """Prevents what a page shows from standing in its text again, or others' articles after it."""
    body = f"<article><h1>Lamps</h1><p>{SAID * 6}</p><p>{SAID * 6}</p></article>"
    script = f"<script id=__NEXT_DATA__ type=application/json>{data({'body': ZH * 60})}</script>"
    assert text_of(script, body) == text_of("", body)


@pytest.mark.parametrize(
    "script",
    [
        "<script type=application/json>" + "[" * 200_000,
        "<script type=application/json>" + '{"a":' * 50_000 + "1" + "}" * 50_000,
        "<script>window.__STATE__ = {a: function() { return 1 }}",
        "<script type=application/json>" + "[" + "1," * 400_000 + "1]",
        "<script type=application/json>" + '["' + "a" * 3_000_000 + '"]',
        "<script type=application/json>" + data([f"a string of many: {n}" for n in range(70_000)]),
    ],
)
def test_hostile_json_ends_without_a_text(script):
    """Prevents nested, broken and huge scripts from raising what is no verdict."""
    with pytest.raises(Unparseable):
        text_of(f"{script}</script>")
