"""Blocks that stand for something else, or that lie over the page: never main text, whatever is near them.

Dialogs (cookies, surveys, subscriptions) are told by their elements. The label of a place for an
advertisement, the note that something is still loading, what can be pressed, what a Chinese portal says of
its part in an article, and what a template was to be filled with often stand bare among paragraphs: these are
told by being nothing but that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.parse.html.blocks import Block, Outline
from services.parse.html.hints import NAMES
from services.parse.html.wording import letters_of

_LABEL = re.compile(
    r"(?:advertisements?|advertising|sponsored(?:content|links?)?|paidcontent|promotedcontent"
    r"|(?:ador)?(?:story|article|content)?continuesbelow(?:this)?(?:ad|advertisement|gallery|video)?"
    r"|(?:advertisement)?(?:continue|keep)readingbelow|scrolltocontinue(?:withcontent|reading)?"
    r"|(?:now)?loading(?:comments|more|pleasewait)?|pleasewait(?:while.{0,20}loads?)?"
    r"|广告|广告位|推广|赞助内容|(?:正在|内容|页面|数据|评论|调查问题|图片|视频)*(?:加载中|加载)(?:请稍[候后等])?"
    r"|(?:责任)?编辑|责编|(?:(?:责任)?编辑.{0,4})?返回.{0,8}(?:查看更多|首页)|(?:语音)?播报文章(?:释放双眼)?|首赞|分享[至到]"
    r"|(?:点击|查看|展开|阅读)+(?:剩余|余下|更多|全部|原图|大图|全文|详情)+\d*[km]?|(?:点击)?进入专题"
    r"|正文已结束.{0,20}评论|发布于.{2,9}[省市区]|ip属地.{2,6})"
)
# That a platform only stores what its users wrote, that views are their authors', and how to reprint it.
_DISCLAIMER = re.compile(
    r"\W*(?:(?:免责|平台|特别)?声明\W.{0,80}|(?:[本该此]文|[本该此]?(?:内容|文章|作品)|以上(?:内容|作品|文章|观点|言论)).{0,30})"
    r"(?:不代表|仅代表).{0,20}(?:观点|立场|本人)"
    r"|.*提供信息(?:存储|发布)(?:空间)?(?:服务|平台)|.*provides information storage"
    r"|.{0,60}转载(?:时|请|务必|务)+注明|.{0,60}未经.{0,8}授权.{0,4}不得转载",
    re.DOTALL,
)
_CLOSERS = frozenset("×✕✖╳⨯")
_MARKED = re.compile(r"\*{1,2}(?:广告|推广|Ad|Advertisement|Sponsored)\*{1,2}\s*\S")
_UNFILLED = re.compile(r"\{\{[^{}]*\}\}")
COOKIES = re.compile(
    r"\b(?:use|uses|using|accept|store)\b.{0,40}\bcookies\b|\bcookies\b.{0,60}\b(?:consent|accept|preferences)\b"
    r"|使用.{0,10}cookies?",
    re.IGNORECASE | re.DOTALL,
)
_OVER = 1 << NAMES.index("overlay")
_LONGEST_LABEL = 60  # characters
_LONGEST_NOTE = 80  # words
_LONGEST_DISCLAIMER = 240  # characters
_MOST = 0.4  # of a page's words; a dialog with more is the page
_WHOLE = frozenset({"code", "pre", "row"})


def leftovers(page: Outline, letters: Sequence[str]) -> list[bool]:
    """For each block whether it is one. letters: of each block's text, as letters_of has them."""
    dialogs = _dialogs(page)
    return [
        block.frame in dialogs
        or (
            block.kind not in _WHOLE
            and (_is_label(block.text, its) or _is_unfilled(block.text, its) or _is_note(page, block))
        )
        for block, its in zip(page.blocks, letters, strict=True)
    ]


def _is_label(text: str, letters: str) -> bool:
    if len(text) <= _LONGEST_LABEL and (text in _CLOSERS or _LABEL.fullmatch(letters)):
        return True
    if text.startswith("*") and _MARKED.match(text):
        return True
    return not text.isascii() and len(text) <= _LONGEST_DISCLAIMER and bool(_DISCLAIMER.match(text))


def _is_unfilled(text: str, letters: str) -> bool:
    """Most of it is to be filled in by a script: "{{price.total}}"; neither code nor a formula."""
    if "{{" not in text or not {"`", "$", "\\"}.isdisjoint(text):
        return False
    return 2 * len(letters_of(_UNFILLED.sub("", text))) < len(letters)


def _is_note(page: Outline, block: Block) -> bool:
    """What a banner says about cookies."""
    if block.words > _LONGEST_NOTE or "ookie" not in block.text or block.frame < 0:
        return False
    frame = page.frames[block.frame]
    outer = page.frames[frame.parent].hints if frame.parent >= 0 else 0
    return bool((frame.hints | outer | block.hints) & _OVER) and bool(COOKIES.search(block.text))


def _dialogs(page: Outline) -> frozenset[int]:
    """Frames in dialogs, unless most of the page is in them."""
    found: set[int] = set()
    for i, frame in enumerate(page.frames):
        if frame.dialog or frame.parent in found:
            found.add(i)
    inside = sum(block.words for block in page.blocks if block.frame in found)
    whole = sum(block.words for block in page.blocks)
    return frozenset(found) if inside <= _MOST * whole else frozenset()
