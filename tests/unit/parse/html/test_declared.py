# ruff: noqa: E501 - pages are written as they come
import json
import time

import pytest

from services.parse.config import ParseConfig
from services.parse.html import parse_html
from services.parse.html.kinds import KINDS

TEXT = (
    "<article>" + "<p>The lamp burned all night, and the keeper slept by the stairs.</p>" * 4 + "</article>"
)


def kind_of(head="", body="", names="", address=""):
    page = f"<html><head><title>A lamp</title>{head}</head><body {names}>{TEXT}{body}</body></html>"
    found = parse_html(page.encode(), ParseConfig(), address)
    assert found.kind in ("", *KINDS)
    assert bool(found.kind) == bool(found.witnesses)
    return found.kind, len(found.witnesses)


def typed(*types):
    graph = [{"@type": each, "name": "A lamp"} for each in types]
    return f"<script type='application/ld+json'>{json.dumps({'@graph': graph})}</script>"


def og(kind):
    return f"<meta property='og:type' content='{kind}'>"


def made_by(generator):
    return f"<meta name=generator content='{generator}'>"


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("forum", {"head": typed("DiscussionForumPosting", "Person")}),
        ("forum", {"head": typed("QAPage", "Question", "Answer")}),
        ("forum", {"head": typed(["WebPage", "QAPage"])}),
        ("forum", {"body": "<div itemscope itemtype='https://schema.org/Question'>Why?</div>"}),
        ("forum", {"head": made_by("Discourse 3.4.0 - https://github.com/discourse/discourse version abc")}),
        ("forum", {"head": made_by("Discuz! X3.4"), "names": "id=nv_forum class=pg_viewthread"}),
        ("forum", {"names": "id=phpbb class='nojs notouch section-viewtopic ltr'"}),
        ("forum", {"address": "https://a.example/thread-123-1-1.html"}),
        ("forum", {"address": "https://bbs.a.example/detail/171"}),
        ("forum", {"address": "https://a.example/forum.php?mod=redirect&tid=22&goto=lastpost"}),
        ("forum", {"address": "https://a.example/read.php?tid=4711&fid=2"}),
        ("forum", {"address": "https://www.v2ex.com/t/4711"}),
        ("forum", {"address": "https://a.example/t/4711?p=2"}),
        ("forum", {"address": "http://a.example/bbs/viewthread.php?tid=4711&page=2"}),
        ("forum", {"address": "http://a.example/showtopic-4711.aspx"}),
        ("forum", {"address": "http://a.example/bbs/read-htm-tid-4711.html"}),
        ("forum", {"address": "http://a.example/bbs/dispbbs.asp?boardid=2&id=4711"}),
        ("forum", {"address": "https://www.newsmth.net/nForum/article/Lamps/4711"}),
        ("forum", {"address": "https://www.ptt.cc/bbs/Lamps/M.1500000000.A.4A1.html"}),
        ("forum", {"address": "https://www.mobile01.com/topicdetail.php?f=2&t=4711"}),
        ("forum", {"address": "https://www.dcard.tw/f/lamps/p/4711"}),
        ("forum", {"address": "https://cnodejs.org/topic/0123456789abcdef01234567"}),
        ("forum", {"address": "https://q.cnblogs.com/q/4711"}),
        ("forum", {"address": "https://wenwen.sogou.com/z/q4711.htm"}),
        ("forum", {"address": "https://guba.eastmoney.com/news,600000,4711.html"}),
        ("forum", {"head": made_by("Discuz!NT 3.1.0")}),
        ("forum", {"head": "<link rel=canonical href='thread-22-1-1.html'>", "address": "https://a.example/x"}),
        ("forum", {"head": "<link rel=canonical href='https://a.example'>", "address": "https://a.example/t/4711"}),
        ("forum", {"body": "<table><tr><td class=t_f id=\"postmessage_4711\">Mine smokes, too.</td></tr></table>"}),
        ("forum", {"body": "<div id=\"post_message_4711\">Mine smokes, too.</div>"}),
        ("forum", {"body": "<div class=f14 id=\"read_tpc\">Does yours smoke?</div>"}),
        ("forum", {"body": "<div class='d_post_content j_d_post_content '>Mine smokes, too.</div>"}),
        ("forum", {"body": "<p id='postcontent1' class='postcontent ubbcode'>Mine smokes, too.</p>"}),
        ("forum", {"body": "<div class=push><span class=\"f3 hl push-userid\">keeper</span>: it smokes</div>"}),
        ("forum", {"body": "<div class='aw-mod aw-question-detail aw-item'>Does yours smoke?</div>"}),
        ("forum", {"body": "<div class=\"a-content-wrap\">Does yours smoke?</div>"}),
        ("documentation", {"head": made_by("HonKit 6.0.0")}),
        ("documentation", {"head": made_by("Rspress v1.44.0")}),
        ("documentation", {"head": made_by("zensical-0.0.11")}),
        ("documentation", {"head": made_by("Retype 3.6.0")}),
        ("documentation", {"address": "https://help.aliyun.com/zh/lamps/oil"}),
        ("documentation", {"address": "https://support.huaweicloud.com/usermanual-lamps/lamps_01.html"}),
        ("documentation", {"address": "https://cloud.a.example/document/product/213/9221"}),
        ("product", {"address": "https://item.jd.com/4711.html"}),
        ("product", {"address": "https://detail.tmall.com/item.htm?id=4711"}),
        ("product", {"address": "https://a.example/goods-4711.html"}),
        ("article", {"address": "http://politics.people.com.cn/n1/2024/0517/c1001-40238.html"}),
        ("article", {"address": "https://www.sohu.com/a/4711_123"}),
        ("article", {"address": "https://mp.weixin.qq.com/s?__biz=a&mid=1"}),
        ("forum", {"head": "<link rel=canonical href='https://a.example/t/a-lamp/4711'>"}),
        ("documentation", {"head": made_by("Docutils 0.21.2: https://docutils.sourceforge.io/")}),
        ("documentation", {"head": made_by("mkdocs-1.6.1, mkdocs-material-9.7.1")}),
        ("documentation", {"head": typed("TechArticle") + og("article")}),
        ("documentation", {"address": "https://a.example/docs/lamps"}),
        ("product", {"head": typed("Product", "Offer", "AggregateRating") + og("website")}),
        ("product", {"head": og("article") + made_by("WordPress 6.9"), "names": "class='wp-singular single-product'"}),
        ("product", {"head": og("product")}),
        ("news", {"head": typed("NewsArticle") + og("article")}),
        ("news", {"head": og("news")}),
        ("article", {"head": og("article") + made_by("WordPress 6.9")}),
        ("article", {"head": typed("BlogPosting"), "address": "https://a.example/2024/05/lamps/"}),
    ],
)  # fmt: skip
def test_a_page_says_what_it_is(kind, page):
    """Prevents threads, manuals and shops from being judged by their words alone."""
    assert kind_of(**page)[0] == kind


