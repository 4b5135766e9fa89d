"""What a number is called: the words that stand before it, and what may stand between."""

from __future__ import annotations

import re
from typing import NamedTuple

REACH = 40  # characters before a number in which its name may stand


class Name(NamedTuple):
    """words: of a text in lower case. gap: most characters to the number, and between: what they may be."""

    words: re.Pattern[str]
    gap: int
    between: re.Pattern[str] | None = None

    def calls(self, before: str, gap: int | None = None) -> bool:
        """Whether the text before a number, in lower case, ends so.

        A line ends there only behind a mark or the name itself. gap: most characters between, where they
        are fewer.
        """
        end = -1
        for said in self.words.finditer(before):
            end = said.end()
        if end < 0:
            return False
        between = before[end:]
        if len(between) > (self.gap if gap is None else gap) or (
            "\n" in between and between != "\n" and not between.rstrip().endswith(_MARKS)
        ):
            return False
        return self.between is None or self.between.fullmatch(between) is not None


def _alone(*words: str, behind: str = "a-z", then: str = "") -> list[str]:
    """The words where none of some signs is before one, and where what is behind it matches.

    Each begins with a plain sign, and what may not be before it is looked at after that (_any_of).
    """
    return [f"{word[0]}(?<![{behind}]{word[0]}){word[1:]}{then}" for word in words]


def _any_of(*words: str) -> re.Pattern[str]:
    """By their first signs, which are plain: a search skips to these and tries there what begins so."""
    begun: dict[str, list[str]] = {}
    for word in words:
        begun.setdefault(word[0], []).append(word[1:])
    return re.compile("|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in begun.items()))


_MARKS = (":", "：", "=", "*", "(", "（", "[", '"')
_SAID = re.compile(
    r"[\s:：=#*_(（\[「“\"'群号码是为]*(?:(?:no\.?|number|num|id|is)[\s:：#]*){0,2}", re.IGNORECASE
)
# The word may touch its number, not another letter; <PHONE_1> is a number that was masked.
_DIGITS_FOLLOW = "(?![a-z]|_[0-9])"
_NEXT = r"(?=[.:]? ?[(+]{0,2}$)"  # the number itself stands behind the word
_PHONES = _any_of(
    *_alone(
        "tele?phones?", "telefons?", "téls?", "phones?", "tels?", "mobiles?", "cells?", "cellphones?",
        "faxs?", "fakss?", "desks?", "hotlines?", "landlines?", "pagers?", "mobs?", "sms", "短信", "phoned",
        "toll[- ]?free", "called", r"call(?!\s\s)", "dial", "ring", "whats ?app", "contact", "reach",
        "voice ?mail", "messages? (?:to|at)", "registered", "answering", then=_DIGITS_FOLLOW,
    ),
    *_alone("text(?!:)", behind=r"a-z`_.\\", then=_DIGITS_FOLLOW),
    *_alone(
        "direct", "customer (?:service|support|care)", "enquiries", "inquiries", "reservations", "ph", "home",
        "office", "work", behind=r"\w", then=_NEXT,
    ),
    *_alone("my", "his", "her", "our", "your", "their", behind=r"\w", then=r" (?:[a-z]+ )?number\b"),
    *_alone("t", "m", "p", "f", behind="a-z0-9-", then=r"(?=[.:] ?[(+]{0,2}$)"),
    "support ?line", "help ?line", "direct ?line", "电话", "電話", "手机", "手機", "热线", "熱線",
    "传真", "傳真", "联系(?:方式)?", "致电", "拨打", "来电", "座机", "固话", "固話", "☎", "📞", "小灵通",
    "打给", "同号", "我的号码", "咨询", f"打{_NEXT}",
)  # fmt: skip
PHONE = Name(_PHONES, gap=16)
PHONE_BEHIND = re.compile(r"[ -]{0,3}\(?(?:office|fax|mobile|cell|home|work)\b", re.IGNORECASE)
_CARDS = _alone(
    "bankcards?", "creditcards?", "debitcards?", "cards?", "cc", "visa", "master ?card",
    "accounts?", "acct", "a/c", behind="a-z_", then=_DIGITS_FOLLOW,
)  # fmt: skip
CARD = Name(_any_of(*_CARDS, "卡", "账[号户]", "帐[号户]", "尾号", "户"), gap=20)
_SOCIAL = _alone(
    r"ssn\b", r"ss ?(?:#|no\b|num)", r"soc\. ?sec\b", "social(?= (?:is|no|number|#)|[:#])", behind=r"\w"
)
SSN = Name(_any_of(*_SOCIAL, "social security", "tax ?payer"), gap=18)
ID = Name(_any_of("身份证", "身份證", "证件"), gap=8)
LICENCE = Name(_any_of(r"driv(?:er|ing)\W{0,2}s?\W{0,2}licen[cs]e", "驾驶证", "驾照"), gap=16)
WECHAT = Name(
    _any_of("微信", *_alone("wechat", behind="<"), "weixin", *_alone("wx", "vx", behind=r"\w")),
    gap=12,
    between=_SAID,
)
_VERSIONS = _alone("v", "version", "release", r"ver\.?", behind=r"\w", then="(?![a-z])")
VERSION = Name(_any_of(*_VERSIONS, "版本", "§", "section", "chapter"), gap=3, between=_SAID)
