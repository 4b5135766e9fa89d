"""Measures against plain definitions, on texts in both languages and on the edges."""

import math
import unicodedata

import pytest

from services.rules.measures import MEASURES, dup_line_char_share, dup_line_share, menu_line_share
from services.rules.page import Page

ZH = """水利工程简介

渠道长一百二十公里，建于１９６５年。沿线共有十七座闸门，由当地居民看守。
首页
登录
渠道长一百二十公里，建于１９６５年。沿线共有十七座闸门，由当地居民看守。
渠道长一百二十公里，建于１９６５年。沿线共有十七座闸门，由当地居民看守。
水量在春天最大……
"""
EN = """• The canal is 120 km long; it was built in 1965.
- Seventeen gates stand along it

The canal is 120 km long
and nobody knows who began it...
LOGIN
The canal is 120 km long
"""
ODD = "ß ǆ ٣ 〇々 か 한국 \U00020000\U0001f600 ½ _ €\t!\n\n\nx"
TEXTS = [ZH, EN, ODD, "x", "。", "1", " ", "a\n", "中"]


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _is_han(mark: str) -> bool:
    return "CJK" in unicodedata.name(mark, "") or mark in "〇々"


NAIVE = {
    "characters": lambda t: sum(not c.isspace() for c in t),
    "lines": lambda t: len(_lines(t)),
    "han_share": lambda t: _share(sum(map(_is_han, t)), sum(not c.isspace() for c in t)),
    "digit_share": lambda t: _share(
        sum(unicodedata.category(c) == "Nd" for c in t), sum(not c.isspace() for c in t)
    ),
    "max_line_length": lambda t: max(map(len, _lines(t)), default=0),
    "mean_line_length": lambda t: _share(sum(map(len, _lines(t))), len(_lines(t))),
    "closed_line_share": lambda t: _share(
        sum(line.endswith(tuple('.!?;:。！？；：…‥｡⁇⁈⁉"”’」』')) for line in _lines(t)), len(_lines(t))
    ),
    "bullet_line_share": lambda t: _share(
        sum(line.lstrip().startswith(tuple("•-*·●▪◦‣○◆■►–")) for line in _lines(t)), len(_lines(t))
    ),
    "dup_line_char_share": lambda t: _share(
        sum(len(line) for i, line in enumerate(_lines(t)) if line in _lines(t)[:i]), sum(map(len, _lines(t)))
    ),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", NAIVE)
def test_equals_the_plain_definition(name: str, text: str) -> None:
    """The array code must measure what its docstring says."""
    assert MEASURES[name](Page(text)) == pytest.approx(NAIVE[name](text))


@pytest.mark.parametrize("text", ["", *TEXTS, "\U0001f600" * 50, "a" * 5000, "\n\n\n", "?" * 300])
def test_every_measure_of_every_text_is_a_number(text: str) -> None:
    """A NaN passes every bound, and a division by zero makes a dead letter of a short text."""
    for name, measure in MEASURES.items():
        value = float(measure(Page(text)))
        assert math.isfinite(value), name
        assert value >= 0, name
        assert not name.endswith("_share") or value <= 1 + 1e-9, name


def test_short_lines_count_han_characters_twice() -> None:
    """A Chinese line of twenty characters says as much as an English one of forty."""
    assert MEASURES["short_line_share"](Page("中" * 16)) == 0
    assert MEASURES["short_line_share"](Page("x" * 16)) == 1


def test_menu_lines_are_told_from_verse_lists_and_wrapped_text() -> None:
    """The rule with the most drops must not take poems, lists, properties or wrapped lines for menus."""
    share = MEASURES["menu_line_share"]
    assert share(Page("Home\nNews\nSport\nSign in\nAbout us\nContact")) == 1
    assert share(Page("首页\n新闻\n体育\n登录\n关于我们\n联系方式")) == 1
    assert share(Page("床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。")) == 0
    assert share(Page("- apples\n- pears\n* plums\n# fruit")) == 0
    assert share(Page("weight: 3 kg\nlength: 2 m\n重量：三公斤")) == 0
    assert share(Page("the water rose in the\nnight and by morning the\nroad was gone.")) == 0


LISTS = {
    "parts": "Tabs, panes, windows\nText search everywhere\nFree choice of all keys\nBackground pictures\n",
    "contents": "11.2. Index Types\n11.2.1 B-Tree\n3.1 绪论\n12 / 23 / 99 ( 133 )\n",
    "tickets": "".join(f"90{n}    Fix a leak in lamp {n}\n" for n in range(10, 30)),
    "helpers": "".join(f"Marn.pull_{each}()\nAnn {each.upper()}. Reed\n" for each in "abcdefgh"),
    "credits": "Ada Marn – drums, second voice\nBo Holm - guitar\nCy Brede – drums\nDi Alder – harp\n",
    "works": "Church of Marn (1997)\nOnly in Brede (2004)\nTruth Rising (2006)\nBo Holm 1810–1862\n",
    "months": "".join(f"January {year}\n" for year in range(2009, 2019)),
    "exam": "下列说法正确的是（）\n①源头在山里\n②流经平原\n③终点是海\n④冬天断流\n(A)①②\n(B)②③\n(C)①④\n(D)③④",
    "table": "某河的水位\n\\begin{tabular}\n\\hline 春 & 三 \\\\\n\\hline 夏 & 五 \\\\\n\\hline 秋 & 二 \\\\",
    "verse": "高山人家\n\n三两件\n白云\n挂在竹竿上\n七八畦\n韭菜\n绿在山泉边\n\n小鸡争米\n大碗劝酒\n星斗一斛",
    "English verse": "Sun on forest corn ,—\nDeep morass below ,—\nVerdure shorn , open —\nTrees arose —\n",
    "names": "河西村\n上桥镇\n磨坊里\n马恩渡口\n布雷德\n霍姆\n桤木林\n水尺街\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_what_names_no_page_of_a_site_is_no_menu(name: str) -> None:
    """Lists of works, names, tickets and choices, and poems in lines of two to four characters."""
    assert menu_line_share(Page(LISTS[name] * 3)) == 0


@pytest.mark.parametrize(
    "menu",
    [
        "Home\nNews\nSport\nSign in\nAbout us\nContact",
        "首页\n新闻\n体育\n登录\n关于我们\n联系方式",
        "首頁\n新聞\n體育\n登錄\n關於我們\n聯絡方式",
        "Tea pots\nCups\nFAQs\nGift boxes\nShopping cart\nPrivacy",
    ],
)
def test_three_pages_of_a_site_make_a_menu(menu: str) -> None:
    assert menu_line_share(Page(menu)) == 1
    lines = menu.split("\n")
    assert (
        menu_line_share(Page("\n".join([*lines[:1] * 3, *LISTS["names"].split()]))) == 0
    )  # one of them, thrice


def test_gopher_measures_by_hand() -> None:
    page = Page("#tag the end of\n1 2 3 x2...")
    assert MEASURES["words"](page) == 8
    assert MEASURES["stop_words"](page) == 2
    assert MEASURES["hash_per_word"](page) == 1 / 8
    assert MEASURES["ellipsis_per_word"](page) == 1 / 8
    assert MEASURES["alpha_word_share"](page) == 5 / 8
    assert MEASURES["ellipsis_line_share"](page) == 1 / 2
    assert MEASURES["newline_per_word"](page) == 1 / 8
    assert MEASURES["mean_word_length"](page) == (3 + 3 + 3 + 2 + 1 + 1 + 1 + 2) / 8


def test_generated_code_is_told_by_its_first_lines_only() -> None:
    assert MEASURES["generated"](Page("# Code generated by protoc. DO NOT EDIT.\nx = 1")) == 1
    assert MEASURES["generated"](Page("x = 1\n" * 10 + "# @generated")) == 0
    assert MEASURES["generated"](Page("# numbers generated by the pump\nx = 1")) == 0


def test_listings_and_quotes_are_no_repetition() -> None:
    listing = "```\nwalk through whatever was found\n    print(each)\n```"
    told = "\n".join(
        f"Step {i} prints what was found so far, one below the other, and ends there.\n{listing}"
        for i in range(9)
    )
    assert dup_line_share(Page(told)) == 0
    assert dup_line_share(Page(told.replace("```", ""))) > 0.25  # the indented ones count nothing

    answer = "Pilot lamps are anything from 6 to 120 volts, incandescent or neon."
    thread = f"{answer}\nstrato said:\n\n{answer}\nClick to expand...\nThen measure the voltage first."
    assert dup_line_char_share(Page(thread)) == 0
    assert dup_line_char_share(Page(thread.replace("said:", "agrees.\n" + answer))) > 0.3
    assert dup_line_char_share(Page(f"{answer}\n原帖由 王小明 发表：\n{answer}\n{answer}\n好")) == 0


def test_addresses_of_links_are_no_repetition() -> None:
    fixed = ("pumps", "lamps", "doors", "gates", "boats", "roads", "mills", "wells", "nets", "sails")
    address = "https://host.example/marn/river/pull"
    told = "\n".join(f"* Fix {word}. [#{i}]({address}/{i})" for i, word in enumerate(fixed))
    own = Page(told).own_words
    assert "host" not in own.text
    assert own.text.startswith("* Fix pumps. [#0]\n")
    listed = Page("\n".join(f"* Mend this: {address}/{word}" for word in fixed))
    assert listed.own_words.num_tokens == 3 * len(fixed)
    assert dup_line_char_share(listed) == 0
    assert Page("see [a (b)](https://host.example/a_(b)) and [c](d e)").own_words.text == (
        "see [a (b)] and [c](d e)"
    )


def test_a_post_that_stands_again_before_its_answer_is_a_quote() -> None:
    """Its mark is lost where a page set it apart by a frame; a page that came twice is none."""
    posts = [f"Post {i} says of lamp {i} what nobody said of it before, in {i + 3} words." for i in range(9)]
    answers = [f"{post}\n{post[:-1]} is what I answer to it, as anybody would." for post in posts[1:4]]
    thread = "\n".join([*posts, *answers])
    assert dup_line_char_share(Page(thread)) == 0
    assert Page(thread).own_words.num_tokens < Page(thread).num_tokens
    twice = "\n".join([*posts, *posts, "Terms and conditions apply to all that stands on this page."])
    assert dup_line_char_share(Page(twice)) > 0.4
    often = "\n".join(line for post in posts for line in (posts[0], f"{post} And more."))
    assert dup_line_char_share(Page(often)) > 0.3


def test_emoji_are_no_picture_out_of_characters() -> None:
    assert MEASURES["symbol_share"](Page("Best song ❤❤❤❤😍😍😍😍")) == 0
    assert MEASURES["symbol_share"](Page("Best song ▬▬▬▬╔══╗")) == 0.5
    assert MEASURES["symbol_share"](Page("If $|x + 4| + |2 - y| = 0$, then")) == 0


def test_an_open_fence_hides_nothing() -> None:
    assert dup_line_share(Page("```\n" + "the same line once again\n" * 9)) > 0.8
    closed = "```py\nthe same line once again\nthe same line once again\n```\n"
    text = "The text around it says something else.\n" + closed
    assert dup_line_share(Page(text)) == 0
    assert dup_line_share(Page(f"{text}```py\nlast\n")) == 0  # cut in a listing: the former ones are closed


def test_sentences_with_a_few_short_lines_are_no_menu() -> None:
    buttons = "\n".join(f"Share page {chr(65 + i)}" for i in range(12))
    sentence = "This lamp stands on a foot of oak and gives a light that is warm enough to read by. " * 12
    assert menu_line_share(Page(buttons)) == 1
    assert menu_line_share(Page(f"{sentence.strip()}\n{buttons}")) == 0


def test_a_page_that_is_sentences_for_the_most_part_is_no_menu() -> None:
    """A product page: what it says of the thing, among columns of names and values."""
    sentence = "The handle is of beech, and the blade is ground from one piece of steel that keeps its edge. "
    table = "\n\n".join(
        f"{name}\n\n{name} value" for name in ("Service", "Handle", "Support", "Weight", "Online")
    )
    assert menu_line_share(Page(f"{sentence * 2}\n\n{table}".strip())) == 10 / 11
    assert menu_line_share(Page(f"{sentence * 4}\n\n{table}".replace(". \n", ".\n"))) == 0


def test_markup_rulers_labels_and_listings_may_come_again() -> None:
    """Manuals: what stands around each of their sections and samples."""
    section = (
        '<div class="sample">\n\n{{% copy "sql" %}}\n\n    connect --host db\n    list tables\n\n'
        "-----------------\n\nAlso needed:\n\nSentence {n} of the manual says what this does.\n\n</div>\n\n"
    )
    page = Page("".join(section.replace("{n}", str(n)) for n in range(12)))
    for name in ("line_share", "line_char_share", "paragraph_share", "paragraph_char_share"):
        assert MEASURES[f"dup_{name}"](page) < 0.2, name
    assert dup_line_share(Page("".join(f"    {line}" for line in "a line of a letter, set in\n" * 9))) > 0.8
    assert dup_line_share(Page("# BUY ALL OUR PILLS NOW\n" * 9)) > 0.8


def test_verse_and_talk_without_punctuation_are_no_menu() -> None:
    """As lyrics and subtitles are printed, in both languages."""
    verse = "The mill is still and all the wheels are dumb\nAnd no one knows the way that I have come\n"
    assert menu_line_share(Page(verse * 2 + "Snow\nOver fallow fields")) == 0
    assert (
        menu_line_share(Page("山中一夜雪\n溪上数声钟\n孤村三两犬\n斜日五六松\n空谷闻樵斧\n石桥无客踪")) == 0
    )
    assert menu_line_share(Page("你今天去哪里了\n我去河边看书\n那里的人多吗\n没有人\n真好")) == 0
    assert menu_line_share(Page("首页\n新闻\n财经频道\n体育\n网站导航\n联系我们\n手机版")) == 1


def test_listings_and_what_is_indented_are_no_menu() -> None:
    """Functions are called as pages are: in a fenced block, or indented in a change log."""
    names = "Register()\nSubmit()\nPrint()\nSearch()\n"
    assert menu_line_share(Page(names)) == 1
    assert menu_line_share(Page(f"Helpers\n```\n{names}\n```")) == 0
    changes = "2026-03-0{n}  Bo Hill  bo@host.example\n\n\tSearch lamp {n} on start\n\n\tPrint the old door\n"
    assert menu_line_share(Page("".join(changes.replace("{n}", str(n)) for n in range(9)))) < 0.6


def test_records_may_say_again_what_a_field_holds() -> None:
    """Of things that have few values, in both languages; a field of one value is a slogan."""
    kinds, names = ("Text", "Number", "Number"), ("文本", "整数", "整数")
    told = [
        f"Setting marn_{n} says how lamp {n} burns.\nScope: of the session\nKind: {{}}\n" for n in range(9)
    ]
    said = [f"变量 marn_{n} 决定第 {n} 盏灯怎样亮。\n作用域：本次会话之内\n类型：{{}}\n" for n in range(9)]
    for texts, values, other in ((told, kinds, "Scope: of all"), (said, names, "作用域：全局都有效")):
        text = "".join(one.format(values[n % 3]) for n, one in enumerate(texts))
        assert dup_line_char_share(Page(text)) > 0.2  # of one value
        assert dup_line_char_share(Page(text + other)) == 0
    assert dup_line_char_share(Page("Call us now: 555 marn\n" * 9)) > 0.8


def test_headings_and_announcements_may_come_again() -> None:
    parts = [
        f"Bug fixes\n---------\n\n- lamp {n}\n\nIt is fetched from `marn`:\n\ngate {n}\n\n" for n in range(9)
    ]
    page = Page("".join(parts))
    for name in ("line_share", "line_char_share", "paragraph_share", "paragraph_char_share"):
        assert MEASURES[f"dup_{name}"](page) < 0.2, name
    section = "::: marn.Lamp{n}\n    options:\n        members:\n            - burn\n            - reset\n"
    assert dup_line_share(Page("".join(section.replace("{n}", str(n)) for n in range(9)))) == 0


def test_labels_are_as_long_in_either_language() -> None:
    """Two words below each heading are as little repetition as five characters."""
    for label in ("Sterling Silver", "纯银首饰"):
        text = "\n\n".join(f"Ring {n} of {n} stones, made by hand\n\n{label}" for n in range(9))
        assert dup_line_share(Page(text)) == 0
        assert MEASURES["dup_paragraph_share"](Page(text)) == 0
    for line in ("Order two of them today and pay for one", "今天订购两件只收一件的钱"):
        assert dup_line_share(Page(f"{line}\n" * 9)) > 0.8


def test_verse_is_told_by_who_tells_it() -> None:
    """Poems whose lines run on hold few of the words that tell English from other languages."""
    verse = (
        "Sometimes he wanders\nA heedless aimless way\nSometimes he loiters\nIn pretty prattling play\n"
        "But presently bethinks him\nAnd hastens then\n"
    )
    assert menu_line_share(Page(verse * 2)) == 0


def test_filler_is_measured_by_how_much_of_it_there_is() -> None:
    """Prevents the loss of who shows a layout or a command with it."""
    filler = MEASURES["lorem_ipsum"]
    line = "Lorem ipsum dolor sit amet"
    assert filler(Page("A pump is a machine that lifts water.\n" * 20)) == 0
    assert filler(Page(f"{line}\n{'x' * len(line)}")) == 0.5


def test_an_interview_asks_each_the_same() -> None:
    """Headings and cells of tables may come again where there is more than these."""
    asked = ("## What do you do all day?", "**What is to be done now?**")
    parts = [
        f"{asked[0]}\n\n{name} keeps the gauge at bridge {name}, read in the morning.\n\n{asked[1]}\n\n"
        f"The mill of {name} has to be mended before the river rises again in the spring."
        for name in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")
    ]
    page = Page("\n\n".join(parts))
    assert dup_line_share(page) == dup_line_char_share(page) == MEASURES["dup_paragraph_share"](page) == 0
    assert dup_line_share(Page("## BUY OUR CHEAP PILLS NOW\n" * 9)) == 8 / 9
    assert dup_line_char_share(Page("步\n0\n[0, 1]\n1\n[1, 0]\n0\n1\n0\n1\n3\n1\n0")) == 0
    cells = "".join(
        f"<tr>\n<td>16 pixels wide</td>\n<!-- a shade of the lamp -->\n</tr>\n{n}\n" for n in range(6)
    )
    assert dup_line_share(Page(cells)) == 0


def test_refrains_are_no_repetition_but_a_page_of_one_line_is() -> None:
    """Prevents the loss of songs, whose lines come again below new ones."""
    stanzas = [f"The miller went to bridge {n},\nTurn, mill, and turn again,\n" for n in "abcdefgh"]
    assert dup_line_char_share(Page("".join(stanzas))) == dup_line_share(Page("".join(stanzas))) == 0
    assert dup_line_char_share(Page("Turn, mill, and turn again,\n" * 9)) > 0.8
    buttons = ["Log in", "Site map", "Weather", "Careers", "Print", "Subscribe"]
    assert dup_line_char_share(Page("\n".join(buttons + buttons[:3]))) > 0.2
    wide = "The gauge at the upper bridge is read in the morning by the miller, who writes it down. "
    told = [f"{wide}{n}\n{wide}\n" for n in "abcdefgh"]
    assert dup_line_char_share(Page("".join(told))) > 0.3


def test_rows_of_tables_and_of_figures_may_come_again() -> None:
    """Two tables of one manual have columns in common, and a problem shows the same row step by step."""
    rows = "| name | The name of the pump | text |\n| style | How it is drawn | text |\n"
    said = "The pump lifts water out of the lower lake into the upper one, which is told below in full. "
    page = Page("\n".join(f"{said}{part}\n\n{rows}" for part in ("First.", "Second.", "Third.")))
    assert dup_line_share(page) == dup_line_char_share(page) == 0
    assert dup_line_char_share(Page("| BUY OUR CHEAP PILLS NOW |\n" * 9)) > 0.8
    assert dup_line_char_share(Page("孩子的顺序\n" + "[0, 1, 2, 3, 4]\n" * 7)) == 0


def test_where_links_lead_may_come_again() -> None:
    """Below each note of a law stands again where its references lead."""
    links = "".join(f"[/law/of/the/mill/{n}]: https://example.org/links?law={n}\n" for n in range(4))
    said = "The miller keeps the gauge at the upper bridge, which is read in the morning and written down. "
    assert dup_line_share(Page("\n".join(f"{said}{n}\n\n{links}" for n in range(5)))) == 0


def test_a_wrapped_post_is_quoted_with_its_short_lines() -> None:
    """The last line of a paragraph in a mail is short, and is quoted with it."""
    post = (
        "the gauge below the mill cannot be read in winter, since there is ice all over it and\n"
        "nobody goes\n"
        "down to the river in the dark; we should have a second one above the bridge, near the lamp\n"
    )
    others = "".join(
        f"what was said of lamp {n} is another matter, and is told at its own place\n" for n in range(12)
    )
    assert dup_line_char_share(Page(f"{post}{others}{post}that is a good idea")) == 0


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            "The gauge at bridge {n} is read in the morning by the miller of Marn.",
            "That is so, and at bridge {n} as well, since I saw him there in May.",
        ),
        (
            "第{n}号水尺每天早晨由磨坊的人去看，看完以后记在本子上，再报给镇里。",
            "第{n}号也是这样，五月里我在那里见过他，他正往本子上写，写得很慢。",
        ),
    ],
)
def test_a_message_that_is_quoted_whole_is_no_repetition(said: str, answer: str) -> None:
    """A mail holds what it answers once more; what is said three times, or is the page again, repeats."""
    message = [said.format(n=n) for n in range(9)]
    answers = [answer.format(n=n) for n in range(9)]
    quoted = "\n".join([*message, *answers, *message])
    for measure in (dup_line_share, dup_line_char_share):
        assert measure(Page(quoted)) == 0
        assert measure(Page("\n".join([quoted, *message]))) > 0.3
        assert measure(Page("\n".join([*message, *message]))) > 0.4


