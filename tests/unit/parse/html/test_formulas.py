# ruff: noqa: E501 - pages are written as they come
import time

import pytest
from lxml import etree

from services.parse.html import outline
from services.parse.html.asciimath import from_asciimath
from services.parse.html.formulas import unify
from services.parse.html.mathml import to_latex
from tests.unit.parse.html.test_listings import markdown

MATHML = "<math><mi>E</mi><mo>=</mo><mfrac><mn>1</mn><mn>2</mn></mfrac><mi>C</mi><msup><mi>U</mi><mn>2</mn></msup></math>"
ANNOTATED = (
    "<math display='inline'><semantics><mrow><mi>x</mi></mrow>"
    r"<annotation encoding='application/x-tex'>x_1 \le x_2</annotation></semantics></math>"
)


@pytest.mark.parametrize(
    ("form", "right"),
    [
        (MATHML, r"$E = \frac{1}{2}CU^2$"),
        (ANNOTATED, r"$x_1 \le x_2$"),
        (f"<span style='display:none'>{ANNOTATED}</span><img class=mwe-math-fallback-image-inline alt='x'>", r"$x_1 \le x_2$"),
        (f"<span class=mwe-math-element>{ANNOTATED}<img alt='{{\\displaystyle y}}'></span>", r"$x_1 \le x_2$"),
        ("<img class='mwe-math-fallback-image-inline' alt='{\\displaystyle a_{1}^{2}}'>", "$a_{1}^{2}$"),
        (f"<span class=katex><span class=katex-mathml>{ANNOTATED}</span><span class=katex-html aria-hidden=true>x1≤x2</span></span>", r"$x_1 \le x_2$"),
        ("<math alttext='\\alpha_1'><mi>α</mi></math>", r"$\alpha_1$"),
        ("<script type='math/tex'>a^2+b^2</script>", "$a^2+b^2$"),
        ("<span class=MathJax><nobr>a2</nobr></span><script type='math/tex'>a^2</script>", "$a^2$"),
        ("<span class=MathJax data-mathml='&lt;math&gt;&lt;msup&gt;&lt;mi&gt;a&lt;/mi&gt;&lt;mn&gt;2&lt;/mn&gt;&lt;/msup&gt;&lt;/math&gt;'>a2</span>", "$a^2$"),
        ("<span class=formula data-mathml='&lt;math&gt;&lt;mi&gt;a&lt;/mi&gt;&lt;/math&gt;'>a</span>", "$a$"),
        ("<mml:math><mml:msup><mml:mi>a</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math>", "$a^2$"),
        (f"<mjx-container><mjx-math>x</mjx-math><mjx-assistive-mml>{MATHML}</mjx-assistive-mml></mjx-container>", r"$E = \frac{1}{2}CU^2$"),
        ("<img src='https://latex.example/gif.latex?%5Cfrac%7Ba%7D%7Bb%7D'>", r"$\frac{a}{b}$"),
        ("<img src='https://a.example/equation?tex=x_1' alt='x_1' eeimg=1>", "$x_1$"),
        ("<span class=ztext-math data-tex='x^n'>x n</span>", "$x^n$"),
        (r"<span class='math inline'>\(x_1 * y_1\)</span>", "$x_1 * y_1$"),
        (r"\(a_1*b_1\)", "$a_1*b_1$"),
        ("<span class=MathJax data-mathml='&lt;math&gt;&lt;mi&gt;a&lt;/mi&gt;&lt;/math&gt;'>a</span><script type='math/tex'>a^2</script>", "$a^2$"),
        ("<span class=katex><span class=katex-mathml>\n x\n 1\n x_1 </span><span class=katex-html>x1</span></span>", "$x_1$"),
        ("<span class=katex><span class=katex-html>E<span>=</span>C</span></span>", "E=C"),
        ("<img src='https://a.example/codecogs/svg.image?&amp;space;%5Cfrac%7Ba%7D%7Bb%7D'>", r"$\frac{a}{b}$"),
        (r"<code class=math data-math-style=inline>a_1 \le b</code>", r"$a_1 \le b$"),
        (r"<span class=math>\mathbf{V}_1 \times b</span>", r"$\mathbf{V}_1 \times b$"),
        (r"$a_1 &lt; a_2$", "$a_1 < a_2$"),
    ],
)  # fmt: skip
def test_a_formula_is_its_latex_between_dollars(form, right):
    """Prevents formulas from vanishing, from being written twice, and Markdown's escapes in them."""
    assert markdown(f"<p>Here {form} holds.</p>") == f"Here {right} holds."


