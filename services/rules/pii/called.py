"""What a number is called: the words that stand before it, and what may stand between."""

from __future__ import annotations

import re
from typing import NamedTuple

REACH = 40  # characters before a number in which its name may stand


class Name(NamedTuple):
    """words: of a text in lower case, each with one of `signs`, which are found faster.

    gap: most characters to the number.
    """

    signs: re.Pattern[str]
    words: re.Pattern[str]
    gap: int
    between: re.Pattern[str] | None = None

    def calls(self, before: str, gap: int | None = None) -> bool:
        """Whether the text before a number, in lower case, ends so.

        A line ends there only behind a mark or the name itself. gap: most characters between, where they
        are fewer.
        """
        if self.signs.search(before) is None:
            return False
        ends = [said.end() for said in self.words.finditer(before)]
        if not ends:
            return False
        between = before[ends[-1] :]
        if len(between) > (self.gap if gap is None else gap) or (
            "\n" in between and between != "\n" and not between.rstrip().endswith(_MARKS)
        ):
            return False
        return self.between is None or self.between.fullmatch(between) is not None


def _any_of(*signs: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, signs)))


_MARKS = (":", "：", "=", "*", "(", "（", "[", '"')
_SAID = re.compile(
    r"[\s:：=#*_(（\[「“\"'群号码是为]*(?:(?:no\.?|number|num|id|is)[\s:：#]*){0,2}", re.IGNORECASE
)
# The word may touch its number, not another letter; <PHONE_1> is a number that was masked.
_DIGITS_FOLLOW = "(?![a-z]|_[0-9])"

_SIGNS_OF_PHONES = _any_of(
    "tel", "phone", "mobile", "cell", "fax", "faks", "desk", "line", "pager",
    "call", "dial", "text",
    "ring", "app", "contact", "reach", "mail", "messages", "registered",
    "answering", "电", "電", "机",
    "機", "线", "線", "传", "傳", "联", "拨", "小灵通", "打给", "number", "ph", "home",
    "office", "work", "t:",
    "m:", "p:", "f:", "t.", "m.", "p.", "f.", "sms", "tél", "mob", "free",
    "短信", "direct", "message",
    "service", "quiries", "tions", "固", "☎", "📞", "同号", "我的号码", "咨询", "打",
)  # fmt: skip
_NEXT = r"(?=[.:]? ?[(+]{0,2}$)"  # the number itself stands behind the word
PHONE = Name(
    _SIGNS_OF_PHONES,
    re.compile(
        r"(?<![a-z])(?:(?:tele?phone|telefon|tél|phone|tel|mobile|cell|cellphone|fax|faks|desk|hotline"
        r"|landline|pager|mob)s?|sms|短信|phoned|toll[- ]?free|called|call(?!\s\s)|dial"
        r"|(?<![`_.\\])text(?!:)|ring|whats ?app|contact"
        rf"|reach|voice ?mail|messages? (?:to|at)|registered|answering){_DIGITS_FOLLOW}"
        rf"|\b(?:direct|customer (?:service|support|care)|enquiries|inquiries|reservations){_NEXT}"
        r"|\b(?:my|his|her|our|your|their) (?:[a-z]+ )?number\b"
        rf"|\b(?:ph|home|office|work){_NEXT}|(?<![a-z0-9-])[tmpf](?=[.:] ?[(+]{{0,2}}$)"
        "|(?:support|help|direct) ?line|电话|電話|手机|手機|热线|熱線|传真|傳真|联系(?:方式)?|致电|拨打|来电"
        rf"|座机|固话|固話|[☎📞]|小灵通|打给|同号|我的号码|咨询|打{_NEXT}"
    ),
    gap=16,
)
PHONE_BEHIND = re.compile(r"[ -]{0,3}\(?(?:office|fax|mobile|cell|home|work)\b", re.IGNORECASE)
CARD = Name(
    _any_of("card", "cc", "visa", "acc", "a/c", "卡", "账", "帐", "尾号", "户"),
    re.compile(
        r"(?<![a-z_])(?:(?:bank|credit|debit)?cards?|cc|visa|master ?card|accounts?|acct|a/c)"
        rf"{_DIGITS_FOLLOW}"
        "|卡|[账帐][号户]|尾号|户"
    ),
    gap=20,
)
SSN = Name(
    _any_of("ss", "social", "soc", "payer"),
    re.compile(
        r"\bssn\b|\bss ?(?:#|no\b|num)|\bsoc\. ?sec\b|social security"
        r"|\bsocial(?= (?:is|no|number|#)|[:#])|tax ?payer"
    ),
    gap=18,
)
ID = Name(
    _any_of("证", "證"),
    re.compile("身份证|身份證|证件"),
    gap=8,
)
LICENCE = Name(
    _any_of("licen", "驾"),
    re.compile(r"driv(?:er|ing)\W{0,2}s?\W{0,2}licen[cs]e|驾驶证|驾照"),
    gap=16,
)
WECHAT = Name(
    _any_of("微信", "wechat", "weixin", "wx", "vx"),
    re.compile(r"微信|(?<!<)wechat|weixin|\b[wv]x"),
    gap=12,
    between=_SAID,
)
VERSION = Name(
    _any_of("v", "release", "版本", "§", "section", "chapter"),
    re.compile(r"\b(?:v|version|release|ver\.?)(?![a-z])|版本|§|section|chapter"),
    gap=3,
    between=_SAID,
)
