"""Pages of odds and ends: markup that is left open, closed twice or put in each other, in any bytes."""

# ruff: noqa: E501 - pages are written as they come

from __future__ import annotations

import random

TAGS = (
    "div", "p", "span", "b", "i", "a", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th", "pre", "code",
    "h1", "h2", "h3", "blockquote", "article", "main", "nav", "footer", "section", "math", "mfrac", "msup", "mi", "mo",
    "semantics", "annotation", "mml:math", "mrow", "mover", "mfenced", "mmultiscripts", "mtable", "mtr", "mtd", "sup", "sub", "ruby", "rt", "noscript", "button", "details", "summary", "figure",
    "mjx-container", "x-post", "font", "form", "svg", "select", "textarea", "template", "body", "html", "head",
)  # fmt: skip
ATTRIBUTES = (
    "", "", "", " class=post", " class='comment reply'", " class=highlight", " class=linenos", " class=katex",
    " class=MathJax", " class='math display'", " class=code", " style='display:none'", " hidden", " id=main",
    " data-tex='x^2'", " rowspan=9", " colspan=99999999999", " alttext='\\frac{1}{2}'", " role=presentation",
    " data-mathml='<math><mi>x</mi>'", " class='hljs-ln-numbers'", " linethickness=0", " mathvariant=bold", " stretchy=false",
    " open='{' close=''", " aria-hidden=true", " class=fragment", " class=katex-html", " class=katex-mathml", " class=filename", " style='font-family: monospace'",
    " data-math-style=inline", " shadowrootmode=open", " start=7", " value=99", " href='#a'", " =", " '", ' "',
)  # fmt: skip
WORDS = (
    "the keeper ", "wrote ", "down 3 storms. ", "灯塔看守人", "每天傍晚，", "记下天气。", "x = f(y);\n", "    return 1\n", "1\n",
    "2 ", "$a_1$", "\\(x\\)", "\\[", "\\]", "$$", "|", "`", "(", ")", "{", "`((a, b), (c, d))`", "免责声明：不代表本站观点。", "*", "&nbsp;", "&#0;", "&#xD800;", "&amp;", "&lt;p&gt;", "\n\n",
    "Reply ", "Posted by ann on 2021-03-04 ", "© 2020 ", "<br>", "<br><br/>", "<hr>", "<!--", "-->", "<![CDATA[", "]]>", "<?x",
    "<img alt='\\frac{a}{b}' class=tex>", "<script type='math/tex'>a^2</script>", "<script>var a = '<p>';</script>",
    "<script src=ASCIIMathML.js></script>", "</", "<",
    "\x00", "\x1b[1m", "\x01", "\ufffd", "\u200b", "\U0001f600", "~{<:Ky~}", "\x1b$B$3\x1b(B", "+ZeVnLIqe-", "Привет ", "καλημέρα ", "¶", "复制代码",
)  # fmt: skip
CHARSETS = (
    "utf-8",
    "utf-8",
    "utf-8",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_kr",
    "cp1251",
    "utf-16",
    "utf-16-le",
    "iso2022_jp",
    "hz",
    "utf-7",
    "koi8-r",
    "cp1253",
)
DECLARED = (
    "",
    "<meta charset=gbk>",
    "<meta charset=utf-8>",
    "<meta charset='x'>",
    "<?xml version='1.0' encoding='big5'?>",
)


def odd_page(rng: random.Random) -> bytes:
    """A page by chance, some bytes of it changed."""
    open_: list[str] = []
    out = [rng.choice(DECLARED)]
    for _ in range(rng.randrange(1, 120)):
        kind = rng.random()
        if kind < 0.35:
            tag = rng.choice(TAGS)
            open_.append(tag)
            out.append(f"<{tag}{rng.choice(ATTRIBUTES)}>")
        elif kind < 0.6 and open_:
            out.append(f"</{open_.pop() if rng.random() < 0.8 else rng.choice(TAGS)}>")
        else:
            out.append(rng.choice(WORDS) * (1 if rng.random() < 0.95 else rng.randrange(2, 60)))
    body = bytearray("".join(out).encode(rng.choice(CHARSETS), "ignore"))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 5))):
        if body:
            body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body)