@pytest.mark.parametrize(
    "form",
    [
        r"<p>\[ W = \int_0^Q q\,dq \]</p>",
        r"<p>$$ W = \int_0^Q q\,dq $$</p>",
        r"<script type='math/tex; mode=display'>W = \int_0^Q q\,dq</script>",
        r"<div class='katex-display'><span class=katex><math><semantics><mi>W</mi><annotation encoding='application/x-tex'>W = \int_0^Q q\,dq</annotation></semantics></math></span></div>",
    ],
)
def test_a_formula_of_its_own_line_stands_between_two_dollars(form):
    """Prevents displays from running into the text."""
    assert r"$$ W = \int_0^Q q\,dq $$" in markdown(f"<p>So</p>{form}<p>holds.</p>")


@pytest.mark.parametrize(
    ("mathml", "latex"),
    [
        ("<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>", r"\sqrt{x+1}"),
        (
            "<mi mathvariant='bold'>v</mi><mo>=</mo><mi mathvariant='double-struck'>R</mi>",
            r"\mathbf{v} = \mathbb{R}",
        ),
        (
            "<mrow><mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo></mrow><mrow><mo>(</mo><mi>x</mi><mo>)</mo></mrow>",
            r"\left(\frac{a}{b}\right)\left(x\right)",
        ),
        (
            "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>",
            r"\sum_{i = 1}^n",
        ),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        ("<mfenced open='[' close=']'><mi>a</mi><mi>b</mi></mfenced>", r"\left[a,b\right]"),
        (
            "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr></mtable>",
            r"\begin{matrix}1 & 0\end{matrix}",
        ),
        ("<mover><mi>v</mi><mo>→</mo></mover>", r"\vec{v}"),
        (
            "<mover><mrow><mi>A</mi><mi>B</mi></mrow><mo>→</mo></mover><munder><mi>y</mi><mo>_</mo></munder>",
            r"\overrightarrow{AB}\underline{y}",
        ),
        ("<mover><mo>→</mo><mtext>heat</mtext></mover>", r"\xrightarrow{\text{heat}}"),
        (
            "<mrow><mo>(</mo><mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo></mrow><msup><mi>p</mi><mi>k</mi></msup>",
            r"\binom{n}{k}p^k",
        ),
        (
            "<msup><mrow><mo>(</mo><munderover><mo>∑</mo><mi>k</mi><mi>n</mi></munderover><mo>)</mo></mrow><mn>2</mn></msup>",
            r"\left(\sum_k^n\right)^2",
        ),
        (
            "<msup><mrow><mi>α</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup><msup><mn>10</mn><mn>18</mn></msup>",
            r"{\alpha +b}^210^{18}",
        ),
        ("<msub><msup><mi>α</mi><mn>2</mn></msup><mi>i</mi></msub>", r"{\alpha^2}_i"),
        (
            "<mo>[</mo><mtable><mtr><mtd><mn>1</mn></mtd></mtr><mtr><mtd><mn>2</mn></mtd></mtr></mtable><mo>]</mo>",
            r"\begin{bmatrix}1 \\ 2\end{bmatrix}",
        ),
        (
            "<mrow><mo>{</mo><mtable><mtr><mtd><mi>x</mi></mtd><mtd><mtext>if </mtext><mi>y</mi></mtd></mtr></mtable></mrow>",
            r"\begin{cases}x & \text{if }y\end{cases}",
        ),
        ("<mfenced separators=''><mi>a</mi><mo>+</mo><mi>b</mi></mfenced>", r"\left(a+b\right)"),
        (
            "<mi>f</mi><mo stretchy='false'>(</mo><mi>x</mi><mo stretchy='false'>)</mo><mo>(</mo><mi>y</mi><msup><mo>)</mo><mn>2</mn></msup>",
            r"f(x)\left(y\right)^2",
        ),
        (
            "<mfenced open='⟨' close=''><mi>a</mi></mfenced><mo>(</mo><mi>b</mi><mo>]</mo>",
            r"\left\langle a\right.(b]",
        ),
        (
            "<mmultiscripts><mi>C</mi><none/><none/><mprescripts/><mn>6</mn><mn>14</mn></mmultiscripts>",
            "{}_6^{14}C",
        ),
        (
            "<mi>𝐱</mi><mo>∈</mo><mi>ℝ</mi><mo>,</mo><mi>𝑦</mi><mi>ℒ</mi><mi>𝜶</mi>",
            r"\mathbf{x}\in \mathbb{R},y\mathcal{L}\boldsymbol{\alpha}",
        ),
        (
            "<mi mathvariant='normal'>d</mi><mi mathvariant='normal'>B</mi><mo>~</mo><mi>n</mi><mo>∣</mo><mn>5</mn>",
            r"\mathrm{dB}\sim n\mid 5",
        ),
        ("<mstyle mathvariant='bold'><mi>x</mi></mstyle><mo>rank</mo>", r"\mathbf{x}\operatorname{rank}"),
        ("<mi>a</mi><mspace width='2em'/><mtext>50% of_it</mtext>", r"a\quad \text{50\% of\_it}"),
        ("<mi>sin</mi><mi>θ</mi>", r"\sin \theta "),
        ("<mfrac><mi>a</mi></mfrac>", "a"),  # a child short
    ],
)
def test_mathml_is_translated(mathml, latex):
    """Prevents a fraction from becoming two numbers side by side."""
    assert to_latex(etree.fromstring(f"<math>{mathml}</math>")) == latex


