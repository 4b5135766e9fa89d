"""The unit's verdicts: clean texts of every kind pass, junk of every kind goes, each drop says why."""

import gc
import random
from dataclasses import fields
from itertools import chain

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.measures import MEASURES
from services.rules.page import Page
from services.rules.repetition import DUPLICATE_NGRAMS, TOP_NGRAMS
from services.rules.table import ALL, RULES
from services.runtime import (
    ConfigurationError,
    Drop,
    Emit,
    Judge,
    Resources,
    Verdict,
    configure,
    load_settings,
)

MANUAL = """NAME
    pumpctl - start, stop and watch the pumps of a station

SYNOPSIS
    pumpctl [-v] [-n NAME] COMMAND

DESCRIPTION
    pumpctl talks to the controller of a pumping station and prints what it answers. Without -n it
    talks to every pump that is listed in the configuration file, one after the other.

OPTIONS
    -v  Print each message that is sent and received.
    -n NAME
        Use only the pump with this name. May be given more than once.

FILES
    /etc/pumpctl.conf
        The list of the pumps and the addresses of their controllers.
"""
NEWS = """The town council voted on Tuesday to rebuild the lower road, which the river took in the spring.

The work will cost about two million and is to begin in June, said the mayor, who had asked for more
time. Farmers on the other bank have had to drive forty kilometres since the bridge was closed.

"We have waited long enough," said one of them after the meeting. The state will pay half of the sum;
the rest has to be found by the town, which sold part of its forest last year to mend the school.
"""
ENTRY = "The Alder is a river of the northern plain, 84 km long. It flows into the Brede at Marn."
ZH_MANUAL = """## 安装

先下载压缩包，解压以后运行 `make install`。如果提示没有权限，请在命令前加上 `sudo`。

## 配置

配置文件在 /etc/pumpctl.conf，每行写一台水泵的名称和地址，用空格分开。改完之后要重新启动服务：

```
systemctl restart pumpctl
```

## 常见问题

启动失败时，请先看日志里最后几行，多半是地址写错了，或者控制器还没有通电。
"""
ZH_NEWS = """　　本报讯 昨天下午，镇里召开会议，决定重修春天被洪水冲毁的下河路。
　　工程预计花费两百万元，六月份动工，年底以前通车。
　　镇长在会上说，资金的一半由省里承担，其余由镇里自筹。去年镇里卖掉了一部分林地，用来修缮小学的屋顶。
　　住在对岸的农民说，桥封了以后，去集市要绕四十公里，大家盼着新路早一点修好。
"""
ZH_ENTRY = "桤河是北部平原上的一条河流，全长八十四公里，发源于霍姆附近，在马恩注入布雷德河。"
ZH_VERSE = "\n".join(["春水漫桥头，", "行人唤渡舟。", "山花开又落，", "明月照江流。"] * 1)
ZH_CLASSIC = "昔有渡河者，风起舟覆，众皆溺，独一人负木而免。人问其故，曰：吾非能泅也，得木而不释耳。"
TRADITIONAL = "這條河發源於北方的山地，流經平原，最後注入大海。兩岸的居民以種稻與捕魚為生，春天常有洪水。"
QUESTION = "How do I sort a list of pairs by the second element?"
# As good in one language as in the other, though a rule met them in one alone.
SAID_TWICE = (
    "Gauge Watch shows the height of every river in the plain, hour by hour, with a photograph of its gauge. "
    "It warns when a river of yours is about to leave its bed, and it keeps the figures of a hundred years. "
)
ZH_SAID_TWICE = (
    "《看水》每小时显示平原上每条河的水位，并附上水尺的照片。你关注的河流快要漫出河床时，它会提前提醒；"
    "一百年来的数字都存在里面，可以按月份查，也可以画成图，和邻近的河流放在一起比较。"
)
ZH_TABLE = "\n".join(
    f"表：gauge_{n}\n\n+-------+--------+--------+\n| gauge | height | bridge |\n"
    "+-------+--------+--------+\n"
    + "\n".join(f"| {n}{m}    | {m}.{n}    | {n + m}      |" for m in range(6))
    + "\n编号是主键，水位以米为单位，每天早晨由磨坊的人记录。\n"
    for n in range(6)
)
NUMBERED = "Six lamps are for six bridges, #1, #2, #3, #4, #5 and #6. " + " ".join(
    f"Is it that of the miller at number {n}, or the lamp at #{n}, #{n + 1} and #{n + 2}?" for n in range(15)
)
LAYOUT = f"{NEWS}\nTo try the layout, fill the page with `lorem ipsum dolor`.\n{MANUAL}"
LAYOUT_ALONE = "Lorem ipsum dolor sit amet, and this is the text of our new page about the mill."
LAMPS = "Lamps that were lit, by the hour\ndate east west all\n" + "".join(
    f"11 / {n} / 2001 {n * 37} {n * 91} {n * 128}\n" for n in range(1, 31)
)
ZH_LAMPS = "".join(
    f"第{n}号水尺：{n * 37} {n * 91} {n * 53} {n * 77} {n * 19} {n * 23}；\n" for n in range(90)
)
SONG = "\n\n".join(
    f"The miller went to {where},\nTurn, mill, and turn again,\nHe took {what},\nTurn, mill, and turn again."
    for where, what in zip(
        ("the river", "a fair", "his brother", "the hill", "the town", "his bed"),
        ("a lantern", "two shillings", "bread and salt", "his father's coat", "the heavy key", "no more"),
        strict=True,
    )
)
ZH_SONG = "\n\n".join(
    f"{first}\n河水啊你慢慢地流\n{second}\n河水啊你慢慢地流"
    for first, second in zip(
        ("我在桥上等了一夜", "磨坊的灯已经灭了", "谁家的狗在叫", "春天的船不会来"),
        ("他说天亮就回来", "风从山上吹下来", "孩子们都睡着了", "我把信放在水里"),
        strict=True,
    )
)
LINKS = (
    "Read http://a.example.org/1 and http://b.example.org/2 first, and only then the second chapter of it."
)

