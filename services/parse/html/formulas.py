"""Formulas as LaTeX between dollars, from whatever a page wrote them in.

In this order: the TeX that came with the formula (annotation, script, attribute, alternative text of its
picture), else its MathML translated. What renderers put beside it, to be seen or for readers of screens,
goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from services.parse.html.asciimath import from_asciimath
from services.parse.html.finder import Finder
from services.parse.html.mathml import to_latex

_RENDERED = re.compile(
    r"(?:^|\s)(?:MathJax(?:_\w+)?|katex-html|mwe-math-fallback-\S+|MJX_Assistive_MathML|math-tex-original)(?=\s|$)"
)
_HOLDER = re.compile(
    r"(?:^|\s)(?:katex|katex-display|mwe-math-element|ztext-math|math-tex|tex2jax_process|math|math-inline|mathjax|latex|tex|formula"
    r"|ltx_Math|math-display|equation)(?=\s|$)"
)
_PICTURE = re.compile(
    r"(?:^|[\s_-])(?:tex|latex|math|mwe-math\S*|formula|equation|eqn|wirisformula|ee_img)(?=[\s_-]|$)",
    re.IGNORECASE,
)
_RENDERERS = Finder([
    ("latex", "equation?tex", "mathtex", "mimetex", "chart?cht=tx", "/math/", "codecogs", "texify", "/tex/")
])  # fmt: skip
_TEX_ATTRIBUTES = (
    "data-tex",
    "data-latex",
    "data-formula",
    "data-equation",
    "data-math",
    "data-expr",
    "data-value",
)
_STYLE_ATTRIBUTE = "data-math-style"
OWN_TEX = frozenset({*_TEX_ATTRIBUTES[:-1], _STYLE_ATTRIBUTE})  # a value may be anything
_PART_OF_ONE = frozenset({"mjx-assistive-mml", "annotation", "annotation-xml"})
_WRAPPERS = frozenset({"span", "div", "p", "td", "nobr", "d-math", "g-math", "figure"})
_MATH = ("math", "mml:math", "m:math")  # as pages made of XML write it too
_ABOUT = Finder([["math", "katex", "mjx", "mwe", "tex", "formula", "equation"]])
_DISPLAY = re.compile(r"display|block", re.IGNORECASE)
_COMMAND = re.compile(r"\\[A-Za-z]+|[_^]\{?\w|[=<>+]")
_BARE = re.compile(r"\\[A-Za-z]{2,}")
_DELIMITED = re.compile(r"\$|\\[(\[]")
_STYLE = re.compile(r"\{\s*\\(?:displaystyle|textstyle)\s*(.*)\}\s*", re.DOTALL)
_DELIMITERS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
# None begins in another, so that each sign is looked at once; the end of a row, as in \\[2pt], begins none.
_IN_TEXT = re.compile(
    r"(?<!\\)\\\((?=\S| )((?:[^\\]|\\\\|\\(?![\\(])){1,1000}?)\\\)"
    r"|(?<!\\)\\\[((?:[^\\]|\\\\|\\(?![\\\[])){1,4000}?)\\\]"
)
_ASCIIMATH = re.compile(
    r"ascii-?math(?:ml)?\w*(?:\.min)?\.js|asciimath2jax|input/asciimath|config=\w*(?:mml-)?am_"
)
_BETWEEN_BACKTICKS = re.compile(r"(?<![\\`])`((?:[^`\n]|\n(?!\s*\n)){1,300})(?<!\\)`(?!`)")
_LONGEST_ASCIIMATH = 2000  # characters
_TEX_CHARACTERS = re.compile(r"[A-Za-z0-9]")


def formula_by_tag(element: Any) -> str | None:
    """The formula of an element of FORMULA_TAGS, between dollars; "" for one to be left out; None for any
    other.
    """
    return _BY_TAG[element.tag](element)


def may_be_formula(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether the attributes of an element of another tag speak of one: a look at all that it holds tells."""
    if tag in _PART_OF_ONE:
        return False
    named = attributes.get("class")
    holds = tag in _WRAPPERS and named is not None and is_holder(named)
    return holds or not OWN_TEX.isdisjoint(attributes)


def formula_by_attributes(element: Any, tag: str, attributes: Mapping[str, str]) -> str | None:
    """The formula of such an element, as of one that its tag tells."""
    named = attributes.get("class")
    if named and tag in _WRAPPERS and is_holder(named):
        if _RENDERED.search(named):
            return "" if _has_script_beside(element) else _of_holder(element) or ""
        return _of_holder(element)
    if _STYLE_ATTRIBUTE in attributes:  # GitLab's
        return _wrapped("".join(element.itertext()), attributes[_STYLE_ATTRIBUTE] == "display")
    for name in OWN_TEX.intersection(attributes):
        if _looks_like_tex(tex := attributes[name]):
            shown = "".join(element.itertext()).strip()
            return _wrapped(tex, _is_display(element)) if len(shown) < 20 + 4 * len(tex) else None
    return None


