"""What is known of each block, as a matrix for main_text.py.

Of the block: its kind, length, links, punctuation and telling words. Of the elements around it: their tags
and what their names speak of, how much text they hold and how much of it is links, how often such an
element repeats beside itself (posts, cards). Of its place: how far down, after which heading. Of the page:
what it says it is.
"""

# ruff: noqa: E501 - a line for each kind of phrase

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from services.parse.html.blocks import Outline
from services.parse.html.finder import Finder
from services.parse.html.hints import NAMES

Floats = npt.NDArray[np.float32]

_KINDS = ("p", "h", "item", "row", "code", "pre", "dt", "dd", "caption", "cell", "summary")
_AROUND = (
    "article", "main", "section", "nav", "aside", "footer", "header", "form", "table", "ul", "ol", "dl", "li",
    "blockquote", "figure", "details", "dialog", "fieldset",
)  # fmt: skip
_SMALL = frozenset({"p", "li", "tr", "td", "dt", "dd", "br"})
_LEVELS = 5  # elements around a block, from the inside, whose text is measured
_TYPES = {
    "article": re.compile(r"article|blogposting|reportage|og:article"),
    "forum": re.compile(r"discussionforumposting|qapage|question|answer|comment"),
    "product": re.compile(r"product|offer"),
    "list": re.compile(r"collectionpage|itemlist|searchresults"),
    "organisation": re.compile(r"localbusiness|service|faqpage|organization"),
    "documentation": re.compile(r"techarticle|apireference|howto|softwaresource"),
}
_ENDS = re.compile(r"[.!?。！？…:;：；][\"'”’)\]」』》]*$")
_STOPS = ".,;!?。，；！？、"
_NO_LETTER = re.compile(r"[\W_]+")
_DATE = re.compile(
    r"\b(?:19|20)\d\d[-/.年]\s?\d{1,2}|\d{1,2}:\d\d|\b\d+ (?:second|minute|hour|day|week|month|year)s? ago\b|\d+\s?(?:天|小时|分钟|个月|年)前"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d|昨天|今天"
    r"|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (?:19|20)\d\d",
    re.IGNORECASE,
)
# Each is looked for in the lower-cased head of a block, with a space before and after it.
_PHRASES = [
    phrases.split("|")
    for phrases in (
        "©|copyright|rights reserved|版权所有|icp备|powered by| terms |privacy|隐私",
        "cookie|consent|gdpr|javascript|browser|浏览器",
        "subscribe|newsletter|sign up|sign in|log in|login|register|join us|join now|登录|注册|订阅|关注|e-mail|email",
        "share |tweet|facebook|twitter|pinterest|whatsapp|linkedin|分享|收藏|点赞|举报",
        "read more|learn more|see all|see more|view all|show more|load more|continue reading|click here|查看更多|更多|展开|下一|上一",
        "related|recommend|might also|may also|more from|popular|trending|most read|latest|相关|推荐|热门|猜你喜欢|最新",
        " reply|replies|comment| leave a|posted|joined| likes|votes|回复|评论|发表于|楼主|只看该作者|沙发|引用",
        "add to |in stock|buy now|$|€|£|¥|price|shipping|quantity|购物车|包邮|价格|元",
        " by |author|editor|written|reporter|来源|作者|编辑|记者|责编",
        "advertis|sponsor|promoted|广告|赞助|affiliate",
        " home |menu|search|skip to|back to|toggle| close | next |previous|首页|导航|搜索|返回",
        "reference|see also|external links|further reading|footnotes|参考|引用",
    )
]
_FINDER = Finder(_PHRASES)
_DIGITS = frozenset("0123456789")
_FIGURES, _CAPITALS = b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HAN = re.compile(r"[\u3400-\u9fff]")
_HEAD_CHARACTERS = 400


def features_of(page: Outline, root: Any, other: str) -> Floats:
    """One row for each block, float32. other: what another extractor took for the main text."""
    blocks, frames = page.blocks, page.frames
    num = len(blocks)
    words = np.array([block.words for block in blocks], np.float32)
    links = np.array([block.link_words for block in blocks], np.float32)
    frame_of = np.array([block.frame for block in blocks], np.int64)
    parents = np.array([frame.parent for frame in frames] or [-1], np.int64)
    told = _told(page)
    parts = [
        _own(page, words, links),
        _agreement(page, other),
        _telling(page, told),
        _tags_around(page, frame_of),
        _hints_around(page, frame_of),
        _amounts(page, words, links, frame_of, parents),
        _repetition(page, words, frame_of),
        _place(page, words, told),
        np.repeat(_page(page, root, words, links)[None], num, 0),
    ]
    return np.concatenate(parts, 1).astype(np.float32)


def _log(values: Any) -> Floats:
    return np.asarray(np.log1p(np.asarray(values, np.float32)) / 5, np.float32)