CLEAN = [
    MANUAL,
    NEWS,
    ENTRY,
    ZH_MANUAL,
    ZH_NEWS,
    ZH_ENTRY,
    ZH_VERSE,
    ZH_CLASSIC,
    TRADITIONAL,
    QUESTION,
    LINKS,
    f"{SAID_TWICE}New in this version: {SAID_TWICE}",
    f"{ZH_SAID_TWICE}更新内容{ZH_SAID_TWICE}",
    ZH_TABLE,
    NUMBERED,
    LAYOUT,
    LAYOUT_ALONE,
    LAMPS,
    ZH_LAMPS,
    SONG,
    ZH_SONG,
    "加油！",
]

_RNG = random.Random(7)
GIBBERISH = " ".join(
    "".join(_RNG.choices("bcdfghjklmnpqrstvwxz", k=_RNG.randrange(2, 9))) for _ in range(200)
)
MENU = "\n".join(
    [
        "Home",
        "News",
        "Sport",
        "Sign in",
        "Subscribe",
        "About us",
        "Contact",
        "Careers",
        "Terms of Use",
        "More",
    ]
)
ZH_MENU = "\n".join(
    ["首页", "新闻", "体育", "登录", "注册", "关于我们", "联系方式", "广告服务", "免责声明", "友情链接"]
)
JUNK = {
    "empty": ["", " \n\t\u200b\ufeff\n"],
    "too_short": ["OK", "好", "https://example.org/a/b/c"],
    "menu": [MENU, ZH_MENU],
    "repeated_ngrams": [
        ZH_SAID_TWICE * 3,
        SAID_TWICE * 4,
        "加微信领红包，" * 20,
        "buy cheap pills now " * 25,
        "哈" * 30,
    ],
    "repeated_pattern": [
        "加微信领红包，" * 60,
        "buy cheap pills now " * 60,
        "哈" * 40,
        "The lower bound of the sum is shown by the table that we have here: " + "0.0 " * 40 + "and so on.",
    ],
    "repeated_lines": [
        "\n".join(
            f"{line}，今天也要好好吃饭。"
            for line in ["早上好朋友们", "晚上好朋友们"] * 4 + list("甲乙丙丁戊己庚")
        )
    ],
    "language": [
        "L'eau est montée pendant la nuit et au matin la route avait disparu sous la rivière. " * 2,
    ],
    "stop_words": [GIBBERISH],
    "damaged": ["锟斤拷锟斤拷锟斤拷烫烫烫烫一段\ufffd\ufffd\ufffd坏掉的文字"],
    "long_run": ["这是机器的钥匙，它的内容很长很长很长很长：" + "KeyOfTheMachine" * 100],
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    return SERVICE.build(RulesConfig(), Resources(load_settings()))


def _one(judge: Judge, text: str, **fields: str) -> tuple[Document, Verdict]:
    document = Document(id="d", text=text, **fields)
    (verdict,) = judge([document])
    return document, verdict


def test_a_judged_text_is_freed_at_once(judge: Judge) -> None:
    """Prevents gigabytes: the arrays of large texts, which wait for a collector that counts objects."""
    gc.collect()
    gc.disable()
    try:
        judge([Document(text=text) for text in [*CLEAN, *chain(*JUNK.values())]])
        assert [each for each in gc.get_objects() if type(each) is Page] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("text", CLEAN)
def test_clean_texts_pass(judge: Judge, text: str) -> None:
    """Rules that are made for English web pages kill manuals, headlines, verse and Chinese."""
    document, verdict = _one(judge, text)
    assert isinstance(verdict, Emit), verdict
    assert document.language == ("zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en")


@pytest.mark.parametrize(
    ("reason", "text"), [(reason, text) for reason, texts in JUNK.items() for text in texts]
)
def test_junk_goes_and_the_drop_explains_itself(judge: Judge, reason: str, text: str) -> None:
    _, verdict = _one(judge, text)
    assert isinstance(verdict, Drop)
    assert verdict.reason == reason, verdict
    assert verdict.reason in SERVICE.drop_reasons
    assert verdict.detail
    assert verdict.measured is not None


def test_code_meets_code_rules_only(judge: Judge) -> None:
    """A module of short identical lines without a stop word is fine; minified and generated code is not."""
    module = "".join(f"def step_{i}(state):\n    return advance(state, {i})\n\n\n" for i in range(30))
    document, verdict = _one(judge, module, media_type="text/x-python")
    assert isinstance(verdict, Emit)
    assert (document.format, document.language, document.text) == ("code", "und", module.rstrip("\n"))
    minified = "var a=function(b){return b+1};" * 200
    assert _one(judge, minified, source="file:///a.js")[1].reason == "line_length"  # type: ignore[union-attr]
    generated = "// Code generated by tool. DO NOT EDIT.\n" + module
    assert _one(judge, generated, source="file:///a.go")[1].reason == "generated"  # type: ignore[union-attr]
    art = "A drawing of nothing\n" + "/ \\ | * - + = % ~ \n" * 30
    assert _one(judge, art, source="file:///a.c")[1].reason == "few_letters"  # type: ignore[union-attr]


def test_everything_measured_is_in_the_features_of_kept_and_dropped(judge: Judge) -> None:
    """The bias guard and the audit need the measures of what was dropped as well."""
    names = {*MEASURES, "url_share", "damaged_share", "keywords_per_line", "pattern_repeats"}
    names |= {f"top_{n}_gram" for n in TOP_NGRAMS} | {f"dup_{n}_gram" for n in DUPLICATE_NGRAMS}
    for text in (NEWS, ZH_MENU):
        document, _ = _one(judge, text)
        assert set(document.features) == names
        assert document.format
        assert document.language_confidence > 0.5


def test_urls_are_stripped_from_prose_alone(judge: Judge) -> None:
    """A stripped URL in code or Markdown breaks it; dropping for URLs biases the languages."""
    document, verdict = _one(judge, LINKS)
    assert isinstance(verdict, Emit)
    assert document.text == "Read and first, and only then the second chapter of it."
    assert document.features["url_share"] > 0.3
    code = 'URL = "x"\nfetch(http://a.example.org/1)\nprint(URL)'
    assert _one(judge, code, media_type="text/x-python")[0].text == code
    kept = SERVICE.build(RulesConfig(strip_urls=False), Resources(load_settings()))
    assert _one(kept, LINKS)[0].text == LINKS


def test_a_replay_gives_the_same(judge: Judge) -> None:
    """Redelivery must be harmless, and a batch must not change its documents' verdicts."""
    texts = [*CLEAN, *(text for texts in JUNK.values() for text in texts)]
    first = [Document(id=str(i), text=text) for i, text in enumerate(texts)]
    once = judge(first)
    again = [Document(id=str(i), text=document.text) for i, document in enumerate(first)]
    for text, before, after in zip(texts, once, judge(again), strict=True):
        assert type(before) is type(after), text
    assert [document.text for document in first] == [document.text for document in again]
    assert [type(_one(judge, text)[1]) for text in texts] == [type(verdict) for verdict in once]


def test_languages_are_a_setting() -> None:
    judge = SERVICE.build(RulesConfig(languages=("fr",)), Resources(load_settings()))
    french = JUNK["language"][0].strip().split(". ")[0] + "."
    assert isinstance(_one(judge, french)[1], Emit)
    verdict = _one(judge, NEWS)[1]
    assert isinstance(verdict, Drop)
    assert (verdict.reason, "en" in verdict.detail) == ("language", True)


def test_a_huge_text_is_kept_whole_and_judged_by_its_head(judge: Judge) -> None:
    """A book of ten megabytes must not take a minute, nor be cut."""
    book = "\n".join(
        f"第{i}章里说，河水在第{i * 7}天夜里又涨了，人们都走到岸上来看。" for i in range(100_000)
    )
    document, verdict = _one(judge, book)
    assert len(document.text) == len(book)
    assert document.features["characters"] <= 1_000_000
    assert isinstance(verdict, Emit | Drop)


@pytest.mark.parametrize(
    "text", ["\n", "\x00", "a\x00b c d", "\U0001f600 😀 \U00020000 汉", "\t" * 1000, "-\n" * 500, "1\n2\n3"]
)
def test_odd_texts_get_a_verdict(judge: Judge, text: str) -> None:
    """An exception here is a dead letter."""
    assert isinstance(_one(judge, text)[1], Emit | Drop)


def test_every_rule_has_its_measure_bound_and_reason() -> None:
    """A typing error in the table would only show when a document meets the rule."""
    measured = {*MEASURES, "url_share", "damaged_share", "keywords_per_line", "pattern_repeats"}
    measured |= {f"top_{n}_gram" for n in TOP_NGRAMS} | {f"dup_{n}_gram" for n in DUPLICATE_NGRAMS}
    bounds = {field.name for field in fields(RulesConfig)}
    for rule in RULES:
        assert rule.measure in measured
        assert rule.bound in bounds
        assert rule.bound.startswith(("min_", "max_"))
        assert rule.formats <= ALL
        assert rule.reason in SERVICE.drop_reasons
    used = {rule.bound for rule in RULES} | {"min_language_confidence"}
    assert {name for name in bounds if name.startswith(("min_", "max_"))} == used


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"max_dup_line_share": -0.1}, "max_dup_line_share"),
        ({"max_menu_line_share": float("nan")}, "max_menu_line_share"),
        ({"languages": []}, "languages"),
        ({"languages": ["English!"]}, "languages"),
        ({"min_language_confidence": 1.5}, "min_language_confidence"),
        ({"max_top_ngrams_zh": [0.2]}, "max_top_ngrams_zh"),
        ({"min_wrods": 3}, "min_wrods"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        configure("rules", RulesConfig, values)


def test_a_bound_of_zero_or_infinity_switches_a_rule_off() -> None:
    config = configure("rules", RulesConfig, {"max_menu_line_share": "inf", "min_words": 0})
    judge = SERVICE.build(config, Resources(load_settings()))
    assert isinstance(_one(judge, ZH_MENU)[1], Emit)
    assert isinstance(_one(judge, "好")[1], Emit)


def counts(verdicts: list[Verdict]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for verdict in verdicts:
        for count in verdict.counted if isinstance(verdict, Emit | Drop) else ():
            assert count.name == "rules_judged_documents"
            found[count.labels] = found.get(count.labels, 0) + count.number
    return found


def test_what_is_judged_is_counted_by_group_and_by_rule(judge: Judge) -> None:
    """Prevents a rule that hits one group from going unseen, or from being held against groups it spares."""
    verdicts = list(
        judge([Document(text=MANUAL, source="a"), Document(text=NEWS), Document(text="ab"), Document()])
    )
    found = counts(verdicts)
    assert sum(found.values()) == 3  # the empty one has no group
    assert [labels[2] for labels, number in found.items() if number and labels[2]] == [verdicts[2].reason]  # type: ignore[union-attr]
    prose = {reason for language, format_, reason in found if (language, format_) == ("en", "prose")}
    assert {"", "too_short", "stop_words", "word_length"} <= prose
    assert "generated" not in prose  # a rule of code


def test_a_language_that_is_not_kept_has_no_label_of_its_own(judge: Judge) -> None:
    """Prevents 170 languages times every rule in the metrics."""
    text = "Der Stadtrat beschloss am Dienstag, die untere Straße neu zu bauen, die der Fluss nahm. " * 20
    (verdict,) = judge([Document(text=text)])
    assert isinstance(verdict, Drop)
    assert verdict.reason == "language"
    assert {labels[0] for labels in counts([verdict])} == {"other"}


ZH_CHAT = "\n".join(
    [
        "昨天晚上我们一起去看了新上映的电影",
        "散场以后外面下起了很大的一场雨",
        "路边的小店都早早地关上了大门",
        "他说没有带伞我们就跑回去吧好不好",
        "后来我们在车站等了很久很久的车",
        "最后一班车上只有我们三个人坐着",
        "司机放着一首很老的歌",
        "回到家已经是第二天早晨了",
    ]
)
ZH_FRAME = "\n".join(
    ["首页", "新闻", "体育", "财经", "娱乐", "汽车", "房产", "科技", "登录", "注册", "关于我们", "联系我们"]
)


def test_chinese_without_punctuation_is_no_menu(judge: Judge) -> None:
    """Lyrics, subtitles and chat are written so; two thirds of a line say what a whole English one does."""
    kept, dropped = Document(text=ZH_CHAT), Document(text=ZH_FRAME)
    verdicts = judge([kept, dropped])
    assert kept.features["menu_line_share"] < 0.6
    assert isinstance(verdicts[0], Emit)
    assert isinstance(verdicts[1], Drop)
    assert verdicts[1].reason == "menu"


def test_code_is_never_normalised(judge: Judge) -> None:
    """Blank lines, no-break spaces and the like are what a program says."""
    code = 'def mark():\n    return "a\xa0b\u200b cafe\u0301"   \n\n\n\n\n\nprint(mark())'
    document = Document(text="\ufeff" + code + "\r\n", source="file:///in/mark.py")
    judge([document])
    assert document.format == "code"
    assert document.text == code
