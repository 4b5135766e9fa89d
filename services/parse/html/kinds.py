"""The words by which pages and the software behind them say what a page is. Data alone; declared.py reads it.

A kind is what a page says, not what it is: whether that is believed, the classifier weighs. Left out is
what software says of all pages alike (WordPress, Drupal, Hugo) and what each theme names otherwise.
"""

# ruff: noqa: E501 - a row for each kind or source

from __future__ import annotations

import re
from collections.abc import Mapping

KINDS = ("forum", "documentation", "product", "news", "article")


def _by_word(rows: Mapping[str, str]) -> dict[str, str]:
    return {word: kind for kind, words in rows.items() for word in words.split()}


# schema.org's types (https://schema.org/docs/full.html, 29.0), lower-cased. Comment and Review are left out:
# they stand below articles and products too. So do questions below a FAQPage, which declared.py passes over.
TYPES = _by_word(
    {
        "forum": "discussionforumposting qapage question answer",
        "documentation": "techarticle apireference",
        "product": "product productgroup productmodel individualproduct offer aggregateoffer",
        "news": "newsarticle analysisnewsarticle askpublicnewsarticle backgroundnewsarticle opinionnewsarticle"
        " reportagenewsarticle reviewnewsarticle",
        "article": "article blogposting liveblogposting satiricalarticle report",
    }
)
QUESTIONS = frozenset({"question", "answer"})

# Values of og:type: article of https://ogp.me; product of Meta's commerce pages; news of Chinese portals,
# after Baidu's rules for pages (https://ziyuan.baidu.com).
OPEN_GRAPH = {
    "product": "product",
    "og:product": "product",
    "product.item": "product",
    "news": "news",
    "article": "article",
    "og:article": "article",
    "blog": "article",
}

# Names of meta elements that only one kind of page has: product:price:… and article:… of Open Graph, Google
# News' own, Weibo's and Baidu's of articles, and those that the State Council's guide for government sites
# (政府网站发展指引, 2017, annex 2) wants on pages of content.
METAS = _by_word(
    {
        "product": "product:price:amount product:price:currency product:availability og:price:amount",
        "news": "news_keywords googlebot-news original-source syndication-source contentsource",
        "article": "article:published_time article:section weibo:article:create_at og:release_date"
        " og:article:author bytedance:published_time articletitle publishdate pubdate",
        "documentation": "readthedocs-addons-api-version docsearch:version docsearch:docusaurus_tag docusaurus_tag",
    }
)

# The begin of <meta name=generator>, as each engine's own templates write it, lower-cased.
GENERATORS = _by_word(
    {
        "forum": "discourse vbulletin discuz! discuz discuz!nt phpwind ubb.threads homeland nodebb mybb fluxbb punbb"
        " phorum vanilla woltlab xenforo",
        # Docutils is Sphinx's, GNU and makeinfo Texinfo's, docbook the XSL stylesheets'.
        "documentation": "docutils sphinx docusaurus mkdocs zensical gitbook honkit doxygen javadoc rustdoc mdbook vitepress"
        " vuepress rspress retype starlight antora asciidoctor docbook docfx exdoc ex_doc pdoc pkgdown yard jsdoc groff makeinfo texi2any"
        " texinfo mintlify",
    }
)

# Classes and ids of <html> and <body>, as the engines' default themes write them, lower-cased.
NAMES = _by_word(
    {
        # phpBB prosilver, vBulletin 4 and 5, XenForo 1 and 2, Invision, bbPress, Vanilla, NodeBB, Discuz! X,
        # WoltLab, FluxBB, Question2Answer, Stack Exchange, DW Question & Answer, Asgaros, wpForo, Khoros.
        "forum": "phpbb section-viewtopic vbulletin_html vb-page xf xenforo template-thread_view ipsapp bbpress"
        " single-topic topic-template-default vanilla section-discussion page-topic template-topic pg_viewthread"
        " tpl_wbb_thread tplthread punviewtopic qa-template-question question-page single-dwqa-question"
        " asgaros-forum wpforo lia-forum-message-page lia-board",
        # Read the Docs' and Furo's themes, Docusaurus, rustdoc, mdBook's frame, Doxygen, Google's and
        # Microsoft's documentation.
        "documentation": "wy-body-for-nav docs-wrapper docs-doc-page rustdoc sidebar-visible td-docs devsite"
        " layout-docs docs-page",
        # WooCommerce, Shopify, Magento, PrestaShop, OpenCart, Shopware.
        "product": "single-product product-template-default template-product catalog-product-view page-product"
        " product-product is-ctl-product",
        "article": "single-post post-template-default article-page single-article page-article",
    }
)