def test_what_is_listed_or_done_in_a_quote_may_come_again() -> None:
    """A mail that quotes a configuration; a play or talk whose listeners clap."""
    listing = "> >        strings [ every lamp ]\n> >        errors in none of them\n"
    said = "> > And this is what stands in file {n} of those that the miller keeps there.\n"
    assert dup_line_char_share(Page("".join(said.format(n=n) + listing for n in range(9)))) == 0
    talk = "".join(f"We mended lamp {n} of the bridge.\n[Applause and laughter]\n" for n in range(9))
    assert dup_line_char_share(Page(talk)) == 0
    options = "".join(f".. image:: lamp{n}.png\n:target: the river\n\nLamp {n} burns.\n\n" for n in range(9))
    assert dup_line_char_share(Page(options)) == 0


def test_modern_verse_is_told_by_who_speaks() -> None:
    """Modern Chinese poems have few of the characters that written Chinese of any period has."""
    verse = "每次去买菜\n都很想念\n恨不得买回家\n让父母吃遍\n我吃饱\n你们呢\n却没人回答\n风，吹起门帘\n"
    assert menu_line_share(Page(verse)) == 0
    assert menu_line_share(Page("首页\n新闻\n体育\n登录\n注册\n关于我们\n联系方式\n广告服务\n")) == 1