def is_holder(named: str) -> bool:
    """Whether a class is of what may hold a formula."""
    return _ABOUT.mask(named.lower()) > 0 and bool(_RENDERED.search(named) or _HOLDER.search(named))


def writes_asciimath(root: Any) -> bool:
    """Whether a script on the page renders AsciiMath between backticks."""
    return any(
        _names_asciimath(script.get("src") or "") or _names_asciimath((script.text or "")[:5000])
        for script in root.iter("script")
    )


def _names_asciimath(text: str) -> bool:
    # To be sure of this costs less than to lower the text: few scripts hold any of them.
    if not ("scii" in text or "SCII" in text or "am_" in text or "AM_" in text):
        return False
    return _ASCIIMATH.search(text.lower()) is not None


def with_asciimath(text: str) -> str:
    """The text with LaTeX between dollars for AsciiMath between backticks."""
    return _BETWEEN_BACKTICKS.sub(lambda found: _wrapped(from_asciimath(found[1]), False), text)


def hidden_formula(element: Any) -> str:
    """The formula that stands in a hidden element for those who cannot see its picture; "" where there is
    none.
    """
    maths = list(element.iterdescendants(*_MATH))
    return _wrapped(*_of_math(maths[0])) if len(maths) == 1 else ""


def unify(text: str) -> str:
    r"""Formulas between \( \) and \[ \] in running text, between dollars."""
    if "\\" not in text or ("\\(" not in text and "\\[" not in text):
        return text
    return _IN_TEXT.sub(_redelimited, text)


def _redelimited(found: re.Match[str]) -> str:
    inline, display = found[1], found[2]
    tex = inline if inline is not None else display
    if not _TEX_CHARACTERS.search(tex):
        return found[0]
    return f"${tex.strip()}$" if inline is not None else f"$${tex}$$"


def _of_holder(element: Any) -> str | None:
    """What a renderer wrapped: TeX in an attribute or annotation, MathML, a picture, or TeX between marks."""
    display = _is_display(element)
    for name in _TEX_ATTRIBUTES:
        if (tex := element.get(name)) and _looks_like_tex(tex):
            return _wrapped(tex, display)
    if mathml := element.get("data-mathml"):
        tex, block = _of_source(mathml)
        return _wrapped(tex, display or block)
    if element.tag == "mjx-container" and next(element.iterdescendants("mjx-container"), None) is not None:
        return None  # containers in each other are none, and to read each whole would take quadratic time
    maths = list(element.iterdescendants(*_MATH))
    if len(maths) == 1:
        tex, block = _of_math(maths[0])
        return _wrapped(tex, display or block)
    if maths:
        return None
    if (tex := _of_flat_katex(element)) is not None:
        return tex
    scripts = [script for script in element.iter("script") if _of_script(script)]
    if scripts:
        return None  # the script itself is met later
    pictures = element.findall(".//img")
    if len(pictures) == 1 and not "".join(element.itertext()).strip():
        return _of_picture(pictures[0])
    text = "".join(element.itertext()).strip()
    for start, end in _DELIMITERS[:3]:
        if text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end):
            inner = text[len(start) : -len(end)]
            if start not in inner:
                return _wrapped(inner, start != "\\(")
    if not len(element) and _BARE.search(text) and _DELIMITED.search(text) is None:
        return _wrapped(text, element.tag in ("div", "p"))  # a script of the page renders what has the class
    return None


def _of_flat_katex(element: Any) -> str | None:
    """What a site left of KaTeX without the tags of its MathML: the signs line by line, and TeX as the last;
    or what is seen alone, whose signs are kept, though not which are raised.
    """
    found = [part for part in element.iter("span") if part.get("class") in ("katex-mathml", "katex-html")]
    if len(found) > 2:
        return None  # several formulas, each by itself
    parts = {part.get("class"): "".join(part.itertext()).replace("\u200b", "") for part in found}
    if (seen := parts.get("katex-html")) is None:
        return None
    lines = [line for line in parts.get("katex-mathml", "").split("\n") if line.strip()]
    return _wrapped(lines[-1], _around_is_display(element)) if lines else " ".join(seen.split())


def _of_math(element: Any) -> tuple[str, bool]:
    """(TeX, whether it stands by itself) of a `math` element."""
    display = (
        element.get("display") == "block" or element.get("mode") == "display" or _around_is_display(element)
    )
    for annotation in element.iter("annotation", "mml:annotation", "m:annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and (
            tex := "".join(annotation.itertext()).strip()
        ):
            return tex, display
    alt = (element.get("alttext") or "").strip()
    return (alt if _looks_like_tex(alt) or alt.isalnum() else to_latex(element)), display