@pytest.mark.parametrize(
    "page",
    [
        {},
        {
            "head": og("website")
            + made_by("WordPress 6.9")
            + typed("WebPage", "BreadcrumbList", "Organization")
        },
        {"head": typed("FAQPage", "Question", "Answer")},  # questions of a shop about itself
        {"head": typed("DiscussionForumPosting", "Product")},  # two things at once
        {"head": typed("Comment", "Review")},  # stand below anything
        {"head": made_by("I was a Discourse once")},
        {"names": "class='forumsomething xfer productive'"},
        {"address": "file:///home/docs/forum/t/a-lamp/1"},  # a folder of the one who brought it
        {"address": "https://a.example/doctors/newsagents/treading"},
        {"body": "<script>show('postmessage_' + id)</script>"},  # stands on every page of the engine
        {"address": "https://a.example/t/lamps"},  # what a tag's list is called, too
        {"head": "<link rel=canonical href='https://a.example/'>", "address": "file:///t/4711"},
    ],
)
def test_what_says_nothing_or_two_things_is_no_kind(page):
    """Prevents what stands on all pages of a kind of software, or contradicts itself, from counting."""
    assert kind_of(**page) == ("", 0)


def test_each_witness_counts_once():
    """Prevents one piece of software from being as good as several witnesses; the words say who they are."""
    head = typed("DiscussionForumPosting", "Question", "Answer") + made_by("Discourse 3") + og("article")
    page = (
        f"<html><head>{head}<link rel=canonical href='https://a.example/t/a-lamp/4711'></head>{TEXT}</html>"
    )
    found = parse_html(page.encode(), ParseConfig(), "https://a.example/docs/else")
    assert (found.kind, found.witnesses) == (
        "forum", ("discussionforumposting", "discourse", "/t/a-lamp/4711"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        '<script type=\'application/ld+json\'>{"@type": ["</script>',
        '<script type=\'application/ld+json\'>{"@type": 7, "@type": null}</script>',
        "<meta property='og:type'><meta name=generator><meta content=x>",
        made_by("%$§ " * 50) + og("product;" * 99),
        "<link rel=canonical href='https://[x'>",
        "<link rel=canonical href='" + "/t/" * 9000 + "'>",
    ],
)
def test_broken_declarations_are_none(head):
    """Prevents a page from becoming a dead letter by what stands in its head."""
    assert kind_of(head=head) == ("", 0)


def test_a_megabyte_of_declarations_costs_little():
    """Prevents a page from holding up a partition by its head alone."""
    head = "<script type='application/ld+json'>" + '{"@type":"Product"},' * 50_000 + "</script>"
    head += "<meta name=generator content='Discourse'>" * 2000 + "<meta name=x>" * 2000
    began = time.process_time()
    assert kind_of(head=head, names=f"class='{'a ' * 100_000}'", address="https://x/" + "t/" * 100_000) == (
        "",
        0,
    )
    assert time.process_time() - began < 3