def _own(page: Outline, words: Floats, links: Floats) -> Floats:
    rows = []
    for block in page.blocks:
        text = block.text
        size = len(text) + 1
        letters = text[:_HEAD_CHARACTERS]
        plain = letters.encode("ascii", "ignore")
        rows.append(
            [
                *(block.kind == kind for kind in _KINDS),
                block.kind == "h" and block.level <= 1,
                block.kind == "h" and block.level == 2,
                block.kind == "h" and block.level >= 3,
                block.quoted,
                min(block.level, 5) / 5 if block.kind != "row" else 0,
                sum(map(text.count, _STOPS)) * 20 / size,
                bool(_ENDS.search(text[-20:])),
                _number_of(_FIGURES, plain) / (len(letters) + 1),
                _number_of(_CAPITALS, plain) / (len(letters) + 1),
                (len(_HAN.findall(letters)) if len(plain) < len(letters) else 0) / (len(letters) + 1),
                letters[:1].isupper(),
                letters[:1].islower(),
                text.count("\n") / 10,
                text.startswith("**") and text.endswith("**"),
                block.button_words / (block.words + 1),
                size / (block.words + 1) / 20,
                block.words < 4,
                block.words > 20,
            ]
        )
    own = np.array(rows, np.float32)
    return np.concatenate(
        [own, _log(words)[:, None], (links / (words + 1e-3))[:, None].clip(0, 1), (links > 0)[:, None]], 1
    )


def _telling(page: Outline, told: npt.NDArray[np.int64]) -> Floats:
    """Which phrases a block holds, a date, and whether its text stands on the page again."""
    seen = Counter(block.text for block in page.blocks)
    rows = []
    for block in page.blocks:
        head = block.text[:_HEAD_CHARACTERS]
        rows.append([_has_digit(head) and bool(_DATE.search(head)), min(seen[block.text] - 1, 4) / 4])
    return np.concatenate([_unpacked(told, len(_PHRASES)), np.array(rows, np.float32)], 1)


def _number_of(signs: bytes, text: bytes) -> int:
    return len(text) - len(text.translate(None, signs))


def _agreement(page: Outline, other: str) -> Floats:
    """Whether the other extractor kept the block, and whether it kept anything."""
    whole = _letters(other)
    inside = [bool(letters := _letters(block.text)) and letters in whole for block in page.blocks]
    return np.array([[kept, bool(whole)] for kept in inside], np.float32)


def _letters(text: str) -> str:
    return _NO_LETTER.sub("", text.lower())


def _told(page: Outline) -> npt.NDArray[np.int64]:
    heads = (f" {block.text[:_HEAD_CHARACTERS]} ".lower().replace("\n", " ") for block in page.blocks)
    return np.array([_FINDER.mask(head) for head in heads], np.int64)


def _has_digit(text: str) -> bool:
    return not _DIGITS.isdisjoint(text)


def _tags_around(page: Outline, frame_of: npt.NDArray[np.int64]) -> Floats:
    """For each of _AROUND whether it is around the block, and whether an element not shown is."""
    bits = {tag: 1 << i for i, tag in enumerate(_AROUND)}
    masks = np.zeros(len(page.frames) + 1, np.int64)  # the last, at -1, is for no frame
    for i, frame in enumerate(page.frames):
        masks[i] = masks[frame.parent] | bits.get(frame.tag, 0) | (frame.hidden << len(_AROUND))
    return _unpacked(masks[frame_of], len(_AROUND) + 1)


def _hints_around(page: Outline, frame_of: npt.NDArray[np.int64]) -> Floats:
    """What the names say: inside the block and of the elements up to two around it, and of any around it."""
    own = np.zeros(len(page.frames) + 1, np.int64)
    near, every = own.copy(), own.copy()
    for i, frame in enumerate(page.frames):
        own[i] = frame.hints
        near[i] = frame.hints | own[frame.parent]
        every[i] = every[frame.parent] | frame.hints
    inside = np.array([block.hints for block in page.blocks], np.int64)
    return np.concatenate(
        [_unpacked(near[frame_of] | inside, len(NAMES)), _unpacked(every[frame_of], len(NAMES))], 1
    )


def _unpacked(masks: npt.NDArray[np.int64], num: int) -> Floats:
    return ((masks[:, None] >> np.arange(num)) & 1).astype(np.float32)


def _amounts(
    page: Outline,
    words: Floats,
    links: Floats,
    frame_of: npt.NDArray[np.int64],
    parents: npt.NDArray[np.int64],
) -> Floats:
    """Of the elements around: words, share of links, blocks, words of a block, share of the page."""
    num = len(page.frames)
    text = np.array([block.kind in ("p", "item", "dd") for block in page.blocks], np.float32) * words
    totals = np.zeros((num + 1, 4), np.float32)
    np.add.at(totals, frame_of, np.stack([words, links, np.ones_like(words), text], 1))
    depths = np.array([frame.depth for frame in page.frames], np.int64)
    for depth in range(int(depths.max(initial=0)), 0, -1):  # into those around them, from the deepest on
        inner = np.flatnonzero(depths == depth)
        np.add.at(totals, parents[inner], totals[inner])
    whole = max(1.0, float(words.sum()))
    found = []
    at = frame_of
    for _ in range(_LEVELS):
        of = totals[at]
        found += [
            _log(of[:, 0]), of[:, 1] / (of[:, 0] + 1), _log(of[:, 2]), _log(of[:, 0] / (of[:, 2] + 1e-3)), of[:, 0] / whole,
            of[:, 3] / (of[:, 0] + 1),
        ]  # fmt: skip
        at = np.where(at >= 0, parents[at], -1)
    depth_of = np.where(frame_of >= 0, np.append(depths, 0)[frame_of], 0)
    return np.stack([*found, depth_of.astype(np.float32) / 20], 1)


