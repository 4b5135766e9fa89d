"""Good text damaged by rule, and rubbish put together: more faults than the labelled spam shows.

Each kind is a fault that crawled text really has; `damage` picks one by hash, so that runs agree.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from trainer.bert.default.composed import phrases


def damage(text: str, lang: str, key: str) -> tuple[str, str]:
    """(name of the fault, the damaged text) for a good text."""
    draw = random.Random(key)
    name = draw.choice(sorted(FAULTS))
    body = text[: draw.randint(200, 900)]
    return name, FAULTS[name](body, lang, draw)


def _phrases(name: str, lang: str) -> list[str]:
    found: list[str] = phrases()[name][lang]
    return found


def _words(text: str, lang: str) -> list[str]:
    return re.findall(r"[a-zA-Z0-9]+|.", text) if lang == "zh" else text.split()


def _join(words: Sequence[str], lang: str) -> str:
    return ("" if lang == "zh" else " ").join(words)


def shuffled(text: str, lang: str, draw: random.Random) -> str:
    """Its words in any order."""
    words = _words(text, lang)
    draw.shuffle(words)
    return _join(words, lang)


def mojibake(text: str, lang: str, draw: random.Random) -> str:
    """Decoded with the wrong charset."""
    if lang == "zh":
        wrong = text.encode("utf-8").decode("gbk", errors="ignore")
        return wrong if draw.random() < 0.5 else text.encode("utf-8").decode("latin-1")
    marks = {"'": "â€™", " ": "Â ", '"': "â€œ", "e": "Ã©"}
    return "".join(marks[c] if c in marks and draw.random() < 0.35 else c for c in text)


def misread(text: str, lang: str, draw: random.Random) -> str:
    """As a poor scan is read: wrong letters, broken lines, stray marks."""
    share = draw.uniform(0.15, 0.35)
    strange = "|~^*_;:.,-'`1lI0O" if lang == "en" else "丨亅丿乚囗冂乂卜一二。、.·~^|"
    out = [draw.choice(strange) if c.strip() and draw.random() < share else c for c in text]
    return "".join(c + ("\n" if draw.random() < 0.03 else "") for c in out)


def stuffed(text: str, lang: str, draw: random.Random) -> str:
    """A few words and sales terms over and over, as written for search engines."""
    words = list(re.findall(r"[一-鿿]{2,4}" if lang == "zh" else r"[A-Za-z]{4,}", text))[:40] or ["x"]
    subject, keys = draw.sample(words, min(3, len(words))), _phrases("keys", lang)
    glue = draw.choice((" ", ",", " | ", "、")) if lang == "zh" else draw.choice((" ", ", ", " | "))
    parts = [
        draw.choice(subject) + ("" if lang == "zh" else " ") + draw.choice(keys)
        for _ in range(draw.randint(8, 50))
    ]
    return glue.join(parts)


def menu(text: str, lang: str, draw: random.Random) -> str:
    """The links of a page."""
    items = _phrases("menu", lang)
    titles = [t.strip()[:30] for t in re.split(r"[。.!?\n，,]", text) if 4 < len(t.strip()) < 60]
    lines = [
        draw.choice(items if draw.random() < 0.7 or not titles else titles)
        for _ in range(draw.randint(8, 60))
    ]
    return draw.choice(("\n", "\n", " | ", " > ")).join(lines)


def advert(_: str, lang: str, draw: random.Random) -> str:
    """A few cries and a number to call."""
    ads = _phrases("ads", lang)
    lines = draw.sample(ads, draw.randint(1, 4)) * draw.randint(1, 3)
    contact = (
        draw.choice(("QQ", "微信", "电话", "vx", "薇"))
        if lang == "zh"
        else draw.choice(("Call", "Text", "www.", "Tel"))
    )
    number = str(draw.randint(10**6, 10**10))
    return draw.choice(("！", "\n", " ")).join([*lines, contact + draw.choice(("", "：", " ")) + number])


def interrupted(text: str, lang: str, draw: random.Random) -> str:
    """Sentences torn apart by menus and advertisements: a page whose main text was not found."""
    parts = [p for p in re.split(r"(?<=[。.!?\n])", text) if p.strip()][:12]
    out = []
    for part in parts:
        out.append(part.strip()[: draw.randint(8, 60)])
        out += draw.sample(_phrases("menu", lang), draw.randint(2, 5))
        if draw.random() < 0.4:
            out.append(draw.choice(_phrases("ads", lang)))
    return "\n".join(out)


def repeated(text: str, lang: str, draw: random.Random) -> str:
    """One sentence over and over."""
    parts = [p for p in re.split(r"(?<=[。.!?\n，,])", text) if len(p.strip()) > 3][:6] or [text[:40]]
    return (
        "".join(draw.choice(parts) for _ in range(draw.randint(6, 20)))
        if len(parts) < 3
        else draw.choice(parts) * draw.randint(4, 15)
    )


def gibberish(_: str, lang: str, draw: random.Random) -> str:
    """Letters that mean nothing."""
    letters = (
        "abcdefghijklmnopqrstuvwxyz0123456789"
        if lang == "en"
        else "的一是在不了有和人这中大为上个国我以要他asd123"
    )
    words = ["".join(draw.choices(letters, k=draw.randint(2, 11))) for _ in range(draw.randint(5, 60))]
    return " ".join(words) if lang == "en" else "".join(words)


Fault = Callable[[str, str, random.Random], str]
FAULTS: dict[str, Fault] = {
    function.__name__: function
    for function in (shuffled, mojibake, misread, stuffed, menu, advert, interrupted, repeated, gibberish)
}  # fmt: skip
