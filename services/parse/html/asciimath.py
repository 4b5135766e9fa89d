"""AsciiMath (asciimath.org) to LaTeX, for pages that write their formulas so: sqrt(a)/b, sum_(i=1)^n i^3.

Brackets grow with what they hold, as they do there.
"""

from __future__ import annotations

import itertools
import re

# ruff: noqa: E501, SIM905 - tables and lists of words

_GREEK = frozenset(
    "alpha beta gamma Gamma delta Delta epsilon varepsilon zeta eta theta Theta vartheta iota kappa"
    " lambda Lambda mu nu xi Xi pi Pi rho sigma Sigma tau upsilon phi Phi varphi chi psi Psi omega Omega".split()
)
_FUNCTIONS = frozenset(
    "sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh exp log ln det dim gcd lim max min inf"
    " mod lcm".split()
)
_CALLED = _FUNCTIONS - {"lim", "max", "min", "mod"} | {"f", "g"}  # what follows one belongs to it
_NOT_CALLED_WITH = frozenset({None, "^", "_", "/", "|", ","})
_NAMED = frozenset(
    "sum prod int oint pm times cdot div nabla partial infty ldots cdots vdots ddots le ge ne lt gt equiv approx"
    " propto in notin subset supset subseteq supseteq cup cap emptyset forall exists neg wedge vee oplus otimes"
    " to rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto angle perp prime star"
    " quad qquad top bot models vdash therefore because triangle square langle rangle lfloor rfloor lceil rceil".split()
)
_SIGNS = {
    "+-": "pm", "-+": "mp", "xx": "times", "**": "ast", "***": "star", "//": "/", "\\\\": "backslash", "-:": "div",
    "@": "circ", "o+": "oplus", "ox": "otimes", "o.": "odot", "^^": "wedge", "vv": "vee", "nn": "cap", "uu": "cup",
    "!=": "ne", "<=": "le", ">=": "ge", "-<": "prec", ">-": "succ", "!in": "notin", "sub": "subset",
    "sup": "supset", "sube": "subseteq", "supe": "supseteq", "-=": "equiv", "~=": "cong", "~~": "approx",
    "prop": "propto", "and": "text{ and }", "or": "text{ or }", "if": "text{ if }", "not": "neg", "=>": "Rightarrow",
    "<=>": "Leftrightarrow", "AA": "forall", "EE": "exists", "_|_": "perp", "TT": "top", "|--": "vdash",
    "|==": "models", "del": "partial", "grad": "nabla", "oo": "infty", "O/": "emptyset", ":.": "therefore",
    "...": "ldots", "/_": "angle", "->": "to", "|->": "mapsto", "rarr": "rightarrow", "larr": "leftarrow",
    "harr": "leftrightarrow", "rArr": "Rightarrow", "lArr": "Leftarrow", "hArr": "Leftrightarrow", "NN": "mathbb{N}",
    "ZZ": "mathbb{Z}", "QQ": "mathbb{Q}", "RR": "mathbb{R}", "CC": "mathbb{C}", "|__": "lfloor", "__|": "rfloor",
    "|~": "lceil", "~|": "rceil", "dint": "iint", "gt=": "ge", "lt=": "le", "*": "cdot",
}  # fmt: skip
_ONE = {
    "sqrt": "sqrt", "hat": "hat", "bar": "bar", "vec": "vec", "dot": "dot", "ddot": "ddot", "tilde": "tilde",
    "ul": "underline", "underline": "underline", "overline": "overline", "ubrace": "underbrace",
    "obrace": "overbrace", "bb": "mathbf", "bbb": "mathbb", "cc": "mathcal", "tt": "mathtt", "fr": "mathfrak",
    "sf": "mathsf", "cancel": "cancel",
}  # fmt: skip
_TWO = {"frac": "frac", "root": "sqrt", "stackrel": "stackrel", "overset": "overset", "underset": "underset"}
_OPEN = {"(": "(", "[": "[", "{": r"\{", "(:": r"\langle ", "{:": ".", "<<": r"\langle "}
_CLOSE = {")": ")", "]": "]", "}": r"\}", ":)": r"\rangle ", ":}": ".", ">>": r"\rangle "}
_WORDS = sorted(
    [
        *_GREEK,
        *_FUNCTIONS,
        *_NAMED,
        *_SIGNS,
        *_ONE,
        *_TWO,
        *_OPEN,
        *_CLOSE,
        "abs",
        "norm",
        "floor",
        "ceil",
        "dx",
        "dy",
        "dt",
    ],
    key=len,
    reverse=True,
)
_TOKEN = re.compile(
    r'\s*(?:"([^"]*)"|(?:text|mbox)\(([^()]*)\)|(\d+(?:\.\d+)?)|('
    + "|".join(map(re.escape, _WORDS))
    + r")|(\S))"
)
_PAIRS = {
    "abs": ("|", "|"),
    "norm": (r"\|", r"\|"),
    "floor": (r"\lfloor ", r"\rfloor "),
    "ceil": (r"\lceil ", r"\rceil "),
}
_COMMAND_LAST = re.compile(r"\\[A-Za-z]+$")
_MATRIX = {"[": "bmatrix", "(": "pmatrix", "{:": "matrix", "{": "cases"}
_NESTING = re.compile(r"[()\[\]{},]")
_MAX_DEPTH = 30  # of brackets in each other; what lies deeper stands as it was written