def _of_source(mathml: str) -> tuple[str, bool]:
    from lxml import etree

    try:
        root = etree.fromstring(mathml.encode(), etree.HTMLParser(encoding="utf-8"))
    except (etree.LxmlError, ValueError):
        return "", False
    math = next(root.iter(*_MATH), None) if root is not None else None
    return _of_math(math) if math is not None else ("", False)


def _of_script(element: Any) -> str | None:
    kind = (element.get("type") or "").lower()
    if not kind.startswith(("math/tex", "math/latex", "text/latex", "math/mml", "math/asciimath")):
        return None
    text = (element.text or "").strip()
    if kind.startswith("math/mml"):
        return _wrapped(*_of_source(text))
    text = re.sub(r"^%\s*<!\[CDATA\[|%\s*\]\]>$", "", text).strip()
    if kind.startswith("math/asciimath"):
        text = from_asciimath(text[:_LONGEST_ASCIIMATH])
    return _wrapped(text, "mode=display" in kind)


def _of_picture(element: Any) -> str | None:
    if mathml := element.get("data-mathml"):
        return _wrapped(
            *_of_source(mathml.replace("«", "<").replace("»", ">").replace("¨", '"').replace("§", "&"))
        )
    source = element.get("src") or element.get("data-src") or ""
    named = element.get("class") or ""
    if "fallback" in named and _is_after_math(element):
        return ""
    alt = (element.get("alt") or element.get("data-tex") or "").strip()
    drawn = (
        _RENDERERS.mask(source[:2000].lower()) > 0
        or bool(_PICTURE.search(named))
        or element.get("eeimg") is not None
    )
    if drawn and alt and (_looks_like_tex(alt) or len(alt) < 12):
        return _wrapped(alt, _is_display(element) or alt.startswith("\\["))
    if drawn and (tex := _of_address(source)):
        return _wrapped(tex, _is_display(element))
    if _looks_like_tex(alt) and ("\\" in alt) and (alt.startswith(("$", "\\", "{\\")) or alt.count("\\") > 1):
        return _wrapped(alt, False)
    return None


def _of_address(source: str) -> str:
    """TeX in the address of a picture that a service draws from it."""
    try:
        query = urlsplit(source).query
        named = parse_qs(query)
    except ValueError:
        return ""
    for name in ("tex", "latex", "chl", "math", "eq", "formula"):
        if name in named:
            return named[name][0]
    return _decoded(query) if _looks_like_tex(unquote(query)) else ""


def _decoded(query: str) -> str:
    return unquote(query).replace("\\dpi{", "\\dpi {").replace("&space;", " ")


def _is_after_math(element: Any) -> bool:
    before = element.getprevious()
    return (
        before is not None and not (before.tail or "").strip() and next(before.iter(*_MATH), None) is not None
    )


def _has_script_beside(element: Any) -> bool:
    """Whether the TeX stands in a script after what was rendered from it."""
    beside = element.getnext()
    for _ in range(2):
        if beside is None:
            return False
        if beside.tag == "script" and _of_script(beside):
            return True
        beside = beside.getnext()
    return False


def _is_display(element: Any) -> bool:
    named = element.get("class") or ""
    return (
        bool(_DISPLAY.search(named.replace("inline-block", "")))
        or element.get("display") in ("true", "block")
        or element.get("mode") == "display"
    )


def _around_is_display(element: Any) -> bool:
    around = element.getparent()
    for _ in range(3):
        if around is None:
            return False
        named = around.get("class") or ""
        if "display" in named and "inline" not in named:
            return True
        around = around.getparent()
    return False


def _looks_like_tex(text: str) -> bool:
    return bool(_COMMAND.search(text)) and len(text) < 5000


def _wrapped(tex: str, display: bool) -> str:
    tex = tex.strip()
    for start, end in _DELIMITERS:
        if tex.startswith(start) and tex.endswith(end) and len(tex) > len(start) + len(end):
            display = display or start in ("$$", "\\[")
            tex = tex[len(start) : -len(end)].strip()
            break
    if (styled := _STYLE.fullmatch(tex)) is not None and _balanced(styled[1]):
        tex = styled[1].strip()
    tex = re.sub(r"\s*\n\s*", " " if not display else "\n", tex)
    if not tex:
        return ""
    return f"$$ {tex} $$" if display else f"${tex}$"


_BY_TAG: dict[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(_MATH, lambda element: _wrapped(*_of_math(element))),
    "script": _of_script,
    "img": _of_picture,
    "mjx-container": _of_holder,
}


FORMULA_TAGS = frozenset(_BY_TAG)


def _balanced(tex: str) -> bool:
    depth = 0
    for sign in re.findall(r"\\.|[{}]", tex):
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return depth == 0
