"""Presentation MathML to LaTeX, for pages that give no TeX: fractions, roots, scripts, fences, tables.

Brackets grow unless the page says that they do not, and a matrix in round ones is a pmatrix.
"""

from __future__ import annotations

import re
from typing import Any

from services.parse.html.mathml_signs import (
    ACCENTS,
    BELOW,
    FUNCTIONS,
    LONG_ARROWS,
    VARIANTS,
    WIDE,
    in_latex,
)

_TALL = re.compile(r"\\(?:d?frac|sum|prod|i*int|oint|big[a-z]+|begin|genfrac|binom)(?![A-Za-z])")
_FENCES = {
    "(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil",
}  # fmt: skip
_SAME = frozenset({"|", r"\|", r"\mid", r"\parallel"})  # those that close as they open
_AS_FENCES = {r"\mid": "|", r"\parallel": r"\|"}
_MATRICES = {"(": "pmatrix", "[": "bmatrix", r"\{": "Bmatrix", "|": "vmatrix", r"\|": "Vmatrix"}
_STACKED = r"\genfrac{}{}{0pt}{}"
_BINOMIAL = re.compile(re.escape(_STACKED) + r"(\{[^{}]*\}\{[^{}]*\})")
_LARGE = re.compile(
    r"\\(?:sum|prod|coprod|i*int|oint|lim|max|min|sup|inf|det|gcd|Pr|big[a-z]+)(?![A-Za-z])"
    r"|\\(?:over|under)brace"
)
# What takes a script without braces around it.
_ONE = re.compile(
    r"\\?.|\{\}|\d+|\\[A-Za-z]+(?:\{[^{}]*\})*|\([^()]*\)|\[[^\[\]]*\]|\\left((?!\\left).)*\\right\S+",
    re.DOTALL,
)
_ALIKE = re.compile(r"(\\math(?:rm|sf|tt))\{[A-Za-z0-9]+\}(?:\1\{[A-Za-z0-9]+\})+")
_INNER = re.compile(r"\{([A-Za-z0-9]+)\}")
_SPECIAL = re.compile(r"([#$%&_{}])")
_ZERO = re.compile(r"0+(?:\.0*)?(?![.\d])")
_EMS = re.compile(r"(\d+(?:\.\d+)?)em")
_MAX_DEPTH = 80  # of elements in each other; deeper ones give their text
_MAX_OPEN = 30  # brackets in each other, in one row
_LONGEST_BARE = 500  # characters of what takes a script without braces


def to_latex(element: Any) -> str:
    """LaTeX of a MathML element; what it does not know gives its children."""
    latex = _latex(element, 0, "")
    return _ALIKE.sub(lambda found: f"{found[1]}{{{''.join(_INNER.findall(found[0]))}}}", latex)


def _latex(element: Any, depth: int, variant: str) -> str:
    """variant: of letters, as the elements around it say."""
    tag = _name(element)
    if depth > _MAX_DEPTH:
        return in_latex("".join(element.itertext()))
    variant = element.get("mathvariant", variant) if tag else ""
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return _token(tag, "".join(element.itertext()), variant)
    if tag in ("annotation", "annotation-xml", "mphantom", "mprescripts", "none", ""):
        return ""
    if tag == "mspace":
        width = _EMS.match(element.get("width", ""))
        return r"\quad " if width and float(width[1]) >= 1 else " "
    parts = [_latex(child, depth + 1, variant) for child in element]
    built = _built(tag, parts, element)
    return _row(parts, element) if built is None else built


def _name(element: Any) -> str:
    return element.tag.rpartition(":")[2] if isinstance(element.tag, str) else ""


def _built(tag: str, parts: list[str], element: Any) -> str | None:
    match tag, parts:
        case "mfrac", [over, under]:
            start = _STACKED if _ZERO.match(element.get("linethickness", "")) else r"\frac"
            return rf"{start}{{{over.strip()}}}{{{under.strip()}}}"
        case "msqrt", _:
            return rf"\sqrt{{{_row(parts, element).strip()}}}"
        case "mroot", [base, index]:
            return rf"\sqrt[{index.strip()}]{{{base.strip()}}}"
        case "menclose", _ if "box" in element.get("notation", ""):
            return rf"\boxed{{{_row(parts, element).strip()}}}"
        case "mfenced", _:
            inner = element.get("separators", ",").strip()[:1].join(parts)
            start, end = (in_latex(element.get(name, sign)) for name, sign in (("open", "("), ("close", ")")))
            return _grown(start.strip(), inner, end.strip())
        case "mtable", _:
            named = "aligned" if element.get("columnalign", "").startswith("right left") else "matrix"
            return rf"\begin{{{named}}}" + r" \\ ".join(parts) + rf"\end{{{named}}}"
        case "mtr" | "mlabeledtr", _:
            return " & ".join(part.strip() for part in parts)
        case _:
            return _with_scripts(tag, parts, element)