def from_asciimath(text: str) -> str:
    """The same formula in LaTeX; what it does not know stands as it was."""
    parser = _Parser(text)
    return re.sub(r"\s+", " ", parser.expression(0)).strip()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = [
            ("text", quoted or called)
            if quoted or called
            else ("number", number)
            if number
            else ("", word or sign)
            for quoted, called, number, word, sign in _TOKEN.findall(text)
        ]
        self._at = 0

    def expression(self, depth: int) -> str:
        """Up to the bracket that closes it, or to the end."""
        out: list[str] = []
        while (token := self._peek()) is not None:
            if token in _CLOSE and depth:
                break
            over = self._scripted(depth)
            if self._peek() == "/":
                self._at += 1
                over = rf"\frac{{{_bare(over)}}}{{{_bare(self._scripted(depth))}}}"
            out.append(over)
        return _spaced(_determinants(out))

    def _peek(self) -> str | None:
        if self._at >= len(self._tokens):
            return None
        kind, text = self._tokens[self._at]
        return f"{kind}:" if kind else text

    def _scripted(self, depth: int) -> str:
        base = self._simple(depth)
        for mark in ("_", "^"):
            if self._peek() == mark:
                self._at += 1
                base = f"{base.rstrip()}{mark}{{{_bare(self._simple(depth))}}}"
        return base

    def _simple(self, depth: int) -> str:
        if self._at >= len(self._tokens):
            return ""
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "text":
            return rf"\text{{{text}}}"
        if kind == "number" or depth >= _MAX_DEPTH:
            return text
        if text in _OPEN:
            return self._bracketed(text, depth)
        if text in _ONE:
            return rf"\{_ONE[text]}{{{_bare(self._simple(depth + 1))}}}"
        if text in _PAIRS:
            start, end = _PAIRS[text]
            return f"{start}{_bare(self._simple(depth + 1))}{end}"
        if text in _TWO:
            first, second = _bare(self._simple(depth + 1)), _bare(self._simple(depth + 1))
            return (
                rf"\sqrt[{first}]{{{second}}}" if text == "root" else rf"\{_TWO[text]}{{{first}}}{{{second}}}"
            )
        following = self._peek()
        if text not in _CALLED or following in _NOT_CALLED_WITH or following in _CLOSE:
            return _symbol(text)
        if len(text) == 1 and following != "(":  # f and g are letters too
            return text
        return _spaced([_symbol(text), self._simple(depth + 1)])

    def _bracketed(self, opening: str, depth: int) -> str:
        inner = self.expression(depth + 1)
        closing = self._peek()
        if closing in _CLOSE:
            self._at += 1
            end = _CLOSE[closing]
        else:
            end = "."
        if (rows := _rows(inner)) is not None:
            name = "Bmatrix" if (opening, closing) == ("{", "}") else _MATRIX.get(opening, "matrix")
            return rf"\begin{{{name}}}{rows}\end{{{name}}}"
        return rf"\left{_OPEN[opening]}{inner}\right{end}"


