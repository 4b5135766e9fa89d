"""Lines that a forum or a page puts around what people wrote: buttons, times of posts, names of writers.

A single one may be text (a manual's heading "Edit", the date of a letter). Where several stand, the page is a
thread or a frame: the lines go, and what was written stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from services.rules.page import Page
from services.rules.quoted import outside_fences

_LEAST = 3  # lines; fewer are text
_LONGEST = 60  # characters of such a line
_LONGEST_NAME, _MOST_WORDS = 20, 2  # of a name: characters, words

_BUTTONS_EN = (
    "reply, reply to this, reply with quote, quote, like, likes, unlike, dislike, share, report, report post,"
    "report abuse, flag, permalink, upvote, downvote, upvotes, vote up, vote down, follow, unfollow, log in,"
    "login, sign in, sign up, register, log in to reply, login to reply, sign in to reply, watch,"
    "click to expand, read more, show more, show less, view more replies, load more comments, back to top,"
    "view profile, send message, private message, add comment, add a comment, post reply, bookmark,"
    "skip to content, skip to main content, toggle navigation, tweet, pin it, copy link, embed"
)
_BUTTONS_ZH = (
    "回复,回覆,登录,登錄,登入,注册,註冊,立即注册,举报,舉報,点赞,赞,分享,收藏,引用,支持,反对,顶,踩,"
    "只看该作者,只看楼主,返回顶部,回到顶部,返回列表,查看全部,展开,收起,关注,加关注,发私信,私信,加好友,"
    "发消息,发表回复,使用道具,显示全部楼层,倒序浏览,楼主,沙发,板凳,写评论,发表评论,评论,查看更多,加载更多,"
    "阅读全文,点击展开,登录后可回复,登录后回复,登录后才能回复,登录后才可以回复,您需要登录后才可以回帖,我要评论"
)
# What a board says of a writer's standing.
_RANKS_EN = (
    "member, new member, junior member, active member, full member, senior member, well-known member,"
    "moderator, super moderator, administrator, registered user"
)
_RANKS_ZH = "新手上路,注册会员,中级会员,高级会员,金牌会员,论坛元老,版主,超级版主,管理员"
_RANKS = frozenset(rank.strip() for rank in f"{_RANKS_EN},{_RANKS_ZH}".split(","))
_LONGEST_RANK = max(map(len, _RANKS))
_BUTTONS = frozenset(button.strip() for button in f"{_BUTTONS_EN},{_BUTTONS_ZH}".split(","))
_AROUND = " \t\u3000·•|:：.…»›>[]()（）【】0123456789+"  # a button's marks and its count
_LONGEST_BUTTON = max(map(len, _BUTTONS)) + 8

_MONTH = "(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}"
_DATE = (
    rf"(?:{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? [0-9]{{4}}|[0-9]{{1,2}}\.? {_MONTH}\.?,? [0-9]{{4}}"
    r"|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}"
    r"|[0-9]{4} ?年 ?[0-9]{1,2} ?月 ?[0-9]{1,2} ?日(?: ?(?:星期|周).)?|昨天|前天|今天|yesterday|today)"
)
_TIME = r"[0-9]{1,2}[:点][0-9]{2}(?:[:分][0-9]{2})?秒?(?: ?[ap]\.?m\.?)?"
_AGO = (
    r"(?:[0-9]+|an?) ?(?:second|sec|minute|min|hour|day|week|month|year)s? ago"
    r"|[0-9]+ ?(?:秒|分钟|小时|天|周|个?月|年)前"
)
_POSTED = "posted|edited|last edited|replied|on|at|发表于|发布于|回复于|编辑于|发表|发布"
_STAMP = re.compile(
    rf"(?:(?:{_POSTED})(?: on| at)?[ :：]*)?"
    rf"(?:{_DATE}(?:[ ,·|]*(?:at )?{_TIME})?|{_AGO}|#[0-9]+|[0-9]+ ?[楼樓]层?)"
    r"(?: ?(?:发布|发表|#[0-9]+|\(edited\)|edited))?",
    re.IGNORECASE,
)
# A writer with the time of a post, or its floor; since when one is a member, and how many posts one wrote.
_BYLINE = re.compile(
    r"(?:(?:posted|asked|answered|replied|edited|submitted|started) by \S{2,30}(?: \S{1,20})?,? "
    r"|(?:楼主|作者|沙发|板凳|地板|[0-9]+ ?[楼樓])?[:： ]*\S{1,20} ?(?:发表于|发布于|回复于|编辑于|發表於) ?)"
    rf"{_STAMP.pattern}"
    r"|[0-9]+ ?[楼樓]层?[ :：]+\S{1,20}"
    r"|(?:joined|join date|registered|posts|messages|threads|reputation|karma|reaction score|likes received"
    r"|注册时间|注册日期|註冊時間|帖子|主题|积分|精华|威望|金钱|在线时间|最后登录)[:：] ?"
    rf"(?:{_MONTH}\.? ?[0-9]{{2,4}}|[0-9][0-9,./-]{{0,11}}(?: ?小时)?)",
    re.IGNORECASE,
)
_HAS_DIGIT = re.compile("[0-9]")
_NO_NAME = re.compile(r"[.!?;:。！？；：，,、…]$|^[-*+•#=|>]|[{}<>=`/\\]|^[^A-Za-z\u3400-\u9fff]*$")


def without_scaffolding(page: Page) -> str:
    """The text without such lines; a page with few of them gives its own text. Linear in its length.

    Times alone are a chronicle's: there is a button beside them, or a writer who comes twice.
    """
    text = page.text
    scaffolding = {line for line in page.lines if len(line) <= _LONGEST and _is_scaffolding(line)}
    if not scaffolding:
        return text
    lines = text.split("\n")
    buttons = {at for at, line in enumerate(lines) if line in scaffolding and _is_all(_is_button, line)}
    found = {at for at, line in enumerate(lines) if line in scaffolding}
    if len(found) < _LEAST:
        return text
    found &= set(outside_fences(lines))
    names = _names(lines, found)
    if len(found) < _LEAST or not (names or buttons & found):
        return text
    found |= names
    if len(found) >= sum(map(bool, lines)):
        return text  # nothing but scaffolding: the rules see what it is
    return _without(lines, found)


def _is_scaffolding(line: str) -> bool:
    """A button or a time, or a row of some; a writer's rank, or the line that names one with a time."""
    if _is_all(_is_button, line) or (len(line) <= _LONGEST_RANK and line.strip().lower() in _RANKS):
        return True
    return _HAS_DIGIT.search(line) is not None and (_is_all(_is_part, line) or _is_byline(line))


