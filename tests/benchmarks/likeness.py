"""Which pairs are found, by how alike they are: planted in real texts, and what is no other text at all.

A pair should be found by the S-curve of the bands if it is at its threshold or above, and not below; recall
is told in points against that, by likeness and apart for Chinese, English and code. Pairs within 0.02 of the
threshold are undecided and left out of the precision. Real texts are beside the checkout;
where they are not, nothing is told.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from contracts import Document
from services.dedup import DedupConfig
from services.dedup.normal import Compared, compared
from services.dedup.sketch import sketch
from tests.benchmarks.figures import SHARED, Figure
from tests.planted import altered, found, jaccard

TEXTS = SHARED / "data" / "text" / "categories.jsonl.gz"
REVISIONS = SHARED / "data" / "neardup" / "documents.jsonl.gz"
CONFIG = DedupConfig()
Floats = npt.NDArray[np.float64]
NUM, SHORTEST, LONGEST = 120, 300, 8_000  # texts a language; characters
UNDECIDED = 0.02
WANTED = (0.70, 0.75, 0.775, 0.79, 0.81, 0.825, 0.85, 0.90, 0.95)


def texts() -> dict[str, list[str]]:
    """Real ones, by language."""
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    rng, found = random.Random(0), {}
    for language in ("zh", "en", "code"):
        long = [i["text"][:LONGEST] for i in items if i["lang"] == language and len(i["text"]) >= SHORTEST]
        found[language] = rng.sample(long, NUM)
    return found


def what_is_compared(given: Sequence[str], language: str) -> list[Compared]:
    """As dedup does it."""
    format_ = "code" if language == "code" else "prose"
    return [compared(Document(text=text, format=format_, language=language)) for text in given]


def s_curve(likeness: Floats) -> Floats:
    """Chance to meet in a band."""
    chance: Floats = 1 - (1 - likeness**CONFIG.rows) ** CONFIG.bands
    return chance


def planted(language: str, given: Sequence[str]) -> Iterator[Figure]:
    """By likeness, how many of made pairs are found; and how many of those found are what they should be."""
    rng, true, hit = random.Random(1), [], []
    base = [each.text for each in what_is_compared(given, language)]
    signed = sketch(base, CONFIG.bands, CONFIG.rows)
    for wanted in WANTED:
        made = [altered(rng, text, wanted + rng.uniform(-0.01, 0.01)) for text in base]
        true.append(np.array([jaccard(*pair) for pair in zip(base, made, strict=True)]))
        hit.append(found(signed, sketch(made, CONFIG.bands, CONFIG.rows), CONFIG.threshold))
    likeness, hits = np.concatenate(true), np.concatenate(hit)
    for low, high in [
        (0.7, 0.78),
        (0.78, 0.8),
        (0.8, 0.82),
        (0.82, 0.84),
        (0.84, 0.88),
        (0.88, 0.92),
        (0.92, 1),
    ]:
        within = (likeness >= low) & (likeness < high)
        share, curve = hits[within].mean() * 100, s_curve(likeness[within]).mean() * 100
        name = f"likeness: {language}, J {low:.2f} to {high:.2f}, found of {within.sum()}"
        if low > CONFIG.threshold + UNDECIDED / 2:
            yield Figure(name, share, "%", f">= {curve - 2:.1f}", bool(share >= curve - 2))
        else:
            yield Figure(name, share, "%")
    wrong = hits & (likeness < CONFIG.threshold - UNDECIDED)
    precision = 1 - wrong.sum() / hits.sum()
    yield Figure(f"likeness: {language}, precision", precision, "", ">= 0.99", bool(precision >= 0.99))


def spaced(text: str) -> str:
    """With spaces around Han characters and their punctuation."""
    return re.sub(
        r"(?<=[\u4e00-\u9fff，。：；！？、])(?=\S)|(?<=\S)(?=[\u4e00-\u9fff，。：；！？、])", " ", text
    )


def wrapped(text: str) -> str:
    """Broken after some 38 characters, no Latin word in two."""
    lines, line = [], ""
    for piece in re.findall(r"[!-~]+|.|\n", text):
        if len(line) + len(piece) > 38:
            lines.append(line)
            line = ""
        line += piece
    return "\n".join([*lines, line])


def in_html(text: str) -> str:
    """In paragraphs with a class."""
    return "".join(f'<p class="text">{line}</p>\n' for line in text.split("\n"))


def on_a_page(text: str) -> str:
    """Between what a page has above and below."""
    above = (
        "首页 > 新闻 > 正文\n分享到：\n微信\n微博\n"
        if re.search("[一-鿿]", text)
        else "Home | About us\nShare on X\n"
    )
    return f"{above}{text}\n上一篇：雨\nRead more\nLeave a comment\n© 2026 The Gauge. All rights reserved."


def traditional(text: str) -> str:
    """In the script and the words of Taiwan."""
    from opencc import OpenCC

    return str(OpenCC("s2twp").convert(text))


def reindented(text: str) -> str:
    """With half the indentation."""
    return re.sub(r"(?m)^( +)", lambda found: found[1][: len(found[1]) // 2], text)


def respaced(text: str) -> str:
    """With a space after what joins two words."""
    return re.sub(r"([=+<>(),;])(?![=+<>(),;])(?=\S)", r"\1 ", text)


COPIES: dict[str, Sequence[Callable[[str], str]]] = {
    "zh": (spaced, wrapped, in_html, on_a_page, traditional),
    "en": (in_html, on_a_page),
    "code": (reindented, respaced),
}
TARGETS: dict[Callable[[str], str], float] = {spaced: 0.98, wrapped: 0.98, traditional: 0.9}


def copies(language: str, given: Sequence[str]) -> Iterator[Figure]:
    """The same text, written otherwise."""
    base = what_is_compared(given, language)
    signed = sketch([each.text for each in base], CONFIG.bands, CONFIG.rows)
    for change in COPIES[language]:
        made = what_is_compared([change(text) for text in given], language)
        exact = np.array([a.exact == b.exact for a, b in zip(base, made, strict=True)])
        hit = exact | found(
            signed, sketch([each.text for each in made], CONFIG.bands, CONFIG.rows), CONFIG.threshold
        )
        least = TARGETS.get(change, 0.95)
        name = f"likeness: {language}, {change.__name__.replace('_', ' ')}, found"
        yield Figure(name, hit.mean(), "", f">= {least}", bool(hit.mean() >= least))


def revisions() -> Iterator[Figure]:
    """Real pairs: two versions of one file, two scripts of one page, two documents of one project."""
    with gzip.open(REVISIONS, "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    labels = np.array([pair["label"] for pair in pairs])
    sides = [[what_is_compared([pair[side]], pair["lang"])[0].text for pair in pairs] for side in ("a", "b")]
    one, other = (sketch(side, CONFIG.bands, CONFIG.rows) for side in sides)
    hit = found(one, other, CONFIG.threshold)
    true = np.array([jaccard(*pair) for pair in zip(*sides, strict=True)])
    expected = s_curve(true) * (true >= CONFIG.threshold + UNDECIDED)
    clear = true >= CONFIG.threshold + UNDECIDED
    share, curve = hit[clear].mean(), expected[clear].mean()
    yield Figure(
        "likeness: revisions of J >= 0.82, found",
        share,
        "",
        f">= {curve - 0.02:.2f}",
        bool(share >= curve - 0.02),
    )
    both = hit[labels == "near_duplicate_after_script_folding"].mean()
    yield Figure("likeness: manual pages in both scripts, found", both, "", ">= 0.9", bool(both >= 0.9))
    wrong = int((hit & (true < CONFIG.threshold - UNDECIDED)).sum())
    yield Figure("likeness: revisions of J < 0.78, taken for copies", wrong, "pairs", "0", not wrong)
    strangers = int(hit[labels == "different"].sum())
    yield Figure("likeness: different documents, taken for copies", strangers, "pairs", "0", not strangers)


def grams_cosine(one: str, other: str) -> float:
    """Of the counts of 2 and 3 characters in a row."""
    a, b = (
        Counter(text[i : i + n] for n in (2, 3) for i in range(len(text) - n + 1)) for text in (one, other)
    )
    size = sum(n * n for n in a.values()) * sum(n * n for n in b.values())
    return float(sum(n * b[gram] for gram, n in a.items()) / size**0.5)


def reposts() -> Iterator[Figure]:
    """Short texts with a character less, a word more, or a head: from a cosine of 0.9 to be found."""
    rng = random.Random(2)
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    for language, head, word in [("zh", "转发：", "了"), ("en", "rt: ", " very ")]:
        short = [i["text"] for i in items if i["lang"] == language and 15 <= len(i["text"]) <= 150][:1000]
        made = []
        for text in short:
            at = rng.randrange(1, len(text) - 1)
            made.append(rng.choice([head + text, text[:at] + word + text[at:], text[:at] + text[at + 1 :]]))
        sides = [[each.text for each in what_is_compared(side, language)] for side in (short, made)]
        signed, other = (sketch(side, CONFIG.bands, CONFIG.rows) for side in sides)
        hit = found(signed, other, CONFIG.threshold)
        near = np.array([grams_cosine(*pair) >= 0.9 for pair in zip(*sides, strict=True)])
        share = hit[near].mean()
        name = f"likeness: {language}, short reposts, found of {near.sum()}"
        yield Figure(name, share, "", ">= 0.95", bool(share >= 0.95))


def run() -> Iterator[Figure]:
    """All figures."""
    if not TEXTS.exists():
        return  # as is said above
    for language, given in texts().items():
        yield from planted(language, given)
        yield from copies(language, given)
    yield from revisions()
    yield from reposts()