def _determinants(parts: list[str]) -> list[str]:
    """With those for rows between bars."""
    bars = [i for i, part in enumerate(parts) if part == "|"]
    for start, end in reversed(list(zip(bars[::2], bars[1::2], strict=False))):
        if (rows := _rows("".join(parts[start + 1 : end]))) is not None:
            parts[start : end + 1] = [rf"\begin{{vmatrix}}{rows}\end{{vmatrix}}"]
    return parts


def _symbol(text: str) -> str:
    if text in _SIGNS:
        name = _SIGNS[text]
        return name if name == "/" else rf"\{name}"
    if text in _GREEK or text in _FUNCTIONS or text in _NAMED:
        return rf"\operatorname{{{text}}}" if text in ("mod", "lcm") else rf"\{text}"
    return {"%": r"\%", "#": r"\#", "&": r"\&", "\\": " "}.get(text, text)


def _rows(inner: str) -> str | None:
    """Rows of a matrix: brackets with commas between them, [a, b], [c, d], each of as many cells."""
    rows = [_cells(row) for row in _apart(inner)]
    if len(rows) < 2 or not all(rows) or len({len(row) for row in rows}) != 1:
        return None
    return r" \\ ".join(" & ".join(cell.strip() for cell in row) for row in rows)


def _cells(row: str) -> list[str]:
    """What stands between commas in the bracket that is the whole of it; [] if it is none."""
    row = row.strip().removeprefix(r"\left")
    if row[:1] not in ("(", "[") or row[-1:] not in (")", "]"):
        return []
    inner = row[1:-1].removesuffix(r"\right")
    # A bracket that closes before the end leaves more of them closed than opened inside.
    return _apart(inner) if _depths(inner)[1] >= 0 else []


def _apart(text: str) -> list[str]:
    """At the commas that are in no brackets."""
    cuts, _ = _depths(text)
    return [text[start + 1 : end] for start, end in itertools.pairwise([-1, *cuts, len(text)])]


def _depths(text: str) -> tuple[list[int], int]:
    """Places of the commas in no brackets, and how deep the least deep place is: 0, or less."""
    depth = least = 0
    cuts = []
    for sign in _NESTING.finditer(text):
        if sign[0] == ",":
            if depth == 0:
                cuts.append(sign.start())
        else:
            depth += 1 if sign[0] in "([{" else -1
            least = min(least, depth)
    return cuts, least


def _bare(text: str) -> str:
    """Without the round brackets that only hold it together."""
    text = text.strip()
    for start, end in ((r"\left(", r"\right)"), ("(", ")")):
        if (
            text.startswith(start)
            and text.endswith(end)
            and _close(text, len(start), end) == len(text) - len(end)
        ):
            return text[len(start) : -len(end)].strip()
    return text


def _close(text: str, at: int, end: str) -> int:
    depth = 0
    for i in range(at, len(text)):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            if depth == 0:
                return i - (len(end) - 1)
            depth -= 1
    return -1


def _spaced(parts: list[str]) -> str:
    """Joined, with a space where a command would run into a letter."""
    out: list[str] = []
    for part in parts:
        if out and part[:1].isalpha() and _COMMAND_LAST.search(out[-1][-20:]):
            out.append(" ")
        out.append(part)
    return "".join(out)
