"""Format: code, formulas, tables and logs must not meet the rules for prose, nor prose those for code."""

import pytest

from services.rules.formats import FORMATS, decide_format
from services.rules.normalise import normalise
from services.rules.page import Page

PYTHON = '''"""Count words, a little program that reads its input line by line."""
import sys
from collections import Counter


def count(lines):
    # every word once for each time it occurs
    totals = Counter()
    for line in lines:
        totals.update(line.split())
    return totals


if __name__ == "__main__":
    for word, total in count(sys.stdin).most_common(10):
        print(word, total)
'''
C = """#include <stdio.h>

/* 打印一个表，
   每行一个数。 */
int main(void) {
    for (int i = 0; i < 10; i++) {
        printf("%d\\n", i * i);
    }
    return 0;
}
"""
MARKDOWN = """# Pump

A small tool that moves water.

## Install

Run `make install`, then read the [manual](docs/manual.md).

- fast
- quiet
"""
TUTORIAL = """# 循环

## for 语句

有时同一件事要做很多遍，这时就用循环。

```c
for (int i = 0; i < n; i++) {
    sum += a[i];
}
```

## 小结

循环变量在循环体里可以使用，出了循环体就没有了。
"""
LATEX = r"""\section{Energy}
The kinetic energy is $E = \frac{1}{2} m v^2$, as \cite{newton} says.
\begin{equation}
  \label{eq:total} E = T + V
\end{equation}
"""
TABLE = "city\tyear\tpopulation\nA\t2001\t100\nB\t2002\t200\nC\t2003\t300\nD\t2004\t400\n"
PIPES = "| 城市 | 年份 |\n|---|---|\n| 甲 | 2001 |\n| 乙 | 2002 |\n| 丙 | 2003 |\n"
LOG = "".join(f"2024-05-01 10:00:0{i} INFO worker {i} took batch {i * 7}\n" for i in range(8))
PROSE = """The river rose in the night, and by morning the lower road was gone. People came down to look at it
(some of them in boots), said little, and went home again; there was nothing to be done before the water fell.

In the afternoon it rained once more. "We have seen worse," the miller said, "in the year of the flood."
"""
ZH_PROSE = """夜里河水涨了，到了早上，下面的路已经不见了。
人们走下来看（有的穿着靴子），没说几句话，又回家去了。
下午又下起雨来。"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (PYTHON, "code"),
        (C, "code"),
        (MARKDOWN, "markdown"),
        (TUTORIAL, "markdown"),
        (LATEX, "latex"),
        (TABLE, "table"),
        (PIPES, "table"),
        (LOG, "log"),
        (PROSE, "prose"),
        (ZH_PROSE, "prose"),
        ("标题一行", "prose"),
        ("If x is 3 and y is 4, what is x + y?", "prose"),
        (
            "<!DOCTYPE html>\n<html>\n<head>\n<title>Gauge</title>\n</head>\n<body>\n<p>Read.</p>\n</body>",
            "code",
        ),
        (
            "<html> is the first tag of a page, and <body> follows the head; </html> is the last of them.",
            "prose",
        ),
    ],
)
def test_tells_the_format_by_the_text_alone(text: str, wanted: str) -> None:
    """Records of a JSONL file come without a name."""
    assert decide_format(Page(normalise(text)), "", "") == wanted


@pytest.mark.parametrize(
    ("media_type", "source", "wanted"),
    [
        ("text/x-python", "", "code"),
        ("text/markdown; charset=utf-8", "", "markdown"),
        ("", "file:///a/b/main.RS", "code"),
        ("text/plain", "file:///a/Makefile", "code"),
        ("", "https://example.org/paper.tex?download=1", "latex"),
        ("text/csv", "", "table"),
        ("text/plain", "file:///a/records.py#17", "prose"),  # a record in a file, not the file
        ("text/html", "file:///a/page.md", "prose"),  # parse made text of it
        ("text/plain", "http://[broken", "prose"),
        ("application/pdf", "file:///a/b.pdf", "prose"),
    ],
)
def test_the_name_decides_where_it_is_known(media_type: str, source: str, wanted: str) -> None:
    """A short module or a licence header alone does not look like code; its suffix says it."""
    assert decide_format(Page(PROSE), media_type, source) == wanted


def test_a_listing_makes_no_code_of_the_prose_around_it() -> None:
    """The rules for code drop it: its lines are long."""
    told = (
        "The method is called once for each file that is opened; it gives a handle that has to be closed. "
        * 9
    )
    assert decide_format(Page(f"```\n{C * 4}```\n{told}\n{told}"), "", "") == "markdown"
    assert decide_format(Page(PYTHON.replace('"""Count', '"""```\nx = 1\n```\nCount')), "", "") == "code"


def test_what_is_said_between_listings_makes_no_code_of_them() -> None:
    """A thread whose posts are one line each; minified code says nothing."""
    post = (
        "I have the lamp on the gate and it is not lit when the wind is up, so what is it that I do to it. "
        * 4
    )
    listing = "var lamp = gate.open();\nlamp.light(wind);\nif (wind.isUp()) {\n    lamp.shade();\n}\n"
    assert decide_format(Page(f"{listing}{post}\n{listing}"), "", "") == "prose"
    minified = "var a=b.c();d.e(f,g[0]);if(h){i.j=k;}" * 12
    assert decide_format(Page(f"{listing}{minified}\n{listing}"), "", "") == "code"


def test_items_of_a_law_and_rows_of_links_are_no_code() -> None:
    """Each ends with a semicolon, begins with a bracket or looks like a call: a law was dropped as code."""
    items = "".join(
        f"    ({n}) the gauge at [bridge {n}][/law/{n}] ([12 Marn. 4{n}][/marn/{n}] and what follows);\n"
        for n in range(1, 12)
    )
    law = f"The miller reads, in the morning,\n{items}"
    assert decide_format(Page(normalise(law)), "", "") != "code"
    badges = "".join(
        f"[![lamp {n}](https://img.example.org/lamp{n}.svg?style=flat&logo=lamp)](https://example.org/{n})\n"
        for n in range(4)
    )
    assert decide_format(Page(normalise(f"# Lamps\n\n{badges}\n(to be mended)\n")), "", "") == "markdown"
    casts = "".join(f"    (void) shut(gate_{n});\n    (*lamp)(gate_{n}, {n});\n" for n in range(9))
    assert decide_format(Page(normalise(casts)), "", "") == "code"


def test_every_answer_is_a_known_format() -> None:
    samples = [
        PYTHON,
        C,
        MARKDOWN,
        LATEX,
        TABLE,
        LOG,
        PROSE,
        "",
        "\n",
        "%",
        "```",
        "|||\n" * 9,
        "\\" * 50,
        "{" * 500,
    ]
    assert {decide_format(Page(text), "", "") for text in samples} <= set(FORMATS)


def test_hostile_lines_do_not_take_long() -> None:
    """Backtracking in a regular expression is how one document stalls a service."""
    import time

    for piece in (")", "/*", "if ", '"""', "a.", "`", "\\a", "# ", "- ", "x=", "|,"):
        for text in (piece * 20_000, (piece * 200 + "\n") * 200):
            start = time.process_time()
            decide_format(Page(text), "", "")
            assert time.process_time() - start < 3, piece
