"""Presentation MathML to LaTeX, for pages that give no TeX: fractions, roots, scripts, fences, tables."""

# ruff: noqa: E501 - a table

from __future__ import annotations

import re
from typing import Any

_SIGNS = {
    "−": "-", "×": r"\times ", "÷": r"\div ", "±": r"\pm ", "∓": r"\mp ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": "*",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∼": r"\sim ", "≅": r"\cong ",
    "∝": r"\propto ", "≪": r"\ll ", "≫": r"\gg ", "→": r"\to ", "←": r"\leftarrow ", "↔": r"\leftrightarrow ",
    "⇒": r"\Rightarrow ", "⇐": r"\Leftarrow ", "⇔": r"\Leftrightarrow ", "↦": r"\mapsto ", "∞": r"\infty ",
    "∂": r"\partial ", "∇": r"\nabla ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∬": r"\iint ",
    "∮": r"\oint ", "√": r"\surd ", "∈": r"\in ", "∉": r"\notin ", "∋": r"\ni ", "⊂": r"\subset ",
    "⊆": r"\subseteq ", "⊃": r"\supset ", "⊇": r"\supseteq ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ",
    "∀": r"\forall ", "∃": r"\exists ", "¬": r"\neg ", "∧": r"\land ", "∨": r"\lor ", "⊕": r"\oplus ",
    "⊗": r"\otimes ", "⊥": r"\perp ", "∥": r"\parallel ", "∠": r"\angle ", "∘": r"\circ ", "°": r"^{\circ}",
    "…": r"\ldots ", "⋯": r"\cdots ", "⋮": r"\vdots ", "⋱": r"\ddots ", "′": "'", "″": "''", "ℏ": r"\hbar ",
    "ℓ": r"\ell ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}", "⟨": r"\langle ", "⟩": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "‖": r"\| ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ",
    "ϵ": r"\epsilon ", "ε": r"\varepsilon ", "ζ": r"\zeta ", "η": r"\eta ", "θ": r"\theta ", "ϑ": r"\vartheta ",
    "ι": r"\iota ", "κ": r"\kappa ", "λ": r"\lambda ", "μ": r"\mu ", "ν": r"\nu ", "ξ": r"\xi ", "π": r"\pi ",
    "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "υ": r"\upsilon ", "ϕ": r"\phi ", "φ": r"\varphi ",
    "χ": r"\chi ", "ψ": r"\psi ", "ω": r"\omega ", "Γ": r"\Gamma ", "Δ": r"\Delta ", "Θ": r"\Theta ",
    "Λ": r"\Lambda ", "Ξ": r"\Xi ", "Π": r"\Pi ", "Σ": r"\Sigma ", "Φ": r"\Phi ", "Ψ": r"\Psi ", "Ω": r"\Omega ",
    "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "",
    "\xa0": " ",
}  # fmt: skip
_ACCENTS = {
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "¯": "bar", "‾": "overline", "→": "vec", "⃗": "vec",
    "˙": "dot", "¨": "ddot", "⏞": "overbrace",
}  # fmt: skip
_VARIANTS = {
    "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
_TALL = re.compile(r"\\(?:frac|sum|prod|int|begin)\b")
_FENCES = {"(": ")", "[": "]", r"\{": r"\}", "|": "|", r"\langle": r"\rangle"}
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "log",
    "ln", "exp", "lim", "max", "min", "sup", "inf", "det", "gcd", "dim", "ker", "arg", "deg", "mod",
})  # fmt: skip
_LARGE = re.compile(r"\\(?:sum|prod|int|lim|max|min|sup|inf|oint|iint)\b|\\(?:bigcup|bigcap)")
_MAX_DEPTH = 80  # of elements in each other; deeper ones give their text


def to_latex(element: Any, depth: int = 0) -> str:
    """LaTeX of a MathML element; what it does not know gives its children."""
    tag = element.tag.rpartition(":")[2] if isinstance(element.tag, str) else ""
    if depth > _MAX_DEPTH:
        return _signs("".join(element.itertext()))
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return _token(tag, "".join(element.itertext()), element.get("mathvariant", ""))
    if tag in ("annotation", "annotation-xml", "mphantom", "mprescripts", "none", ""):
        return ""
    if tag == "mspace":
        return " "
    parts = [to_latex(child, depth + 1) for child in element]
    built = _built(tag, parts, element)
    return "".join(parts) if built is None else built


def _built(tag: str, parts: list[str], element: Any) -> str | None:
    match tag, parts:
        case "mfrac", [over, under]:
            return rf"\frac{{{over.strip()}}}{{{under.strip()}}}"
        case "msqrt", _:
            return rf"\sqrt{{{''.join(parts).strip()}}}"
        case "mroot", [base, index]:
            return rf"\sqrt[{index.strip()}]{{{base.strip()}}}"
        case "msup", [base, upper]:
            return _scripted(base, "", upper)
        case "msub", [base, lower]:
            return _scripted(base, lower, "")
        case "msubsup", [base, lower, upper]:
            return _scripted(base, lower, upper)
        case "mover", [base, upper]:
            if (accent := _ACCENTS.get("".join(element[1].itertext()).strip())) is not None:
                return rf"\{accent}{{{base.strip()}}}"
            return _scripted(base, "", upper) if _LARGE.match(base) else rf"\overset{{{upper}}}{{{base}}}"
        case "munder", [base, lower]:
            return _scripted(base, lower, "") if _LARGE.match(base) else rf"\underset{{{lower}}}{{{base}}}"
        case "munderover", [base, lower, upper]:
            return _scripted(base, lower, upper)
        case "mfenced", _:
            inner = (element.get("separators", ",").strip()[:1] or ",").join(parts)
            return rf"\left{_fence(element.get('open', '('))}{inner}\right{_fence(element.get('close', ')'))}"
        case "mrow", [start, *_, end] if _FENCES.get(start.strip()) == end.strip():
            inner = "".join(parts[1:-1])
            return rf"\left{start.strip()} {inner} \right{end.strip()}" if _TALL.search(inner) else None
        case "mtable", _:
            return r"\begin{matrix}" + r" \\ ".join(parts) + r"\end{matrix}"
        case "mtr" | "mlabeledtr", _:
            return " & ".join(part.strip() for part in parts)
        case _:
            return None


def _scripted(base: str, lower: str, upper: str) -> str:
    base = base if len(base.strip()) <= 1 or base.startswith("\\") else f"{{{base}}}"
    below = f"_{_grouped(lower)}" if lower.strip() else ""
    upper = upper.strip()
    above = upper if upper and not upper.strip("'") else f"^{_grouped(upper)}" if upper else ""
    return f"{base.rstrip()}{below}{above}"


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) == 1 else f"{{{text}}}"


def _fence(sign: str) -> str:
    return _signs(sign.strip()) or "."


def _token(tag: str, text: str, variant: str) -> str:
    text = text.strip() if tag != "mtext" else text
    if tag in ("mtext", "ms"):
        return rf"\text{{{text}}}" if text.strip() else " "
    if text in _FUNCTIONS:
        return rf"\{text} " if text != "mod" else r"\bmod "
    latex = _signs(text)
    if tag in ("mi", "mn") and variant in _VARIANTS and text.isalnum():
        return rf"\{_VARIANTS[variant]}{{{latex.strip()}}}"
    if tag == "mi" and len(text) > 1 and text.isalpha() and latex == text:
        return rf"\mathrm{{{text}}}"
    return f" {latex} " if tag == "mo" and latex in ("=", "<", ">") else latex


def _signs(text: str) -> str:
    return "".join(_SIGNS.get(sign, sign) for sign in text)
