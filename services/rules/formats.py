"""What kind of text it is, decided before any rule, since rules for prose punish code and formulas.

The name decides where it is known (media type, file suffix), the characters and lines where it is not.
No model: a few counts and one regular expression over the head of the text.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from services.rules.characters import DIGIT, HAN
from services.rules.page import Page
from services.rules.quoted import without_fences
from services.rules.words import ENGLISH

FORMATS = ("prose", "code", "markdown", "latex", "table", "log")

_HEAD = 20_000  # characters looked at by regular expressions
_MAX_LINES = 200  # lines looked at one by one
_CODE_LINES = 100  # lines, evenly over the head, that are held against the patterns of code
_MAX_CODE_LINE = 300  # what is longer is minified: no evidence, and time for a regular expression
# English function words, of all words. Of 52 minified scripts and styles the most has .14; threads and
# manuals with listings, whose paragraphs are one line each, have .2 and more.
_SAID = 0.15

_SUFFIXES = {
    "markdown": "md markdown mdown mkd rmd qmd",
    "latex": "tex latex sty cls bib ltx",
    "table": "csv tsv tab",
    "log": "log",
    "code": """
        py pyi pyx c h cc cpp cxx hpp hh hxx cu cuh java kt kts scala groovy js mjs cjs jsx ts tsx vue svelte
        go rs rb php pl pm lua r jl swift m mm cs fs vb dart ex exs erl hs ml mli clj cljs lisp el scm rkt
        f f90 f95 pas d nim zig v sv vhd asm s sh bash zsh fish ps1 bat cmd sql css scss less json yaml yml
        toml ini cfg cmake mk gradle proto thrift graphql tf dockerfile makefile nix sol
    """,
}
_FORMAT_OF_SUFFIX = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}

_MEDIA_TYPES = {
    "markdown": "text/markdown text/x-markdown",
    "latex": "text/x-tex text/x-latex application/x-tex application/x-latex",
    "table": "text/csv text/tab-separated-values",
    "code": """
        text/css text/javascript text/typescript application/javascript application/typescript application/sql
        application/json application/toml application/yaml application/x-yaml application/x-sh
        application/x-csh application/x-python-code application/x-httpd-php application/x-perl
        application/x-ruby
    """,
}
_FORMAT_OF_MEDIA_TYPE = {kind: name for name, kinds in _MEDIA_TYPES.items() for kind in kinds.split()}
_NOT_CODE = frozenset({"text/x-rst", "text/x-log", "text/x-component", "text/x-vcard", "text/x-vcalendar"})

_LATEX = re.compile(
    r"\\(?:begin|end|section|subsection|chapter|documentclass|usepackage|newcommand|item|label|cite|ref)\b"
)
_COMMAND = re.compile(r"\\[A-Za-z]{2,}")
_LOG = re.compile(
    r"\n\W{0,2}(?:"
    + "|".join(
        (
            r"\d{4}[-/.]\d\d[-/.]\d\d[T ]\d\d:\d\d",  # 2024-05-01 10:00
            r"\d\d[-/]\d\d[-/ ]\d\d(?:\d\d)?[ T]\d\d:\d\d:\d\d",  # 01/05/24 10:00:00
            r"\d\d:\d\d:\d\d[.,]\d",  # 10:00:00.1
            r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",  # May  1 10:00:00, syslog
            r"\d{1,3}(?:\.\d{1,3}){3} - ",  # 10.0.0.1 - , web servers
            r"(?:DEBUG|INFO|WARN|WARNING|ERROR|FATAL|TRACE)\b[\]: ]",
        )
    )
    + ")"
)
# What a line of code looks like, in the common languages, unless its end tells already. Where giving back
# can bring no match, repetitions are possessive (*+): most lines are tried against everything.
_CODE_ENDS = (";", "{", "}")
_CODE = re.compile(
    r"[ \t]*+(?:"
    + "|".join(
        (
            r"(?:def|class|async def) \w+.*:",
            r"from [\w.]+ import |import [\w.{*]",
            r"(?:el)?if .*(?::|\{|\bthen)$|else(?::| ?\{)|for .*(?::|\{|; ?do)$|while .*[:{]$",
            r"try ?[:{]|except\b.*:|return\b.*[;)\w]$",
            r"#(?:include|define|if|ifdef|ifndef|endif|pragma)\b",
            r"(?:public|private|protected|static|export|final) ",
            r"(?:const|let|var|auto|int|void|char|float|double|bool|String|val|type) [\w*&<>]+",
            r"(?:func|fn|function|sub|struct|interface|enum|impl) ?[\w<(.:]",
            r"(?:namespace|package|module|use|using|typedef|template) ?[\w<(.:]",
            r"@\w+(?:\(.*\))?$",  # a decorator or annotation
            r"</?\w+[^>]*>$",  # a tag
            r"[\w.\[\]\"'*>-]++ ?(?:[-+*/|&:]?=|=>|<-) .+",  # an assignment
            r"[\w.:>-]++\(.*\)[;:,]?$|[\w#]++ ?\(.*\)(?:: .+|;|,)",  # a call or signature
            r"[})\]]+[;,)]*$",  # closing brackets
            r"[\[(\"'].*[,\])]$",  # a row of data
            r">>> ",
        )
    )
    + ")"
)
# What begins like a row of data or a call, or ends like a statement, and is a law's item or a row of links.
_NO_CODE = re.compile(
    r"[ \t]*+(?:\((?:\d{1,3}|[A-Za-z]|[ivxlc]{2,6})\) [^\W_]|!?\[[^\n]*\]\([^\s{}]*\)[^\n{};]*$)"
)
# The source of a page or picture, which a record holds as it is; who only talks of one closes no tags.
_SOURCE = re.compile(r"\s{0,20}<(?:!doctype|html|head|body|svg|\?xml)\b", re.IGNORECASE)
_TAGS = 3
_SUBHEADING = re.compile(r"\n#{2,6} \S")
_LINK = re.compile(r"\]\([^)\s]+\)")
_MARKUP = re.compile(r" {0,3}[-*+] \S|\d{1,2}\. \S|> |\|.*\|$|[=-]{3,}$")
_MARKUP_FIRSTS = frozenset(" -*+>|=0123456789")
_CODE_SYMBOLS = "{}()[];=<>_"
_RARE_IN_PROSE = "{};=<>_"
# Comments are prose inside code; they are left out before its lines are counted. Each alternative begins
# with a character of its own, which lets the search skip all others: hence the line break and not `^`.
_COMMENT = re.compile(
    r"/\*.*?\*/|\"\"\".*?\"\"\"|'''.*?'''|\n[ \t]*+(?://|#(?![a-z])|--|%|;)[^\n]*", re.DOTALL
)


def decide_format(page: Page, media_type: str, source: str) -> str:
    """One of FORMATS. media_type and source (a URI, with #record for a record in a file) may be empty."""
    return _named_format(media_type, source) or _measured_format(page)


def _named_format(media_type: str, source: str) -> str | None:
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type in _FORMAT_OF_MEDIA_TYPE:
        return _FORMAT_OF_MEDIA_TYPE[media_type]
    if media_type.startswith("text/x-") and media_type not in _NOT_CODE:
        return "code"
    if "#" in source or media_type not in ("", "text/plain", "application/octet-stream"):
        return None  # a record in a file, or something that parse turned into text
    try:
        name = urlsplit(source).path.rpartition("/")[2].lower()
    except ValueError:
        return None
    suffix = name.rpartition(".")[2]
    return _FORMAT_OF_SUFFIX.get(suffix)


def _measured_format(page: Page) -> str:
    head = page.text[:_HEAD]
    if head.startswith("#!/") or (_SOURCE.match(head) and head.count("</") >= _TAGS):
        return "code"
    headings, links, fences = _markdown_signs(head)
    if (headings >= 2) + (links >= 2) + (fences >= 2) >= 2:
        return "markdown"
    if _is_latex(head):
        return "latex"
    if _is_log(page, head):
        return "log"
    if _is_table(page):
        return "table"
    if _is_code(page, head):
        return "code"
    if (
        headings >= 2
        or links >= 2
        or fences >= 2
        or _is_marked_up(
            page.lines[:_MAX_LINES], is_spanned="`" in page.text or ("*" in page.text and "**" in page.text)
        )
    ):
        return "markdown"
    return "prose"


def _markdown_signs(head: str) -> tuple[int, int, int]:
    """Numbers of headings below the first level (a single # may be a comment), links and fences."""
    return (
        len(_SUBHEADING.findall("\n" + head)) if "#" in head and "##" in head else 0,
        len(_LINK.findall(head)) if "]" in head and "](" in head else 0,
        head.count("```") if "`" in head else 0,
    )


def _is_marked_up(lines: list[str], *, is_spanned: bool) -> bool:
    """More than a quarter of the lines are list items, quotes, rules, or hold bold or code spans.

    is_spanned: whether there may be such spans.
    """
    if len(lines) < 4:
        return False
    if is_spanned:
        marked = [line for line in lines if _MARKUP.match(line) or line.count("`") >= 2 or "**" in line]
    else:
        marked = [line for line in lines if line[0] in _MARKUP_FIRSTS and _MARKUP.match(line)]
    return len(marked) * 4 > len(lines)


def _is_latex(head: str) -> bool:
    if head.count("\\") < 2:
        return False
    if "\\documentclass" in head:
        return True
    structure = len(_LATEX.findall(head))
    commands = len(_COMMAND.findall(head))
    # A paper has sections and a command every 200 characters; a worked problem has formulas between dollars.
    return (
        (structure >= 3 and commands * 200 > len(head))
        or (commands >= 2 and head.count("$") >= 4 and commands * 150 > len(head))
        or (commands >= 3 and commands * 25 > len(head))
    )


def _is_log(page: Page, head: str) -> bool:
    """More than half of the lines begin with a time, an address or a level."""
    if len(page.lines) < 5 or page.counts[DIGIT] * 20 < page.size:
        return False
    return len(_LOG.findall("\n" + head)) * 2 > head.count("\n") + 1


def _is_table(page: Page) -> bool:
    """Most lines hold the same number (≥ 2) of the same separator."""
    if len(page.lines) < 4:
        return False
    sample = page.lines[:_MAX_LINES]
    size = sum(map(len, sample))
    for separator in ("\t", "|", ","):
        # Sentences have commas as well; cells are short.
        num_cells = size / 25 if separator == "," else 0
        if page.text.count(separator) < max(len(sample), num_cells - len(sample)):
            continue
        counts = [line.count(separator) for line in sample]
        common = max(set(counts), key=counts.count)
        enough = sum(counts) + len(counts) > num_cells
        if enough and common >= 2 and counts.count(common) * 10 >= len(sample) * 8:
            return True
    return False


def _is_code(page: Page, head: str) -> bool:
    """Most lines that are no comment look like code, among at least 3 % of symbols that prose seldom has."""
    if len(page.lines) < 3 or page.counts[HAN] * 4 > page.num_visible:
        return False
    if page.longest_line > _MAX_CODE_LINE and page.number_of(ENGLISH) >= _SAID * page.num_tokens:
        return False  # as Chinese above: what is said around listings
    head = without_fences(head)  # listings in a manual make no code of it
    if _number_of(_RARE_IN_PROSE, head) * 100 < len(head):
        return False
    rest = _COMMENT.sub(lambda found: "\n" if found[0][0] == "\n" else "", "\n" + head)[1:]
    body = [line for line in rest.split("\n") if line.strip()]
    if len(body) < 2 or _number_of(_CODE_SYMBOLS, rest) * 100 < 3 * len(rest):
        return False
    indented = sum(line[0] in " \t" for line in body) * 5 > len(body)
    body = body[:: -(-len(body) // _CODE_LINES)]
    needed = len(body) * (4 if indented else 6) // 10 + 1
    return any(number == needed for number, _ in enumerate(filter(_looks_like_code, body), 1))


def _looks_like_code(line: str) -> bool:
    if len(line) >= _MAX_CODE_LINE or not (line.endswith(_CODE_ENDS) or _CODE.match(line)):
        return False
    return _NO_CODE.match(line) is None


def _number_of(marks: str, text: str) -> int:
    """How many of the marks are in the text."""
    return sum(map(text.count, marks))
