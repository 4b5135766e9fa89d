# ruff: noqa: E501 - pages are written as they come
import time

import pytest
from lxml import etree

from services.parse.html.listings import find_listings
from services.parse.html.markdown import render
from services.parse.html.outline import outline

CODE = 'def area(shapes):\n    total = 0\n\n    for shape in shapes:\n        total += shape.width * shape["height"]\n    return total'
LINES = CODE.split("\n")
NBSP = "&nbsp;"


def markdown(body: str) -> str:
    root = etree.fromstring(f"<html><body>{body}</body></html>".encode(), etree.HTMLParser(encoding="utf-8"))
    page = outline(root, 512)
    return render(page, page.blocks)


def rows(number: str, code: str) -> str:
    return "".join(f"<tr>{number.format(i)}{code.format(line)}</tr>\n" for i, line in enumerate(LINES, 1))


def each(form: str, between: str = "") -> str:
    return between.join(form.format(line, i) for i, line in enumerate(LINES, 1))


LAYOUTS = {
    "pre": f"<pre>{CODE}</pre>",
    "pre of br": "<pre>" + "<br/>".join(LINES).replace(" ", NBSP) + "</pre>",
    "pre of divs": "<pre><code>" + each("<div class=line>{0}</div>") + "</code></pre>",
    "pre of spans": "<pre class=shiki><code>" + each("<span class=line><span>{0}</span></span>", "\n") + "</code></pre>",
    "pre of spans without line ends": "<pre><code>" + each("<span class='line'>{0}</span>") + "</code></pre>",
    "pre of list": "<pre class='prettyprint'><ol class=linenums>" + each("<li class=L{1}><code>{0}</code></li>") + "</ol></pre>",
    "pre with numbers in spans": "<pre>" + each("<span class=lineno>{1} </span>{0}", "\n") + "</pre>",
    "pre with numbers in text": "<pre class=code>" + each("{1:>3} {0}", "\n") + "</pre>",
    "pre and a list of numbers": f"<pre><code>{CODE}</code><ul class=pre-numbering>" + each("<li>{1}</li>") + "</ul></pre>",
    "a button in it": f"<div class=highlight><pre><button class=copy>Copy</button>{CODE}\n</pre></div>",
    "table by row": f"<div class=highlight><table>{rows('<td class=ln>{0}</td>', '<td class=code><pre>{0}' + chr(10) + '</pre></td>')}</table></div>",
    "table in pre": f"<pre><code><table class=hljs-ln>{rows('<td class=hljs-ln-numbers data-line-number={0}></td>', '<td class=hljs-ln-code>{0}</td>')}</table></code></pre>",
    "table of a forge": f"<table class='highlight js-file-line-container'>{rows('<td class=blob-num data-line-number={0}></td>', '<td class=blob-code>{0}</td>')}</table>",
    "table of one row": "<table class=highlighttable><tr><td class=linenos><pre>" + "\n".join(map(str, range(1, 7))) + f"</pre></td><td class=code><pre><span></span>{CODE}\n</pre></td></tr></table>",
    "table of divs": "<table class=syntaxhighlighter><tr><td class=gutter>" + each("<div class='line number{1}'>{1}</div>") + "</td><td class=code><div class=container>" + each("<div class=line>{0}</div>").replace("  ", NBSP * 2) + "</div></td></tr></table>",
    "list": "<div class=dp-highlighter><ol class=dp-py>" + each("<li><span>{0}</span></li>").replace("  ", NBSP * 2) + "</ol></div>",
    "list of code": "<ol>" + each("<li><code>{0}</code></li>").replace("  ", NBSP * 2) + "</ol>",
    "divs of an editor": "<div class=CodeMirror-code>" + each("<div><div class=CodeMirror-linenumber>{1}</div><pre class=CodeMirror-line>{0}</pre></div>") + "</div>",
    "div of br": "<div class=w3-code>" + "<br>".join(LINES).replace(" ", NBSP) + "</div>",
    "code of br": "<p><code>" + "<br>".join(LINES).replace(" ", NBSP) + "</code></p>",
    "lines and breaks": "<figure class=highlight><table><tr><td class=gutter><pre>" + each("<span class=line>{1}</span><br>") + "</pre></td><td class=code><pre>" + each("<span class=line>{0}</span><br>") + "</pre></td></tr></table></figure>",
    "breaks at line ends": "<p><code>" + "<br />\n".join(LINES).replace(" ", NBSP) + "</code></p>",
    "bar above": "<div class=dp-highlighter><div class=bar><div class=tools>[python] <a>view plain</a><a>copy</a></div></div><ol>" + each("<li><span>{0}</span></li>").replace("  ", NBSP * 2) + "</ol></div>",
    "board": "<div class=blockcode><div id=code_x><ol>" + each("<li>{0}<br>").replace("  ", NBSP * 2) + "</ol></div><em>复制代码</em></div>",
    "header in pre": "<pre><div class=code-block-extension-header><span class=code-block-extension-lang>python</span><div>复制代码</div></div><code>" + each("<span>{0}</span>", "\n") + "</code></pre>",
    "file name above": "<table class=highlighttable><tr><th colspan=2 class=filename>area.py</th></tr><tr><td class=linenos><pre>" + "\n".join(map(str, range(1, 7))) + f"</pre></td><td class=code><pre>{CODE}</pre></td></tr></table>",
    "numbers by attribute": f"<table>{rows('<td class=lines-num><span data-line-number={0}></span></td>', '<td class=lines-code><code>{0}' + chr(10) + '</code></td>')}</table>",
    "editor with a gutter": "<div class=ace_editor><div class=ace_gutter>" + each("<div class=ace_gutter-cell>{1}</div>") + "</div><div class=ace_text-layer>" + each("<div class=ace_line>{0}</div>").replace("  ", NBSP * 2) + "</div></div>",
    "divs in divs": "<div class=enlighter>" + each("<div><div><span>{0}</span></div></div>").replace("  ", NBSP * 2) + "</div>",
    "divs with numbers": "<div class=fragment>" + each("<div class=line><span class=lineno>    {1}</span>&#160;{0}</div>\n").replace("  for", "&#160; for").replace("  total", "&#160; total") + "</div>",
    "code for each line": "<pre>" + each("<code><span>{0}</span></code>") + "</pre>",
    "blocks by style": "<pre><code>" + each("<span style='display: block'>{0}</span>") + "</code></pre>",
    "paragraphs of code": each("<p><code>{0}</code></p>").replace(" ", NBSP),
    "paragraphs in its letters": each("<p style='font-family: Consolas'>{0}</p>").replace("  ", NBSP * 2),
    "a pre for each line": each("<pre>{0}</pre>", "\n"),
    "divs of code": "<div>" + each("<div><code>{0}</code></div>").replace(" ", NBSP) + "</div>",
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_code_comes_out_as_one_fenced_block_as_it_stood(layout):
    """Prevents lost lines and indentation, line numbers in code, and a block cut into cells or items."""
    text = markdown(
        f"<p>The function:</p>{LAYOUTS[layout]}<p>It adds up what it finds, twice where two are equal.</p>"
    )
    fenced = text.partition("```\n")[2].partition("\n```")[0]
    assert fenced.split("\n") in (LINES, [line for line in LINES if line])
    assert text.count("```") == 2
    assert text.startswith("The function:\n\n```\n")
    assert text.endswith("```\n\nIt adds up what it finds, twice where two are equal.")


@pytest.mark.parametrize(
    "body",
    [
        "<ol><li>Open the lid</li><li>Take out the lamp</li><li>Close it (gently)</li></ol>",
        "<div class='highlight'><p>A week by the sea, all meals included.</p><p>Children go free.</p></div>",
        "<table><tr><td>1</td><td><code>OK</code></td><td>all went well</td></tr><tr><td>2</td><td><code>NO</code></td><td>it did not</td></tr></table>",
        "<p>Use <code>ls</code> or <code>dir</code>.</p>",
        "<ul><li><code>ls</code></li><li><code>dir</code></li><li><code>stat</code></li></ul>",
        "<p><code>ls</code></p><p>lists what there is.</p><p><code>cat</code></p><p>shows it.</p>",
        "<p><code>(lid)</code></p><p><code>{lamp}</code></p>",
        "<table class='code'><tr><td>12</td><td>Paris</td></tr><tr><td>7</td><td>Rome</td></tr></table>",
    ],
    ids=["steps", "box", "codes", "inline", "commands", "glossary", "pair", "numbers"],
)
def test_what_is_no_code_is_not_fenced(body):
    """Prevents lists, boxes and tables of data from becoming listings."""
    assert "```" not in markdown(body)


def test_a_letter_set_by_hand_keeps_its_lines_without_a_fence():
    """Prevents mails and poems in `pre` from passing for code."""
    letter = "Dear all,\n\nthe boat leaves at nine on Sunday,\nso bring coats and something warm to drink\nfor the way back.\n\nYours, Ann"
    assert markdown(f"<pre>{letter}</pre>") == letter


def test_code_that_holds_a_fence_gets_a_longer_one():
    """Prevents a listing of Markdown from ending in its middle."""
    assert markdown("<pre><code>a = 1\n```\nb\n```</code></pre>") == "````\na = 1\n```\nb\n```\n````"


def test_what_is_linked_in_code_stays():
    """Prevents words of a program from being taken for what can be pressed beside it."""
    code = "<pre class=code><code><a href=/p>print</a>(<a href=/c>copy</a>(rows))\n</code></pre>"
    assert markdown(code) == "```\nprint(copy(rows))\n```"


def test_code_in_cells_and_quotations_keeps_its_lines():
    """Prevents a program from becoming one line of a table, or its lines from beginning with a bracket."""
    table = (
        f"<table><tr><th>Name</th><th>Code</th></tr><tr><td>area</td><td><pre>{CODE}</pre></td></tr></table>"
    )
    for page in (table, f"<blockquote><pre><code>{CODE}</code></pre></blockquote>"):
        assert f"```\n{CODE}\n```" in markdown(page)


def test_elements_in_each_other_are_read_no_oftener_than_beside_each_other():
    """Prevents seconds for a page of a hundred blocks in each other, each of which was read to its end to see
    whether it is a button.
    """

    def seconds(blocks):
        root = etree.fromstring(f"<html><body>{blocks}</body></html>", etree.HTMLParser(huge_tree=True))
        begun = time.process_time()
        find_listings(root)
        return time.process_time() - begun

    block, words = "<div class='code copy'>", "<b>a</b>" * 2000
    inside, beside = (
        min(seconds(block * 90 + words) for _ in range(2)),
        min(seconds((block + words + "</div>") * 9) for _ in range(2)),
    )
    assert inside < 10 * beside + 0.02
