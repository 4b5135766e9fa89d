"""What no shape tells: names, accounts and numbers that stand behind a word for them, and number plates.

A name behind a form's field ("姓名：", "Name:") is one. Behind words of running text ("我叫", "my name is")
it is taken for one only near other personal data: novels are full of people who call themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from services.rules.characters import PROVINCES
from services.rules.pii.digits import fold
from services.rules.pii.span import Span, around

NEAR = 100  # characters between a name in running text and other personal data

# The commonest of one character, but for those that are another word in most texts; and those of two.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢"
    "姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常"
    "汤康易乔赖文施洪辛柯颜樊葛毕聂章鲁殷庞邢俞翟詹申耿关焦左柳甘祝包宁符舒阮纪梅童凌单季裴霍涂成苗谷盛曲"
    "翁冉骆蓝路游靳欧阳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷"
    "晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠"
    "荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿"
    "国狄平计索宣晋云容敬扈晁芮阙浦戈伏鹿薄邸雍辜羊阿乌裘亓修邰赫杭况宿鲜印逯隆茹诺战慕危玉银亢嵇哈湛宾戎"
    "勾茅揭尉冶元束檀衣阴昝幸奉植衡富尧闭傅萧阎"
    "陳劉張黃趙吳孫馬羅鄭謝韓馮鄧許蔣蕭葉蘇呂盧鍾譚陸範賈鄒龍萬錢湯喬賴龔龐蘭"
)
_SURNAMES_OF_TWO = "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|夏侯|司徒"
_NOBODY = frozenset({"张三", "李四", "王五", "赵六"})  # the John Does of manuals
_HAN = "\u4e00-\u9fff"
# What is in the names of companies, forms and programs, and in no one's.
_THINGS = frozenset(
    re.findall(
        "[A-Za-z]+",
        "Inc Ltd LLC Corp Company Group Bank Address Number Email Phone Date Type Status Details System "
        "Server Service Services Support Sales Team Project Version Model Standard Enterprise Linux "
        "Windows Python Benefits Compliance Policy Install Display Retirement Income Engagement Love Title",
    )
)
_NAME = rf"(?:(?:{_SURNAMES_OF_TWO})[{_HAN}]{{1,2}}|[{_SURNAMES}][{_HAN}]{{1,2}}?)"
_ENDS = (
    rf"(?=[^{_HAN}]|$|先生|女士|小姐|同志|老师|电话|手机|联系|身份|证件|性别|住址|地址|派送|配送"
    "|护照|工号|男|女|的)"
)
_FIELD_ZH = re.compile(
    r"(?:姓名|联系人|收件人|收货人|寄件人|开户人|监护人|委托人|持卡人|持证人|户名|被保险人|投保人|法定代表人|甲方|乙方|申请人|经办人"
    "|负责人|责任人|患者|车主|聯絡人|聯繫人|負責人|申請人|收貨人)"
    rf"(?:[（(][{_HAN}]{{1,4}}[)）])?[ 　]*[:：][ 　]*({_NAME}){_ENDS}"
)
_SAID_ZH = (
    "姓名是|姓名为|姓名|车主|我叫|名叫|我是|本人|由(?<![自理路来缘]由)(?!于)|快递员|客服|收货人|收件人|寄件人"
    "|联系人|户名(?<!用户名)|持卡人|患者|申请人|联系|找"
)
_RUNNING_ZH = re.compile(rf"(?:{_SAID_ZH})(?!方[式法案])[ 　|｜]{{0,3}}({_NAME}){_ENDS}")
_TITLES = ("先生", "女士", "小姐")
_TITLED_ZH = re.compile(f"({_NAME})(?:{'|'.join(_TITLES)})")
_WORD = r"[A-ZÀ-Þ](?:['’-]?[A-Za-zÀ-ÿ]){1,20}"
_CAPITALISED = rf"{_WORD}(?: (?:[A-Z]\.|{_WORD}))"
_FIELD_EN = re.compile(
    r"\b(?:[Nn]ame|Cardholder|Attn)"
    rf"[ \t]*:[ \t]*({_CAPITALISED}{{1,3}})(?![A-Za-z]|[ \t]*:|[^\n]{{0,9}}, dtype)"
)
_SAID_EN = (
    "My name is|my name is|I am|I'm|Contact|contact|Call|call|Dear|Regards,|regards,|Sincerely,|Thanks,"
    "|Best,|Mr\\.|Mrs\\.|Ms\\.|Dr\\.|Patient|Customer|Client|Applicant|Tenant|Employee|Name"
)
# Whom a page asks to call, who is no one.
_NO_ONE = (
    "Us|Me|Our|The|Your|Customer|Client|Support|Sales|Service|Services|Team|Info|Sir|Madam|Technical|Human"
    "|Media|Press"
)
_RUNNING_EN = re.compile(
    rf"(?:{_SAID_EN})[ \t]?[:|]?[ \t\n]?(?!(?:{_NO_ONE})\b)({_CAPITALISED}{{1,2}})(?![A-Za-z]|[ \t]*:)"
)
# One search for all that announces; without groups, since it skips then to their first signs.
_ANNOUNCES = re.compile(f"{_SAID_ZH}|{'|'.join(_TITLES)}|{_SAID_EN}")
_LETTER = re.compile("[A-Za-z0-9_]")
_OWNER = re.compile("([A-Za-z]+)(?:'s)?[ _-]$")
_PERSONS = frozenset(
    re.findall(
        "[a-z]+",
        "full first last middle family given legal real birth maiden cardholder holder account customer "
        "client patient contact applicant employee student author user guest buyer tenant passenger "
        "candidate member owner spouse father mother teacher the my your his her their is and or",
    )
)
# Between a word and what it announces: that it is a number, marks, quotes of JSON, cells of a table.
_TO = (
    r"(?:编号|号码|号|號碼|码)?(?:[ _.-]{0,2}(?:no\.?|number|num|id|#)){0,2}[\"'`*）)\]| \u3000]{0,4}"
    r"(?:is|是|为|[:：=#|]){0,2}[\"'`*（(\[|「“【 \u3000]{0,4}"
)
_WECHAT = re.compile(
    r"(?:[微薇]信|威信(?=[号:： ])|wechat(?=[ \u3000]?(?:id|:|号))|weixin|加[vw](?:x|(?=[ \u3000]?:))|v信"
    rf"|(?<![a-z0-9_])[vw]x(?=[ \u3000]*:)){_TO}"
    r"([a-z][a-z0-9_-]{5,19})(?![a-z0-9_.-])",
    re.IGNORECASE,
)
_QQ = re.compile(
    rf"(?:(?<![a-z])qq|扣扣|企鹅|加q)(?:群|交流|粉丝|客服|联系|反馈){{0,3}}/?{_TO}([1-9][0-9]{{4,10}})(?![0-9a-z_.-])",
    re.IGNORECASE,
)
_EMPLOYEE = re.compile(
    rf"(?:工号|[员职]工(?:编号|号|(?=id|no))|工牌|\b(?:employee|staff|badge)(?=[ _.-]?(?:id|no|nu|#))"
    rf"|\b(?:emp|personnel)(?=[ _.-]{{0,2}}(?:id|no|number)[ .]?:)){_TO}"
    r"([a-z]{0,4}-?[0-9]{3,10})(?![a-z0-9])",
    re.IGNORECASE,
)
# Of the country, or of any: seven to nine letters and digits, mostly digits (ICAO 9303).
_PASSPORT = re.compile(
    r"(?:护照|護照|通行证|passport)[^0-9\n<]{0,14}?(?<![a-z0-9])"
    r"((?=(?:[a-z]*[0-9]){6})[a-z0-9]{7,9}|[a-z] [0-9]{8}|[0-9]{2} [0-9]{7})(?![a-z0-9])",
    re.IGNORECASE,
)
_PLATE = re.compile(
    rf"[{PROVINCES}][A-Z][. -]?(?=[A-Z0-9]*[0-9][A-Z]?[0-9])"
    r"(?:[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳领试超]|[A-HJ-NP-Z0-9]{3,4}应急|[A-HJ-NP-Z0-9]{6})"
    "(?![A-Za-z0-9])"
)
# Of embassies, the armed police and the army, which are told by the word beside them alone.
_OFFICIAL = (
    rf"(使[0-9]{{3}}[.]?[0-9]{{3}}|[0-9]{{3}}[.]?[0-9]{{3}}使|WJ[. -]?[{PROVINCES}]?[. -]?[0-9]{{4}}[A-Z0-9]"
    r"|WJ[0-9]{2}[ -][0-9]{5}|[军空海北沈兰济南广成VKHBSLJNGCE][A-Z][. -]?[0-9]{5})"
)
_PLATE_CALLED = re.compile(rf"(?:车牌|号牌|牌照|车号){_TO}{_OFFICIAL}(?![A-Za-z0-9])")
_CALLED_PLATE = re.compile(rf"(?<![A-Za-z0-9]){_OFFICIAL}$")

_MARKED = re.compile("[:：是为=|号]|id", re.IGNORECASE)
# And the first signs of their words.
_ACCOUNTS = (
    (_WECHAT, "wechat", "微薇威加VvWw"), (_QQ, "qq", "Qq扣企加"), (_EMPLOYEE, "employee", "工员职EeSsBbPp"),
    (_PASSPORT, "passport", "护護通Pp"), (_PLATE_CALLED, "plate", "车号牌"),
)  # fmt: skip
_LONGEST_PLATE = 10
_BEFORE_TITLE = 4  # characters of a name
_REACH = 60  # characters behind a word in which what it announces ends
_FIELD_ENDS = frozenset("名人方者主)）] \u3000")  # what stands before the colon of a Chinese form's field
_FIELD_SIZE, _NAMED_SIZE = 16, 24  # characters of a field's name before its colon, and of what is behind


def plate(text: str, place: int) -> Iterator[Span]:
    """A number plate of mainland China (GA 36): province, letter of the place, five or six signs."""
    found = _PLATE.match(fold(text[place : place + _LONGEST_PLATE]).upper())
    if found is not None:
        value = "".join(sign for sign in found[0] if sign.isalnum())
        yield Span(place, place + found.end(), "plate", value)


def accounts(text: str, places: Sequence[int]) -> Iterator[Span]:
    """WeChat names, numbers of employees, passports: by the word before them. places: where one may be."""
    for place in places:
        low, first = max(0, place - 1), text[place]
        if first == "号":
            called = _CALLED_PLATE.search(fold(text[max(0, place - _LONGEST_PLATE) : place]))
            if called is not None:
                yield Span(place - len(called[1]), place, "plate", called[1].lower())
        piece = fold(text[low : place + _REACH])
        for pattern, kind, firsts in _ACCOUNTS:
            found = pattern.match(piece, place - low) if first in firsts else None
            if found is not None and not _is_word_behind(found):
                yield Span(low + found.start(1), low + found.end(1), kind, found[1].lower())


def _is_word_behind(found: re.Match[str]) -> bool:
    """Whether a blank alone stands before a word: of a program for it, an article about it."""
    between = found[0][: found.start(1) - found.start()]
    return found[1].isalpha() and between.endswith(" ") and not _MARKED.search(between)


def names(text: str, others: Sequence[Span], places: Sequence[int], colons: Sequence[int]) -> Iterator[Span]:
    """People's names: behind a form's field, or in running text near one of the others.

    places: of "name" in English; colons: of text with Chinese.
    """
    reached = 0
    for colon in colons:
        if text[colon - 1] in _FIELD_ENDS:
            for span in _named(_FIELD_ZH, text, max(reached, colon - _FIELD_SIZE), colon + _NAMED_SIZE):
                yield span
                reached = span.end
    for place in places:
        yield from _named(_FIELD_EN, text, place, place + _REACH)
    for start, end in around(others, len(text), NEAR):
        yield from _in_running_text(text, start, end)


def _in_running_text(text: str, start: int, end: int) -> Iterator[Span]:
    """Names behind a word that announces them, or before a title, from start to end."""
    at = start
    while (said := _ANNOUNCES.search(text, at, end)) is not None:
        first, at = said.start(), said.start() + 1
        if said[0] in _TITLES:
            found = _TITLED_ZH.search(text, max(start, first - _BEFORE_TITLE), said.end())
        else:
            found = (_RUNNING_EN if said[0].isascii() else _RUNNING_ZH).match(text, first, end)
        if found is not None:
            at = start = found.end()
            yield from _persons(found, text)


def _named(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Span]:
    for found in pattern.finditer(text, start, end):
        yield from _persons(found, text)


def _persons(found: re.Match[str], text: str) -> Iterator[Span]:
    """The name, where it may be a person's."""
    if found[1] in _NOBODY or not _THINGS.isdisjoint(found[1].split()):
        return
    if _is_a_persons(text, found.start()):
        yield Span(found.start(1), found.end(1), "name", found[1].lower())


def _is_a_persons(text: str, start: int) -> bool:
    """Whether the word there is a whole one, and a name's is no thing's: a host's, a step's in YAML."""
    if _LETTER.match(text, start) is None:
        return True
    if start and _LETTER.match(text, start - 1) is not None:
        return False
    if not text.startswith(("name", "Name"), start):
        return True
    before = text[max(0, start - _FIELD_SIZE) : start]
    if text[start] == "n" and before.endswith("- "):
        return False
    owner = _OWNER.search(before)
    return owner is None or owner[1].lower() in _PERSONS
