"""What is known of each block, as a matrix for main_text.py.

Of the block: its kind, length, links, punctuation and telling words, and whether its text stands on the page
again or in what the page says of itself (about.py). Of the elements around it: around.py. Of its place: how
far down, after which heading. Of the page: how much there is of what.
"""

# ruff: noqa: E501 - a line for each kind of phrase

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.parse.html.about import About
from services.parse.html.around import Floats, Ints, around, logs, unpacked
from services.parse.html.blocks import Outline
from services.parse.html.finder import Finder
from services.parse.html.parts import parts_of
from services.parse.html.wording import letters_of

_KINDS = ("p", "h", "item", "row", "code", "pre", "dt", "dd", "caption", "cell", "summary")
_PLACES = {kind: i for i, kind in enumerate(_KINDS)}
_ENDS = re.compile(r"[.!?。！？…:;：；][\"'”’)\]」』》]*$")
_END_SIGNS, _CLOSING = frozenset(".!?。！？…:;：；"), frozenset("\"'”’)]」』》")
_STOP, _FIGURE, _CAPITAL, _HAN_SIGN = 1, 2, 4, 8  # what a character is, …
_SIGNS = np.zeros(1 << 16, np.uint8)  # … by its number; the last, which is none, stands for all above
_SIGNS[list(map(ord, ".,;!?。，；！？、"))] = _STOP
_SIGNS[ord("0") : ord("9") + 1] = _FIGURE
_SIGNS[ord("A") : ord("Z") + 1] = _CAPITAL
_SIGNS[0x3400:0xA000] = _HAN_SIGN
# Of lower-cased text.
_PRICE = re.compile(r"[$€£¥]\s?\d|\d\s?(?:€|元|kr|usd|eur)\b|\b(?:usd|eur|rs\.?)\s?\d")
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
# Each alternative begins with one of a few signs, which are found twice as fast as the begin of a word; what
# stands before is looked at behind them.
_DATE = re.compile(
    r"\d(?:(?:(?<=\b1)9|(?<=\b2)0)\d\d[-/.年]\s?\d|\d?:\d\d|(?<=\b\d)\d* (?:second|minute|hour|day|week|month|year)s? ago\b"
    rf"|\d*\s?(?:天|小时|分钟|个月|年)前|(?<=\b\d)\d? {_MONTH}[a-z]*\.? (?:19|20)\d\d)"
    rf"|[jfmasond](?<=\b.)[a-z][a-z](?<={_MONTH})[a-z]*\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d|[昨今]天"
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
# What _PRICE and _DATE cannot do without: theirs are the bits after those of the phrases.
_OF_PRICES = ("$", "€", "£", "¥", "元", "kr", "usd", "eur", "rs")
_OF_DATES = ("19", "20", ":", " ago", "前", "昨天", "今天")
_FINDER = Finder([*_PHRASES, _OF_PRICES, _OF_DATES])
_PRICED, _DATED = 1 << len(_PHRASES), 2 << len(_PHRASES)
_DIGIT = re.compile("[0-9]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_HEAD_CHARACTERS = 400
_TEASER = 40  # letters that two texts begin with before one is the other's beginning
_SHORT, _SHORT_TITLE = 12, 5  # letters of texts that stand anywhere by chance
_MOST_DESCRIPTIONS = 8


def features_of(page: Outline, letters: list[str], said: About, other: str) -> Floats:
    """One row for each block, float32. letters: of each block's text. said: of about(). other: another
    extractor's main text.
    """
    words = np.array([block.words for block in page.blocks], np.float32)
    links = np.array([block.link_words for block in page.blocks], np.float32)
    whole = letters_of(other)
    kept = np.array(parts_of(whole, letters), np.float32)
    kind, level = _kinds(page), np.array([block.level for block in page.blocks], np.int64)
    ends = np.array([_is_sentence(block.text) for block in page.blocks], np.float32)
    heads = [block.text[:_HEAD_CHARACTERS] for block in page.blocks]
    lower = [f" {head} ".lower().replace("\n", " ") for head in heads]
    masks = list(map(_FINDER.mask, lower))
    told = np.array(masks, np.int64)
    price, dated = _figures(lower, masks, _PRICED, _PRICE), _figures(lower, masks, _DATED, _DATE)
    near = np.convolve(price, np.ones(7, np.float32))[3 : len(price) + 3] / 7
    measures = {"words": words, "links": links, "kept": kept, "ends": ends, "price": price}
    parts = [
        np.eye(len(_KINDS), dtype=np.float32)[kind],
        _signs([block.text for block in page.blocks], heads),
        _own(page, words, links, kind, level),
        np.stack([ends, kept, np.full_like(kept, bool(whole)), dated, price, near], 1),
        unpacked(told, len(_PHRASES)),
        _again(letters),
        _described(letters, said),
        around(page, measures),
        _place(words, told, kind, level),
        np.repeat(_page(page, said, kind, measures)[None], len(words), 0),
    ]
    return np.concatenate(parts, 1).astype(np.float32, copy=False)


def _figures(heads: list[str], masks: list[int], bit: int, pattern: re.Pattern[str]) -> Floats:
    """Whether the pattern, in which is a figure, is found; looked for where a mask has its bit."""
    return np.array(
        [
            mask & bit > 0 and _DIGIT.search(head) is not None and pattern.search(head) is not None
            for head, mask in zip(heads, masks, strict=True)
        ],
        np.float32,
    )


def _is_sentence(text: str) -> bool:
    last = text[-1:]
    return last in _END_SIGNS or (last in _CLOSING and bool(_ENDS.search(text[-20:])))


def _kinds(page: Outline) -> Ints:
    """The place of each block's kind among _KINDS."""
    return np.array([_PLACES[block.kind] for block in page.blocks], np.int64)


def _own(page: Outline, words: Floats, links: Floats, kind: Ints, level: Ints) -> Floats:
    blocks = page.blocks
    is_heading = kind == _PLACES["h"]
    size = np.array([len(block.text) + 1 for block in blocks], np.float32)
    pressed = np.array([block.button_words for block in blocks], np.float32)
    columns = [
        is_heading & (level <= 1), is_heading & (level == 2), is_heading & (level >= 3),
        [block.quoted for block in blocks], np.where(kind == _PLACES["row"], 0, level.clip(0, 5) / 5),
        pressed / (words + 1), size / (words + 1) / 20, words < 4, words > 20,
        logs(words), (links / (words + 1e-3)).clip(0, 1), links > 0,
    ]  # fmt: skip
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)


def _signs(texts: list[str], heads: list[str]) -> Floats:
    """Stops, figures, capitals, Han, how it begins, lines, whether it is bold."""
    whole = np.frombuffer(f"{''.join(texts)} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    signs = _SIGNS[np.minimum(whole, len(_SIGNS) - 1)]
    length = np.array(list(map(len, texts)), np.int64)
    begins = np.cumsum(length) - length
    size = np.minimum(length, _HEAD_CHARACTERS)
    columns = [
        _counted(signs & _STOP > 0, begins, length) * 20 / (length + 1),
        *(_counted(signs & each > 0, begins, size) / (size + 1) for each in (_FIGURE, _CAPITAL, _HAN_SIGN)),
        [head[:1].isupper() for head in heads],
        [head[:1].islower() for head in heads],
        np.array([text.count("\n") for text in texts], np.int64) / 10,
        [text.startswith("**") and text.endswith("**") for text in texts],
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)


def _counted(found: npt.NDArray[np.bool_], begins: Ints, sizes: Ints) -> Ints:
    """How many signs were found in each stretch; one more stands behind the last."""
    bounds = np.stack([begins, begins + sizes], 1).ravel()
    num = np.add.reduceat(found, bounds, dtype=np.int64)[::2]
    return np.asarray(np.where(sizes > 0, num, 0), np.int64)


def _again(letters: list[str]) -> Floats:
    """Whether the text stood on the page before, will again, how often, and whether a longer one on it begins
    with the same words: what opens at a click, or is laid out for telephones too, stands there twice.
    """
    often = Counter(letters)
    longest: dict[str, int] = {}
    for each in often:
        if len(each) > _TEASER:
            begin = each[:_TEASER]
            longest[begin] = max(longest.get(begin, 0), len(each))
    seen: set[str] = set()
    rows = []
    for each in letters:
        before = each in seen
        seen.add(each)
        count = often[each]
        teaser = longest.get(each[:_TEASER], 0) > len(each)
        rows.append((before, count > 1 and not before, min(count - 1, 4) / 4, teaser))
    return np.array(rows, np.float32)


def _described(letters: list[str], said: About) -> Floats:
    """Whether the block stands in the page's descriptions, begins as one does, or is in its title; how far it
    is from the nearest that does, and whether it stands after the first.
    """
    every, titles = "|".join(said.descriptions), "|".join(said.titles)
    begins = tuple({each[:_TEASER] for each in said.descriptions[:_MOST_DESCRIPTIONS] if len(each) > _SHORT})
    inside = np.array(parts_of(every, [each if len(each) > _SHORT else "" for each in letters]), bool)
    begun = np.zeros(len(letters), bool)
    for begin in begins:
        begun |= [begin in each for each in letters]
    titled = np.array([len(each) > _SHORT_TITLE and each in titles for each in letters], bool)
    at = np.arange(len(letters))
    there = np.flatnonzero(inside | begun)
    far, after = np.full(len(letters), 99), np.zeros(len(letters), bool)
    if len(there):
        right = np.searchsorted(there, at).clip(0, len(there) - 1)
        far = np.minimum(np.abs(there[right] - at), np.abs(there[(right - 1).clip(0)] - at))
        after = at > there[0]
    columns = [
        inside,
        begun,
        titled,
        np.full(len(letters), bool(every)),
        np.minimum(far, 30) / 30,
        far <= 3,
        after,
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)


def _place(words: Floats, told: Ints, kind: Ints, level: Ints) -> Floats:
    """How far down the block stands, and below which heading."""
    num = len(words)
    at = np.arange(num)
    sizes = np.cumsum(words) - words  # words before each block
    is_heading = kind == _PLACES["h"]
    heading = np.maximum.accumulate(np.where(is_heading, at, -1))
    tops = np.flatnonzero(is_heading & (level == 1))
    first, last = (int(tops[0]), int(tops[-1])) if len(tops) else (num, num)
    far = np.minimum(np.abs(at - first), 30) / 30 if len(tops) else np.ones(num)
    since = sizes - np.where(heading >= 0, sizes[heading], 0)
    columns = [
        at / num, at == 0, np.minimum(at, 40) / 40, np.minimum(num - at, 40) / 40, at > first, at > last,
        at == first, far, heading >= 0, np.minimum(since, 400) / 400, sizes / max(1.0, float(words.sum())),
    ]  # fmt: skip
    under = np.where(heading >= 0, told[heading], 0)
    return np.concatenate(
        [
            np.stack([np.asarray(column, np.float32) for column in columns], 1),
            unpacked(under, len(_PHRASES)),
        ],
        1,
    )


def _page(page: Outline, said: About, kind: Ints, measures: Mapping[str, Floats]) -> Floats:
    """The page as a whole: how much text, links, paragraphs, prices and posts, and its kind as it says it."""
    words, links, price = (measures[name] for name in ("words", "links", "price"))
    total = float(words.sum())
    kinds = np.bincount(kind, minlength=len(_KINDS))
    is_long = (kind == _PLACES["p"]) & (words > 20) & (links * 3 < words)
    long = int(words[is_long].astype(np.int64).sum())
    tags = [frame.tag for frame in page.frames]
    han = sum(len(_HAN.findall(block.text)) for block in page.blocks[:200] if not block.text.isascii()) / (
        sum(len(b.text) for b in page.blocks[:200]) + 1
    )
    num = len(page.blocks)
    return np.array(
        [
            float(logs(total)), float(links.sum()) / (total + 1), float(logs(num)), long / (total + 1), han,
            *(kinds[_PLACES[each]] / num for each in ("h", "row", "code", "cell", "dt")),
            min(float(price.sum()), 30) / 30,
            *said.kinds,
            tags.count("article") / 10,
            "main" in tags,
        ],
        np.float32,
    ).clip(0, 3)  # fmt: skip
