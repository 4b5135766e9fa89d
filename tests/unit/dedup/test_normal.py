"""What is compared of a document."""

from __future__ import annotations

import time

import pytest

from contracts import Document
from services.dedup.normal import compared, prose, without_head
from services.runtime import Drop
from tests.near_duplicates import document, memory_judge

NOTICE = [
    "Copyright 2024 the authors of the gauge",
    'Licensed to whom it may concern: see the file "NOTICE", don\'t lose it',
    "include this head in each copy",
    "",
    "without warranty; neither in contract nor in tort",
]
BODY = "value = compute(1, 2)\nshow(value)\n"
PROGRAMS = [
    "def read(path):\n    with open(path) as lines:\n        return [float(line) for line in lines]\n",
    "class Gauge:\n    def __init__(self, name):\n        self.name = name\n",
    "import sys\n\nprint(sum(map(int, sys.argv[1:])))\n",
    "LIMIT = 42\nNAMES = ('a', 'b')\n",
]


def code(text: str) -> Document:
    return Document(text=text, format="code")


def lines(mark: str) -> str:
    return "".join(f"{mark} {line}\n" if line else f"{mark}\n" for line in NOTICE)


def block(opening: str, closing: str) -> str:
    return f"{opening}\n" + "\n".join(NOTICE) + f"\n{closing}\n"


