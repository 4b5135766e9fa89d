"""Formulas of Office (OMML, ECMA-376 part 1, 22.1) as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from services.parse.office.package import attribute, child, local

_NARY = {"∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∮": r"\oint", "⋃": r"\bigcup"}
_ACCENTS = {
    "\u0302": r"\hat",
    "\u0303": r"\tilde",
    "\u0304": r"\bar",
    "\u0305": r"\overline",
    "\u0307": r"\dot",
    "\u0308": r"\ddot",
    "\u20d7": r"\vec",
}
_FUNCTIONS = re.compile(
    "(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|arcsin|arccos|arctan|log|ln|lg|exp|lim|max|min|sup|inf|det)"
)
_BRACES = {"{": r"\{", "}": r"\}"}
_SPECIAL = re.compile(
    "[%&#$]"
)  # to LaTeX, which would take the rest of a line for a comment, or end the formula


def latex(element: Any) -> str:
    """A formula or a part of one, all on one line, without dollars."""
    name = local(element)
    if name.endswith("Pr"):  # how it looks
        return ""
    write = _WRITERS.get(name)
    return write(element) if write else _inside(element)


def _inside(element: Any) -> str:
    return " ".join(filter(None, map(latex, element)))


def _of(element: Any, name: str) -> str:
    found = child(element, name)
    return "" if found is None else _inside(found)


def _value(element: Any, properties: str, name: str, default: str) -> str:
    found = child(element, properties, name)
    value = None if found is None else attribute(found, "val")
    return default if value is None else value


def _run(element: Any) -> str:
    text = "".join(each.text or "" for each in element if local(each) == "t")
    return _SPECIAL.sub(r"\\\g<0>", text.strip())


def _fraction(element: Any) -> str:
    above, below = _of(element, "num"), _of(element, "den")
    if _value(element, "fPr", "type", "bar") == "lin":
        return f"{above} / {below}"
    return rf"\frac{{{above}}}{{{below}}}"


def _scripts(element: Any) -> str:
    below, above = _of(element, "sub"), _of(element, "sup")
    base = _of(element, "e")
    base = base if len(base) <= 1 or base.isdigit() else f"{{{base}}}"
    return base + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")


def _left_scripts(element: Any) -> str:
    return f"{{}}_{{{_of(element, 'sub')}}}^{{{_of(element, 'sup')}}}{_of(element, 'e')}"


def _radical(element: Any) -> str:
    degree = _of(element, "deg")
    return rf"\sqrt{f'[{degree}]' if degree else ''}{{{_of(element, 'e')}}}"


def _nary(element: Any) -> str:
    sign = _value(element, "naryPr", "chr", "∫")
    below, above = _of(element, "sub"), _of(element, "sup")
    limits = (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
    return f"{_NARY.get(sign, sign)}{limits} {_of(element, 'e')}"


def _delimited(element: Any) -> str:
    begin, end = _value(element, "dPr", "begChr", "("), _value(element, "dPr", "endChr", ")")
    between = _value(element, "dPr", "sepChr", "|")
    inside = f" {between} ".join(_inside(each) for each in element if local(each) == "e")
    return rf"\left{_BRACES.get(begin, begin) or '.'} {inside} \right{_BRACES.get(end, end) or '.'}"


def _function(element: Any) -> str:
    name = _of(element, "fName")
    return f"{chr(92) + name if _FUNCTIONS.fullmatch(name) else name} {_of(element, 'e')}"


def _accent(element: Any) -> str:
    sign = _value(element, "accPr", "chr", "\u0302")
    return f"{_ACCENTS.get(sign, chr(92) + 'hat')}{{{_of(element, 'e')}}}"


def _bar(element: Any) -> str:
    command = r"\overline" if _value(element, "barPr", "pos", "bot") == "top" else r"\underline"
    return f"{command}{{{_of(element, 'e')}}}"


def _lower_limit(element: Any) -> str:
    base = _of(element, "e")
    if _FUNCTIONS.fullmatch(base):
        return f"\\{base}_{{{_of(element, 'lim')}}}"
    return rf"\underset{{{_of(element, 'lim')}}}{{{base}}}"


def _matrix(element: Any) -> str:
    rows = r" \\ ".join(
        " & ".join(_inside(each) for each in row if local(each) == "e")
        for row in element
        if local(row) == "mr"
    )
    return rf"\begin{{matrix}} {rows} \end{{matrix}}"


def _lines(element: Any) -> str:
    lines = r" \\ ".join(_inside(each) for each in element if local(each) == "e")
    return rf"\begin{{aligned}} {lines} \end{{aligned}}"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "r": _run,
    "f": _fraction,
    "sSub": _scripts,
    "sSup": _scripts,
    "sSubSup": _scripts,
    "sPre": _left_scripts,
    "rad": _radical,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "acc": _accent,
    "bar": _bar,
    "limLow": _lower_limit,
    "limUpp": lambda element: f"\\overset{{{_of(element, 'lim')}}}{{{_of(element, 'e')}}}",
    "m": _matrix,
    "eqArr": _lines,
}