def _repetition(page: Outline, words: Floats, frame_of: npt.NDArray[np.int64]) -> Floats:
    """How many elements of the same kind stand beside one of those around it, and how long they are."""
    frames = page.frames
    keys = [(frame.parent, *frame.kind) for frame in frames]
    counts = Counter(keys)
    sizes = [0.0] * (len(frames) + 1)
    for at, size in zip(frame_of.tolist(), words.tolist(), strict=True):
        sizes[at] += size
    for i in range(len(frames) - 1, -1, -1):
        sizes[frames[i].parent] += sizes[i] if frames[i].parent >= 0 else 0
    groups: defaultdict[Any, float] = defaultdict(float)
    for key, size in zip(keys, sizes, strict=False):
        groups[key] += size
    best = [(0.0, 0.0, 0.0, 0.0, 0.0)] * (len(frames) + 1)
    for i, (frame, key) in enumerate(zip(frames, keys, strict=True)):
        most, mean, largest, of_each, number = best[frame.parent]
        count, size = counts[key], groups[key]
        if count > most and frame.tag not in _SMALL:
            most, mean = count, size / count
        if count > 1 and size > largest:
            largest, of_each, number = size, size / count, count
        best[i] = (most, mean, largest, of_each, number)
    of = np.array(best, np.float32)[frame_of]
    return np.stack([_log(of[:, i]) for i in range(5)], 1)


def _place(page: Outline, words: Floats, told: npt.NDArray[np.int64]) -> Floats:
    """How far down the block stands, and below which heading."""
    total = max(1.0, float(words.sum()))
    before = (np.cumsum(words) - words) / total
    num = len(page.blocks)
    firsts = [i for i, block in enumerate(page.blocks) if block.kind == "h" and block.level == 1]
    first = firsts[0] if firsts else -1
    last = firsts[-1] if firsts else -1
    rows = []
    heading = -1
    since = 0
    under = []
    for i, block in enumerate(page.blocks):
        if block.kind == "h":
            heading, since = i, 0
        under.append(told[heading] if heading >= 0 else 0)
        rows.append(
            [
                i / num, i == 0, min(i, 40) / 40, min(num - i, 40) / 40,
                first >= 0 and i > first, first >= 0 and i > last, i == first, min(abs(i - first), 30) / 30 if first >= 0 else 1,
                heading >= 0, min(since, 400) / 400,
            ]
        )  # fmt: skip
        since += block.words
    return np.concatenate(
        [np.array(rows, np.float32), before[:, None], _unpacked(np.array(under, np.int64), len(_PHRASES))], 1
    )


def _page(page: Outline, root: Any, words: Floats, links: Floats) -> Floats:
    """The page as a whole: how much text, links, paragraphs and posts, and what it says of itself."""
    total = float(words.sum())
    said = _said(root)
    kinds = Counter(block.kind for block in page.blocks)
    long = sum(
        block.words
        for block in page.blocks
        if block.kind == "p" and block.words > 20 and block.link_words * 3 < block.words
    )
    han = sum(len(_HAN.findall(block.text)) for block in page.blocks[:200] if not block.text.isascii()) / (
        sum(len(b.text) for b in page.blocks[:200]) + 1
    )
    num = len(page.blocks)
    return np.array(
        [
            float(_log(total)), float(links.sum()) / (total + 1), float(_log(num)), long / (total + 1), han,
            *(kinds[kind] / num for kind in ("h", "row", "code", "cell", "dt")),
            *(bool(pattern.search(said)) for pattern in _TYPES.values()),
            sum(frame.tag == "article" for frame in page.frames) / 10,
            any(frame.tag == "main" for frame in page.frames),
        ],
        np.float32,
    ).clip(0, 3)  # fmt: skip


_TYPE = re.compile(r"\"@type\"\s*:\s*\[?\s*\"([A-Za-z, \"]{3,80})\"")


def _said(root: Any) -> str:
    """Types that the page names: schema.org's in JSON and in attributes, Open Graph's, its generator."""
    found = []
    for script in root.iter("script"):
        if "ld+json" in (script.get("type") or "") and script.text:
            found += _TYPE.findall(script.text[:50_000])[:20]
    found += [value.rpartition("/")[2] for value in root.xpath("(//@itemtype)[position() < 20]")]
    for meta in root.iter("meta"):
        if meta.get("property") == "og:type":
            found.append("og:" + (meta.get("content") or ""))
    return " ".join(found).lower()