HEADS = [
    *map(lines, ["#", "##", "//", "///", "--", ";", ";;", "%", "%%", "!", "!!", "'", '"', "*", "*>"]),
    *map(lines, ["::", "||", "REM", "rem", "@REM", "dnl", "C", "c", '.\\"', "..", "NB."]),
    *(
        block(*marks)
        for marks in [
            ("/*", "*/"), ("/**", " */"), ("<!--", "-->"), ("(*", "*)"), ("{-", "-}"), ("{", "}"),
            ("--[[", "]]"), ("#|", "|#"), ("<#", "#>"), ("=begin", "=end"), ("=pod", "\n=cut"), ("#=", "=#"),
            ("{#", "#}"), ('"""', '"""'), ("'''", "'''"), ("#[[", "]]"), ("/*!", "*/"),
        ]
    ),
    "#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n#\n" + lines("#"),
    "<?php\n" + block("/*", "*/"),
    "\ufeff" + lines("//").replace("\n", "\r\n"),
    "/* one line */\n\n" + lines("//") + "\n//\n// and another\n",
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("gap", ["", "\n\n"])
def test_the_comment_at_the_head_is_not_compared(head: str, gap: str) -> None:
    """Prevents: thousands of short files that are copies of each other by their licence alone."""
    assert without_head(head + gap + BODY) == BODY
    assert compared(code(head + gap + BODY)) == compared(code(BODY))


@pytest.mark.parametrize("text", [
    "#include <stdio.h>\nint main() { return 0; }\n", "#define ONE 1\n#define TWO 2\n",
    "#![allow(dead_code)]\nfn main() { println!(1) }\n", "#[derive(Debug)]\nstruct A { b: i32, c: u8 }\n",
    "*p = 5; call_something(q);\n", "!important(call, b, c, d)\n", "#main { color: red; margin: 0 }\n",
    '{"a": "b", "c": "d"}\n{"a": "e", "c": "f"}\n', "/* never closed\nint main() { return 0; }\n",
    '"""How two words are joined, and why."""\n\ndef join(a, b): return a + b\n',
])  # fmt: skip
def test_code_is_no_head(text: str) -> None:
    assert without_head(text) == text


def test_a_file_of_nothing_but_a_head_is_compared_whole() -> None:
    """Else all files with little in them are one."""
    for text in (lines("#"), lines("//") + "x = 1\n"):
        assert without_head(text) == text


@pytest.mark.parametrize("head", HEADS[:40:7])
def test_programs_under_one_head_survive_and_copies_do_not(head: str) -> None:
    """The case licence.jsonl: of four short programs under one licence three dropped."""
    judge = memory_judge()
    batch = [document(uid, head + "\n" + text) for uid, text in enumerate(PROGRAMS, 1)]
    batch.append(document(9, PROGRAMS[0], 0.1))
    for each in batch:
        each.media_type = "text/x-python"
    verdicts = judge(batch)
    assert [isinstance(verdict, Drop) for verdict in verdicts] == [False] * 4 + [True]


def test_indentation_is_part_of_a_program() -> None:
    """Two that differ in it alone are not the same text, and not one by their signatures either."""
    one = "def f(values):\n    total = 0\n    for v in values:\n        total += v\n    return total\n"
    other = one.replace("    return", "        return")
    a, b, wide = (compared(code(text)) for text in (one, other, one.replace("    ", "\t")))
    assert a.exact != b.exact
    assert a.text != b.text
    assert (a.exact, a.text) != (wide.exact, wide.text)
    assert a.text == wide.text  # the same blocks


def test_lines_that_say_nothing_do_not_make_another_program() -> None:
    assert compared(code("a = 1\r\n\r\n\r\nb = 22222  \n")) == compared(code("a = 1\nb = 22222"))


def test_case_and_space_do_not_matter_in_prose_and_other_things_do() -> None:
    same = [" über allem gipfeln ", "Über  allem\n Gipfeln"]
    a, b, other = (compared(Document(text=text)) for text in [*same, "über allem gipfeln!"])
    assert a == b
    assert a.exact != other.exact


@pytest.mark.parametrize(("text", "normal"), [
    ("河水 长流\n春山\u3000可望", "河水长流春山可望"),
    ("他 说 ： “ 好 ”", '他说:"好"'),
    ("使用 Python 3 与 C 的语言", "使用python3与c的语言"),
    ("the words 山 水 are two of these", "the words山水are two of these"),
    ("ひら がな カタ カナ", "ひらがなカタカナ"),
    ("한국어 는 띄어 쓴다", "한국어 는 띄어 쓴다"),
    ("well — “quoted” words", 'well - "quoted" words'),
    ("\U00020000 \U00020001", "\U00020000\U00020001"),
    ("soft\u00adhyphens and\u200b no \ufeffwidth", "softhyphens and no width"),
    ("\u200b", "\u200b"),
    ("Ａ ｗｏｒｄ， ｗｉｄｅ ｅｎｏｕｇｈ", "a word, wide enough"),
])  # fmt: skip
def test_spaces_beside_han_are_dropped(text: str, normal: str) -> None:
    """A hard wrap, or a line that was set with spaces, is no other text."""
    assert prose(text) == normal


@pytest.mark.parametrize(("text", "normal"), [
    ("漢字與標準軟體", "汉字与标准软件"),
    ("預設值的軟 體\n程 式", "默认值的软件程序"),
    ("只 有 一 个 \u88e1 字 ， 软 体 动 物 照 旧 ， 其 余 都 是 简 体 的 字",
     "只有一个里字,软体动物照旧,其余都是简体的字"),
    ("漢字\ud800與", "汉字\ufffd与"),
    ("ＡＢＣ１２３，ｄ％", "abc123,d%"),
    ("cafe\u0301 am Fluß", "caf\u00e9 am fluß"),
    ("\uf90a \u2f00", "金一"),  # compatibility forms
    ("\U0001f600 \U000e0041 é", "\U0001f600 \U000e0041 é"),
    ("a\ud800é", "a\ud800é"),
    ("é", "é"),
])  # fmt: skip
def test_what_is_written_differently_counts_as_one(text: str, normal: str) -> None:
    assert prose(text) == normal


def test_scripts_are_kept_apart_where_that_is_asked_for_and_in_japanese() -> None:
    assert prose("漢字", fold_script=False) == "漢字"
    old, new = Document(text="漢字與標準"), Document(text="汉字与标准")
    assert compared(old) == compared(new)
    assert compared(old, fold_script=False) != compared(new, fold_script=False)
    old.language = new.language = "ja"
    assert compared(old) != compared(new)


@pytest.mark.parametrize(("marked", "plain"), [
    ("# Gauges\n\n- first\n- **second**\n\n> said `so`", "Gauges first second said so"),
    ("1 > 0\n* a *starred* word\n> > twice", "1 > 0 a *starred* word twice"),
    ("see [the page](https://example.org/a_b) and ![a picture](x.png)", "see the page and a picture"),
    ("---\ntitle: a\ntags: [b]\n---\nThe text", "The text"),
    ("---\nno front matter\n---\nThe text", "--- no front matter --- The text"),
    ("f(a)[0](b) - c", "f(a)0 - c"),
    ('<p class="a b">One</p> and<br/> <!-- no\n -->two &amp; &lt;three&gt;', "One and two & <three>"),
    ("if a <b and c> d, or x < y > z <3", "if a <b and c> d, or x < y > z <3"),
    ('<a href="x>y">z</a> <b onclick=', '<a href="x>y">z <b onclick='),
])  # fmt: skip
def test_marks_are_no_text(marked: str, plain: str) -> None:
    """A page that was taken as Markdown is the same text as one that was taken plain."""
    assert prose(marked) == plain.lower()


@pytest.mark.parametrize(("head", "foot"), [
    ("Home | About us | Contact\nSkip to content\nShare on Facebook",
     "Read more\nLeave a comment\n© 2026 The Gauge. All rights reserved."),
    ("首页 > 新闻 > 正文\n分享到： 微信 微博",
     "责任编辑：王五\n上一篇：雨 下一篇：雪\n版权所有 某公司\n京ICP备00000000号"),
])  # fmt: skip
def test_what_a_page_puts_around_its_text_is_not_compared(head: str, foot: str) -> None:
    """Prevents a short notice on two sites from being two texts, half of each being its site's."""
    text = (
        "The water stood at four metres this morning, and nobody was told.\n"
        "今天早上水位四米，没有新的消息，所以大家都回家了。\nNews of the gauge follows at noon."
    )
    assert compared(Document(text=f"{head}\n\n{text}\n{foot}\n")) == compared(Document(text=text))
    only = f"{head}\n{foot}"
    assert prose(only) != prose(head), "a text of nothing else is that text"


@pytest.mark.parametrize("line", [
    "Home is where the river is", "我们在首页上看到了这条新闻", "share on the whole", "nextdoor",
    "copyright: what it is, and why a text may be copied in a library and not in a shop, which both lend it",
])  # fmt: skip
def test_sentences_are_no_scaffolding(line: str) -> None:
    text = (
        f"{line}\nwhat follows is longer than all that stood before, by far and beyond doubt: " + "so " * 20
    )
    assert prose(text).startswith(prose(line))


def test_spaces_between_tokens_are_the_formatters() -> None:
    """Else the same program, formatted by another tool, is another one; words stay apart."""
    one, other = (
        compared(code(text)) for text in ("int f(a,b){return a+b;}\n", "int f( a, b ) { return a + b ; }\n")
    )
    assert one.text == other.text
    assert one.exact != other.exact
    assert compared(code("else if (a) b c")).text != compared(code("elseif (a) bc")).text


def test_a_text_of_nothing_but_marks_is_compared_as_it_is() -> None:
    assert prose("- **") == "- **"
    assert prose("`") != prose("**")


@pytest.mark.parametrize("piece", [
    "[", "](", "[a](", "\n- ", "\n> > ", "\n" + " " * 50, "---\na:\n", "漢 ", "`", "<", "<a b=", "<!--",
    "&", "&#", "\nhome | ", "\nhome home", "copyright ", "\n版权所有", "\u200b",
])  # fmt: skip
def test_no_text_costs_more_than_its_length(piece: str) -> None:
    """Prevents a page of half-finished links from holding a batch."""

    def seconds(times: int) -> float:
        text = piece * times + "é"
        before = time.process_time()
        prose(text)
        return time.process_time() - before

    prose("é漢")
    assert seconds(40_000) < 20 * seconds(4_000) + 0.2


def test_what_is_code_is_told_by_the_format_and_without_one_by_the_media_type() -> None:
    text = "# a note that stands here\nif a:\n    call(b)\n"
    as_code = compared(code(text))
    assert compared(Document(text=text, media_type="text/x-python")) == as_code
    for other in [Document(text=text, media_type="text/x-python", format="prose"), Document(text=text),
                  Document(text=text, media_type="text/x-rst")]:  # fmt: skip
        assert compared(other) != as_code
