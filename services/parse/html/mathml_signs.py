"""What signs, letters and accents of MathML are called in LaTeX."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import unicodedata
from functools import lru_cache

SIGNS = {
    "−": "-", "×": r"\times ", "÷": r"\div ", "±": r"\pm ", "∓": r"\mp ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": "*",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∼": r"\sim ", "≅": r"\cong ",
    "∝": r"\propto ", "≪": r"\ll ", "≫": r"\gg ", "→": r"\to ", "←": r"\leftarrow ", "↔": r"\leftrightarrow ",
    "⇒": r"\Rightarrow ", "⇐": r"\Leftarrow ", "⇔": r"\Leftrightarrow ", "↦": r"\mapsto ", "∞": r"\infty ",
    "∂": r"\partial ", "∇": r"\nabla ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∬": r"\iint ",
    "∮": r"\oint ", "√": r"\surd ", "∈": r"\in ", "∉": r"\notin ", "∋": r"\ni ", "⊂": r"\subset ",
    "⊆": r"\subseteq ", "⊃": r"\supset ", "⊇": r"\supseteq ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ",
    "∀": r"\forall ", "∃": r"\exists ", "¬": r"\neg ", "∧": r"\land ", "∨": r"\lor ", "⊕": r"\oplus ",
    "⊗": r"\otimes ", "⊥": r"\perp ", "∥": r"\parallel ", "∠": r"\angle ", "∘": r"\circ ", "°": r"^{\circ}",
    "…": r"\ldots ", "⋯": r"\cdots ", "⋮": r"\vdots ", "⋱": r"\ddots ", "′": "'", "″": "''", "‴": "'''", "ℏ": r"\hbar ",
    "ℓ": r"\ell ", "ℜ": r"\Re ", "ℑ": r"\Im ", "ℵ": r"\aleph ", "℘": r"\wp ", "⟨": r"\langle ", "⟩": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "‖": r"\| ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ",
    "ϵ": r"\epsilon ", "ε": r"\varepsilon ", "ζ": r"\zeta ", "η": r"\eta ", "θ": r"\theta ", "ϑ": r"\vartheta ",
    "ι": r"\iota ", "κ": r"\kappa ", "λ": r"\lambda ", "μ": r"\mu ", "ν": r"\nu ", "ξ": r"\xi ", "π": r"\pi ",
    "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "υ": r"\upsilon ", "ϕ": r"\phi ", "φ": r"\varphi ",
    "χ": r"\chi ", "ψ": r"\psi ", "ω": r"\omega ", "Γ": r"\Gamma ", "Δ": r"\Delta ", "Θ": r"\Theta ",
    "Λ": r"\Lambda ", "Ξ": r"\Xi ", "Π": r"\Pi ", "Σ": r"\Sigma ", "Φ": r"\Phi ", "Ψ": r"\Psi ", "Ω": r"\Omega ",
    "ϱ": r"\varrho ", "ς": r"\varsigma ", "ϖ": r"\varpi ", "ϰ": r"\varkappa ", "~": r"\sim ", "∣": r"\mid ",
    "∤": r"\nmid ", "∴": r"\therefore ", "∵": r"\because ", "⩽": r"\leqslant ", "⩾": r"\geqslant ",
    "≲": r"\lesssim ", "≳": r"\gtrsim ", "≺": r"\prec ", "≻": r"\succ ", "⪯": r"\preceq ", "⪰": r"\succeq ",
    "≃": r"\simeq ", "≐": r"\doteq ", "≜": r"\triangleq ", "≢": r"\not\equiv ", "⊊": r"\subsetneq ",
    "⊄": r"\not\subset ", "∖": r"\setminus ", "⧵": r"\setminus ", "⋃": r"\bigcup ", "⋂": r"\bigcap ",
    "⋀": r"\bigwedge ", "⋁": r"\bigvee ", "⨁": r"\bigoplus ", "⨂": r"\bigotimes ", "∐": r"\coprod ",
    "∭": r"\iiint ", "⊙": r"\odot ", "⊖": r"\ominus ", "⊢": r"\vdash ", "⊨": r"\models ", "⊤": r"\top ",
    "⟂": r"\perp ", "∄": r"\nexists ", "△": r"\triangle ", "▵": r"\triangle ", "□": r"\square ",
    "◻": r"\square ", "⋆": r"\star ", "•": r"\bullet ", "†": r"\dagger ", "⟶": r"\longrightarrow ",
    "⟵": r"\longleftarrow ", "⟼": r"\longmapsto ", "⟹": r"\implies ", "⟸": r"\impliedby ", "⟺": r"\iff ",
    "↪": r"\hookrightarrow ", "↑": r"\uparrow ", "↓": r"\downarrow ", "⇌": r"\rightleftharpoons ",
    "\\": r"\backslash ", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "",
    "\xa0": " ",
}  # fmt: skip
ACCENTS = {
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "¯": "bar", "‾": "overline", "―": "overline", "→": "vec", "⃗": "vec",
    "˙": "dot", ".": "dot", "¨": "ddot", "ˇ": "check", "˘": "breve", "⏞": "overbrace", "︷": "overbrace",
    "←": "overleftarrow",
}  # fmt: skip
# What the same accents are called over more than a sign.
WIDE = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
BELOW = {
    "_": "underline", "̲": "underline", "―": "underline", "¯": "underline", "‾": "underline", "⏟": "underbrace",
    "︸": "underbrace",
}  # fmt: skip
LONG_ARROWS = {
    r"\to": "xrightarrow", r"\rightarrow": "xrightarrow", r"\longrightarrow": "xrightarrow",
    r"\leftarrow": "xleftarrow", r"\longleftarrow": "xleftarrow", r"\rightleftharpoons": "xrightleftharpoons",
}  # fmt: skip
VARIANTS = {
    "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "bold-fraktur": "mathfrak", "sans-serif": "mathsf",
    "monospace": "mathtt", "normal": "mathrm",
}  # fmt: skip
# How Unicode names letters that are such by themselves; the first that fits.
_ALPHABETS = {
    "BOLD ITALIC": "boldsymbol", "BOLD SCRIPT": "mathcal", "BOLD FRAKTUR": "mathfrak", "BOLD": "mathbf",
    "SCRIPT": "mathcal", "FRAKTUR": "mathfrak", "BLACK-LETTER": "mathfrak", "DOUBLE-STRUCK": "mathbb",
    "SANS-SERIF": "mathsf", "MONOSPACE": "mathtt",
}  # fmt: skip
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "arcsin", "arccos", "arctan",
    "log", "ln", "lg", "exp", "lim", "max", "min", "sup", "inf", "det", "gcd", "dim", "ker", "arg", "deg", "hom",
    "Pr", "mod",
})  # fmt: skip


def in_latex(text: str) -> str:
    """Text of signs and letters; a command has a space behind it."""
    return "".join(map(_sign, text))


@lru_cache(4096)
def _sign(sign: str) -> str:
    if (known := SIGNS.get(sign)) is not None or sign.isascii():
        return sign if known is None else known
    if not unicodedata.decomposition(sign).startswith("<font>"):
        return sign
    plain = in_latex(unicodedata.normalize("NFKC", sign))
    named = unicodedata.name(sign, "").removeprefix("MATHEMATICAL ")
    alphabet = next((each for begin, each in _ALPHABETS.items() if named.startswith(begin)), "")
    if plain.startswith("\\"):
        alphabet = "boldsymbol" if named.startswith("BOLD") else ""
    return rf"\{alphabet}{{{plain.strip()}}}" if alphabet else plain