def _is_all(is_one: Callable[[str], bool], line: str) -> bool:
    """Whether each part of a line is one; "|" parts them, or a dot between blanks."""
    if "|" not in line and " · " not in line:
        return is_one(line)
    return all(map(is_one, line.strip("| ").replace(" · ", "|").split("|")))


def _is_part(line: str) -> bool:
    return _is_time(line) or _is_button(line)


def _is_button(line: str) -> bool:
    """One, or several that blanks part."""
    if len(line) <= _LONGEST_BUTTON and line.strip(_AROUND).lower() in _BUTTONS:
        return True
    first, blank, _ = line.partition(" ")
    if not blank or first.strip(_AROUND).lower() not in _BUTTONS:
        return False
    return all(part in _BUTTONS for part in (part.strip(_AROUND).lower() for part in line.split()) if part)


def _is_byline(line: str) -> bool:
    return _BYLINE.fullmatch(line.strip()) is not None


def _is_time(line: str) -> bool:
    return _STAMP.fullmatch(line.strip(" \t\u3000·–—()-")) is not None


def _names(lines: Sequence[str], found: set[int]) -> set[int]:
    """Names of writers: short lines right before a time or a button, where one of them comes twice."""
    beside = [at - 1 for at in found if at and at - 1 not in found and _may_be_name(lines[at - 1])]
    often = Counter(lines[at] for at in beside)
    return set(beside) if often and max(often.values()) > 1 else set()


def _may_be_name(line: str) -> bool:
    line = line.strip()
    if not line or len(line) > _LONGEST_NAME or _NO_NAME.search(line):
        return False
    return len(line.split()) <= _MOST_WORDS


def _without(lines: Sequence[str], found: set[int]) -> str:
    """Without these lines, and without the blank ones that would stand twice then."""
    kept: list[str] = []
    is_gap = False
    for at, line in enumerate(lines):
        if at in found:
            is_gap = True
        elif line or not (is_gap and kept and not kept[-1]):
            kept.append(line)
            is_gap = is_gap and not line
    return "\n".join(kept).strip("\n")