def _with_scripts(tag: str, parts: list[str], element: Any) -> str | None:
    match tag, parts:
        case "msup", [base, upper]:
            return _scripted(base, "", upper)
        case "msub", [base, lower]:
            return _scripted(base, lower, "")
        case "msubsup", [base, lower, upper]:
            return _scripted(base, lower, upper)
        case "mover", [base, upper]:
            if (accent := ACCENTS.get("".join(element[1].itertext()).strip())) is None:
                return _around(base, "", upper)
            if len("".join(element[0].itertext()).strip()) > 1:
                accent = WIDE.get(accent, accent)
            return rf"\{accent}{{{base.strip()}}}"
        case "munder", [base, lower]:
            if (accent := BELOW.get("".join(element[1].itertext()).strip())) is None:
                return _around(base, lower, "")
            return rf"\{accent}{{{base.strip()}}}"
        case "munderover", [base, lower, upper]:
            return _around(base, lower, upper)
        case "mmultiscripts", [base, *scripts]:
            at = [_name(child) for child in element][1:]
            cut = at.index("mprescripts") if "mprescripts" in at else len(scripts)
            return _all_scripts("{}", scripts[cut + 1 :]) + _all_scripts(base, scripts[:cut])
        case _:
            return None


def _all_scripts(base: str, scripts: list[str]) -> str:
    """With pairs of a lower and an upper one."""
    if not any(script.strip() for script in scripts):
        return base if base != "{}" else ""
    for lower, upper in zip(scripts[::2], scripts[1::2], strict=False):
        base = _scripted(base, lower, upper) + "{}"
    return base.removesuffix("{}")


def _around(base: str, lower: str, upper: str) -> str:
    """What stands above and below."""
    if _LARGE.match(base):
        return _scripted(base, lower, upper)
    if (arrow := LONG_ARROWS.get(base.strip())) is not None:
        return rf"\{arrow}" + (f"[{lower.strip()}]" if lower.strip() else "") + f"{{{upper.strip()}}}"
    if lower:
        base = rf"\underset{{{lower.strip()}}}{{{base.strip()}}}"
    return rf"\overset{{{upper.strip()}}}{{{base.strip()}}}" if upper else base


def _scripted(base: str, lower: str, upper: str) -> str:
    base = base.strip()
    if len(base) > _LONGEST_BARE or not (_ONE.fullmatch(base) or _LARGE.match(base)):
        base = f"{{{base}}}"
    below = f"_{_grouped(lower)}" if lower.strip() else ""
    upper = upper.strip()
    above = upper if upper and not upper.strip("'") else f"^{_grouped(upper)}" if upper else ""
    return f"{base}{below}{above}"


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) == 1 else f"{{{text}}}"


def _row(parts: list[str], element: Any) -> str:
    """One after the other, with brackets as tall as what is between them."""
    fixed = {i for i, child in enumerate(element) if child.get("stretchy") == "false"}
    out: list[str] = []
    opened: list[int] = []
    for i, part in enumerate(parts):
        sign = part.strip()
        if i not in fixed:
            if opened and (scripts := _after(_FENCES[out[opened[-1]].strip()], sign)) is not None:
                start = opened.pop()
                inner = "".join(out[start + 1 :])
                end = sign.removesuffix(scripts)
                out[start:] = [_grown(out[start].strip(), inner, end) + scripts]
                continue
            if sign in _FENCES and len(opened) < _MAX_OPEN:
                opened.append(len(out))
        out.append(part)
    first, last = (out[0].strip(), out[-1].strip()) if len(out) > 1 else ("", "")
    if first in _SAME and first == last and _TALL.search(inner := "".join(out[1:-1])):
        fence = _AS_FENCES.get(first, first)
        return _grown(fence, inner, fence)
    if first == r"\{" and 0 in opened and _TALL.search(inner := "".join(out[1:])):
        return _grown(first, inner, "")  # it is closed by nothing
    return "".join(out)


def _after(fence: str, sign: str) -> str | None:
    """The scripts of a closing fence; None if it is another."""
    scripts = sign.removeprefix(fence) if sign.startswith(fence) else None
    return scripts if not scripts or scripts[0] in "^_'" else None


def _grown(start: str, inner: str, end: str) -> str:
    """Between fences as tall as it; start and end may be none: ""."""
    inner = inner.strip()
    if (start, end) == ("(", ")") and (found := _BINOMIAL.fullmatch(inner)):
        return rf"\binom{found[1]}"
    named = "cases" if (start, end) == (r"\{", "") else _MATRICES.get(start)
    whole = inner.startswith(r"\begin{matrix}") and inner.endswith(r"\end{matrix}")
    if named and whole and inner.count(r"\begin{matrix}") == 1:
        return inner.replace("{matrix}", f"{{{named}}}")
    if not (start or end):
        return inner
    between = " " if start[-1:].isalpha() and inner[:1].isalnum() else ""
    return rf"\left{start or '.'}{between}{inner}\right{end or '.'}"


def _token(tag: str, text: str, variant: str) -> str:
    if tag in ("mtext", "ms"):
        text = text.replace("\xa0", " ")
        escaped = _SPECIAL.sub(r"\\\1", text)
        return rf"\text{{{escaped}}}" if text.strip() else " "
    text = text.strip()
    if text in FUNCTIONS:
        return rf"\{text} " if text != "mod" else r"\bmod "
    latex = in_latex(text)
    is_word = len(text) > 1 and text.isalpha() and latex == text
    if tag == "mo":
        return rf"\operatorname{{{text}}}" if is_word else f" {latex} " if latex in ("=", "<", ">") else latex
    if (alphabet := VARIANTS.get(variant)) and text.isalnum():
        if latex.startswith("\\"):  # Greek
            return rf"\boldsymbol{{{latex.strip()}}}" if variant.startswith("bold") else latex
        if variant != "normal" or (tag == "mi" and text.isascii()):
            return rf"\{alphabet}{{{latex}}}"
    return rf"\mathrm{{{text}}}" if tag == "mi" and is_word else latex