@pytest.mark.parametrize(
    ("ascii_", "latex"),
    [
        ("x=(-b +- sqrt(b^2 - 4ac))/(2a)", r"x=\frac{-b\pm\sqrt{b^{2}-4ac}}{2a}"),
        (
            "sum_(i=1)^n i^3=((n(n+1))/2)^2",
            r"\sum_{i=1}^{n}i^{3}=\left(\frac{n\left(n+1\right)}{2}\right)^{2}",
        ),
        (
            "[[a,b],[c,d]]((n),(k))",
            r"\begin{bmatrix}a & b \\ c & d\end{bmatrix}\begin{pmatrix}n \\ k\end{pmatrix}",
        ),
        (
            'AA x in RR "with" root(3)(x) >= alpha_1',
            r"\forall x\in\mathbb{R}\text{with}\sqrt[3]{x}\ge\alpha_{1}",
        ),
        ("{: (", r"\left.\left(\right.\right."),
        (
            "|x|={(x, if x>=0 text(,)),(-x, if (x<0)):}",
            r"|x|=\begin{cases}x & \text{ if }x\ge0\text{,} \\ -x & \text{ if }\left(x<0\right)\end{cases}",
        ),
        ("|(a,b),(c,d)|=ad", r"\begin{vmatrix}a & b \\ c & d\end{vmatrix}=ad"),
        ("((a)(b),(c))", r"\left(\left(a\right)\left(b\right),\left(c\right)\right)"),
        ("sin(x)/x f(x)/(g^2 + f g)", r"\frac{\sin\left(x\right)}{x}\frac{f\left(x\right)}{g^{2}+fg}"),
        (") ^ / \\q", ")^{/} q"),
    ],
)
def test_asciimath_is_translated(ascii_, latex):
    """Prevents formulas in the notation of school pages from being taken for code."""
    assert from_asciimath(ascii_) == latex


def test_asciimath_is_translated_only_where_a_script_renders_it():
    """Prevents code between backticks on other pages from becoming formulas."""
    page = "<p>The area is `1/2\nbh`, typed \\`1/2 bh\\`, <code>`a/b`</code>.</p>"
    script = "<script src='/js/ASCIIMathML.js'></script>"
    assert markdown(page + script).startswith(r"The area is $\frac{1}{2}bh$, typed \`1/2 bh\`, ``")
    assert markdown(page).startswith("The area is `1/2 bh`, typed")
    assert markdown("<p>So <script type='math/asciimath'>x^2/3</script></p>") == r"So $\frac{x^{2}}{3}$"


def test_brackets_in_each_other_without_end_cost_no_more_than_others():
    """Prevents a formula of nothing but brackets from exhausting the stack."""
    assert "(" * 200 in from_asciimath("(" * 300)


def test_what_may_be_a_formula_is_looked_at_only_so_deep(monkeypatch):
    """Prevents wrappers in each other, each read whole, from taking quadratic time."""
    looks = []
    monkeypatch.setitem(outline.__globals__, "formula_by_attributes", lambda *of: looks.append(of))
    beside = "<span class=katex>beside</span> " * 12
    page = markdown(f"<p>{'<span class=katex>' * 100}in the middle{'</span>' * 100} {beside}</p>")
    assert "in the middle" in page
    assert page.count("beside") == 12
    assert len(looks) == 8 + 12


def test_pictures_and_text_that_are_no_formulas_stay_what_they_are():
    """Prevents alternative texts and shell code from becoming formulas."""
    assert (
        markdown("<p>A cat <img class='photo' src='/math/cat.png' alt='a cat on a wall'> sat.</p>")
        == "A cat sat."
    )
    assert (
        markdown(r"<p>Run find . \( \) -print and pay $5 to $6.</p>")
        == r"Run find . \( \) -print and pay $5 to $6."
    )


def test_marks_in_text_and_rows_that_end():
    assert unify(r"so \(x\) and \[ a \\[2pt] b \]") == r"so $x$ and $$ a \\[2pt] b $$"
    assert unify(r"a \\[2pt] b") == r"a \\[2pt] b"


@pytest.mark.parametrize("mark", [r"\[", r"\(a ", r"\\[", r"\[\\"])
def test_marks_that_nothing_closes_cost_what_formulas_do(mark):
    """Prevents seconds for a page of marks, each of which was followed for thousands of characters."""

    def seconds(text):
        begun = time.process_time()
        unify(text)
        return time.process_time() - begun

    open_, closed = (
        min(seconds(piece * (40_000 // len(piece))) for _ in range(2)) for piece in (mark, r"\(x\) ")
    )
    assert open_ < 10 * closed + 0.02
