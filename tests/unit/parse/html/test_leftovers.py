import pytest
from lxml import etree

from services.parse.config import ParseConfig
from services.parse.html import parse_html
from services.parse.html.leftovers import leftovers
from services.parse.html.outline import outline
from services.parse.html.wording import letters_of

TEXT = "<p>The keeper wrote down the weather each evening, and once a month sent the book to town.</p>"


def left_of(body: str) -> list[str]:
    """Blocks of a page that are no leftovers, without those of TEXT."""
    root = etree.fromstring(f"<html><body>{TEXT}{body}{TEXT}</body></html>", etree.HTMLParser())
    page = outline(root, 64)
    found = leftovers(page, [letters_of(block.text) for block in page.blocks])
    kept = [block.text for block, left in zip(page.blocks, found, strict=True) if not left]
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
        "<span>×</span>",
        "<p>（责任编辑：王某）返回某某网首页</p>",
        "<p>责任编辑：</p>",
        "<h2>语音播报文章，释放双眼</h2>",
        "<div>查看原图 264K</div>",
        "<p>展开剩余全文（）</p>",
        "<p>发布于：浙江省</p>",
        "<p>平台声明：该文观点仅代表作者本人，本站系信息发布平台。</p>",
        "<p>（本文为用户上传，不代表某某新闻的观点或立场，某某新闻仅提供信息发布平台。）</p>",
        "<p>以上作品内容（包括视频、图片）为“某某号”用户上传并发布，本平台仅提供信息存储空间服务。</p>",
        "<p>本作品为某某网原创，转载时务请注明出处。</p>",
        "<p>某某网报料：400-000-0000 某某网，未经授权不得转载</p>",
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
        "声明说，这一数字不代表政府的立场。",
        "文章认为，工会代表不了渔民的立场。",
        "他在信中写道，这些观点仅代表作者本人。",
        "责任编辑：王某",
        "分享到各地的灯塔图纸一共十二张。",
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