# What only the posts of a thread are named, as the engines' own templates write it; for pages without an address
# too: Discuz! since 5, vBulletin 3 and 4, phpwind, Tieba, NGA, PTT, WeCenter, nForum.
PARTS = {
    'id="postmessage_': "forum",
    'id="post_message_': "forum",
    'id="read_tpc"': "forum",
    "j_d_post_content": "forum",
    "id='postcontent": "forum",
    'push-userid"': "forum",
    "aw-question-detail": "forum",
    'class="a-content-wrap"': "forum",
}

# Hosts and paths, lower-cased, of the same engines' addresses, and of large Chinese sites: threads of Discuz! to 7
# and Discuz!NT, phpwind, Dvbbs, nForum, Tianya, V2EX, SegmentFault, CNode, Cnblogs, Sogou, Eastmoney, PTT, Dcard and
# Mobile01; the clouds' documents; goods of ECShop, JD, Taobao and Tmall; articles of People's Daily, Sina, Sohu,
# Tencent, The Paper and of public accounts. The first that is found counts.
ADDRESSES = [
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "forum",
            r"//(?:forums?|bbs|discuss|discourse)\.|/viewtopic\.php|/showthread\.php|/ubbthreads\.php|/thread-\d+|mod=viewthread"
            r"|index\.php\?topic=|/threads?/[^/]|/t/[^/]+/\d+|/d/\d+|/forums?/[^/]|/topics?/\d+|/questions?/\d+"
            r"|/comments/[a-z0-9]{5,}/|/discussions?/\d+|/discussions/topic/|tieba\.baidu\.com/p/"
            r"|/read\.php\?tid=|/forum\.php\?.*\btid=|/post-\w+-\d+-\d+\.shtml|/t/\d+[/?#]|segmentfault\.com/q/"
            r"|/viewthread\.php|/showtopic[-.]|/read-htm-tid-|/dispbbs\.asp|/nforum/article/|/bbs/[^/]+/m\.\d+"
            r"|/topicdetail\.php|/topic/[0-9a-f]{24}/|dcard\.tw/f/\w+/p/|//q\.cnblogs\.com/q/|//wenwen\.sogou\.com/z/"
            r"|//guba\.eastmoney\.com/news,",
        ),
        (
            "documentation",
            r"//(?:docs?|developers?|manual|man)[-.]|\.readthedocs\.|\.gitbook\.io/|/docs?/|/documentation/|/reference/|/javadoc"
            r"|/man-pages/|/api-?docs?/|/users?-?guide/|/document/product/|/document_detail/"
            r"|//help\.aliyun\.com/zh/|//support\.huaweicloud\.com/",
        ),
        (
            "product",
            r"/products?/[^/]|/dp/[a-z0-9]{10}|/itm/|/item/\d|/shop/p/|/store/p/|//item(?:\.m)?\.jd\.|/item\.html?\?|/goods[-/]\d|/goods\.php\?",
        ),
        (
            "article",
            r"/(?:19|20)\d\d[/-][01]?\d[/-]|/(?:19|20)\d{6}/|/(?:19|20)\d{4}/t(?:19|20)\d{6}_|/content_\d+|/news/|/articles?/|/blogs?/"
            r"|/stor(?:y|ies)/|/posts?/|/(?:19|20)\d\d/[01]\d[0-3]\d/|/doc-i\w+\.shtml|/a/\d+_\d|/rain/a/|newsdetail_forward_"
            r"|//mp\.weixin\.qq\.com/s",
        ),
    )
]
