"""What the names that authors give to elements (class, id, role, itemprop) say of their purpose."""

# ruff: noqa: E501 - a line for each kind

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from services.parse.html.finder import Finder

# Each is looked for anywhere in the lower-cased names, so that "sidebarLeft" and "post-body" both count; a
# hyphen stands for the begin or end of a part of a name. Pinyin too.
_KINDS = {
    "navigation": "nav menu crumb pagina pager daohang -tab- -tabs- -toc- -skip sitemap",
    "foot": "foot copyright legal imprint colophon banquan -bottom",
    "head": "header masthead topbar banner logo toolbar -hd- -top",
    "side": "side rail- widget secondary -right complementary",
    "advertisement": "-ad- -ads- advert sponsor promo guanggao outbrain taboola affiliate",
    "share": "share sharing social follow like- bookmark fenxiang twitter facebook weixin weibo",
    "comment": "comment disqus discuss respond pinglun feedback",
    "answer": "reply replies answer huifu -qa- question",
    "review": "review rating testimonial -star- -stars-",
    "related": "relat recommend similar popular trend also -more hot- latest recent tuijian xiangguan next prev",
    "meta": "meta byline author date time -tag- -tags- categor -info- avatar user profile posted signature -source badge stat-",
    "post": "post entry message thread topic -t-f- floor bbs forum lzl d-post",
    "article": "article story artic news blog wenzhang richtext rich-media markdown prose",
    "content": "content main body text detail descri neirong zhengwen summary -con-",
    "form": "form login sign subscri newsletter search input register donat",
    "overlay": "modal popup cookie consent dialog gdpr overlay toast alert notice tooltip dropdown lightbox privacy",
    "list": "list grid -row- item- items- feed- carousel slider gallery swiper",
    "card": "card tile teaser promo box- thumb listing result",
    "hidden": "hidden hide sr-only screenreader screen-reader noprint collapse offscreen invisible visually",
    "button": "btn button -cta action control icon",
    "product": "product price -spec feature sku shop cart buy attribute option",
    "title": "title headline heading biaoti subject",
    "caption": "caption figure credit image photo media img video embed",
    "note": "footnote reference citation disclaimer note- warning",
    "hero": "hero jumbotron intro lead tagline cover",
    "code": "code highlight snippet syntax example -api- -doc- -docs- documentation method param",
}
NAMES = tuple(_KINDS)

# Elements that hold what was written in a post, and what its writer puts under each, as the engines' own
# templates name them: Discuz! to 7 and X, phpwind, DVBBS, phpBB 2 and 3, vBulletin 3 and 4, Invision 2, SMF,
# MyBB, FluxBB, XenForo 1 and 2, Flarum, LeadBBS, nForum, Tieba, NGA.
_POSTS = (
    "-postmessage- -t-msgfont- -t-f- -tpc-content- -textstyle- -postbody- -post-message- -postcontent -postcolor-"
    " -postarea- -post-body- -postmsg- -message-text- -bb-wrapper- -d-post-content- -a-content- -inner-msg-"
)
_SIGNATURES = "signature -post-sig- -postsig- -sig-content-"
POST, SIGNATURE = 1 << len(NAMES), 2 << len(NAMES)  # above the bits of NAMES, which features have columns for

_PARTS = Finder([*(parts.split() for parts in _KINDS.values()), _POSTS.split(), _SIGNATURES.split()])
_ATTRIBUTES = frozenset({"class", "id", "role", "itemprop", "aria-label", "data-component", "data-testid"})
NAMING = _ATTRIBUTES - {"class"}  # attributes besides the class that hints_of reads
_LONGEST = 300
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HYPHENED = bytes(sign if chr(sign).isalnum() else ord("-") for sign in range(128)) + bytes(range(128, 256))
_BETWEEN = re.compile(r"[^a-z0-9\u4e00-\u9fff]+")


def hints_of(attributes: Mapping[str, str]) -> int:
    """A bit for each of NAMES that an element's names speak of, and POST and SIGNATURE."""
    if NAMING.isdisjoint(attributes):
        return _bits(attributes["class"][:_LONGEST]) if "class" in attributes else 0
    values = [value for name, value in attributes.items() if name in _ATTRIBUTES]
    return _bits(" ".join(values)[:_LONGEST]) if values else 0


@lru_cache(8192)
def _bits(names: str) -> int:
    if not names.islower():
        names = _HUMP.sub("-", names).lower()
    if names.isascii():
        names = names.encode().translate(_HYPHENED).decode()
        while "--" in names:
            names = names.replace("--", "-")
    else:
        names = _BETWEEN.sub("-", names)
    return _PARTS.mask(f"-{names}-")
