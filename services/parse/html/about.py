"""What a page says of itself in its head, its JSON-LD and the names of its body.

That is written for search engines and style sheets, and tells a shop from a thread before a word of the
text is read; and the description of a product or the text of an article often stands there a second time.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from services.parse.html.finder import Finder
from services.parse.html.wording import letters_of

_TYPES = {
    "article": re.compile(r"article|blogposting|reportage|og:article"),
    "forum": re.compile(r"discussionforumposting|qapage|question|answer|comment"),
    "product": re.compile(r"product|offer"),
    "list": re.compile(r"collectionpage|itemlist|searchresults"),
    "organisation": re.compile(r"localbusiness|service|faqpage|organization"),
    "documentation": re.compile(r"techarticle|apireference|howto|softwaresource"),
}
_OPEN_GRAPH = ("website", "article", "product")
# Looked for anywhere in the lower-cased names of the body.
_BODY = [
    words.split()
    for words in (
        "home front-page frontpage",
        "archive category tag- search collection listing catalog",
        "single-post article postid news blog",
        "product shop pdp woocommerce",
        "forum thread topic phpbb vbulletin question discuss",
        "doc wiki mediawiki sphinx api",
        "page-template landing page-id",
    )
]
# Looked for in the lower-cased path of the page's own address, which ends in a slash.
_PATH = [
    words.split()
    for words in (
        "/product/ /products/ /p/ /dp/ /item/ /items/ /itm/ /shop/ /shops/ /store/ /stores/ /buy/ /app/ .htm",
        "/category/ /categories/ /tag/ /tags/ /topic/ /topics/ /collection/ /collections/ /list/ /page/"
        " /archive/ /author/ /search/",
        "/thread/ /threads/ /topic/ /forum/ /forums/ /question/ /questions/ /t/ /viewtopic /showthread"
        " /discussion/ /discussions/",
        "/doc/ /docs/ /documentation/ /reference/ /api/ /manual/ /guide/ /guides/ /wiki/ /help/ /kb/",
        "/20 /blog/ /blogs/ /news/ /article/ /articles/ /story/ /stories/ /post/ /posts/",
    )
]
_IN_BODY, _IN_PATH = Finder(_BODY), Finder(_PATH)
_DESCRIPTIONS = frozenset({"description", "og:description", "twitter:description"})
_BODIES = frozenset({"articleBody", "description"})
_TITLES = frozenset({"og:title", "twitter:title"})
_TYPE = re.compile(r"\"@type\"\s*:\s*\[?\s*\"([A-Za-z, \"]{3,80})\"")
_VALUE = re.compile(r'"(description|articleBody|text|reviewBody|name|headline)"\s*:\s*("(?:[^"\\]|\\.)*")')
_TAG = re.compile(r"<[^<>]+>|&[a-z]+;")
_ORIGIN = re.compile(r"https?://[^/]*")
_LONGEST_SCRIPT = 50_000
_MOST_VALUES = 40
_MOST_METAS, _MOST_GENERATORS, _LONGEST_GENERATOR, _LONGEST_NAMES = 200, 5, 100, 2000
_SHORTEST, _SHORTEST_TITLE = 20, 3  # characters; shorter ones stand anywhere


@dataclass(slots=True)
class About:
    """descriptions, titles: letters alone (see letters_of). kinds: one number for each thing that is known of
    the page's kind, mostly 0 or 1. The rest as it stands there: types of schema.org, og:type, names of meta
    elements, generators, classes and ids of html and body, and the page's own address.
    """

    descriptions: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    kinds: list[float] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    metas: list[str] = field(default_factory=list)
    generators: list[str] = field(default_factory=list)
    open_graph: str = ""
    names: str = ""
    address: str = ""


def about(root: Any, item_types: list[str]) -> About:
    """What the page with this root says. item_types: what its elements say that they describe."""
    found = About()
    types = [value.rpartition("/")[2] for value in item_types]
    named = {"og:type": "", "og:url": "", "canonical": ""}
    descriptions: list[str] = []
    titles: list[str] = []
    for element in root.iter("script", "meta", "link", "title"):
        tag = element.tag
        if tag == "script":
            if "ld+json" in (element.get("type") or "") and element.text:
                text = element.text[:_LONGEST_SCRIPT]
                types += _TYPE.findall(text)[:20]
                for name, value in _values(text):
                    (titles if name in ("name", "headline") else descriptions).append(value)
        elif tag == "meta":
            name = (element.get("property") or element.get("name") or "").lower()
            content = element.get("content") or ""
            if len(found.metas) < _MOST_METAS:
                found.metas.append(name)
            if name in _DESCRIPTIONS:
                descriptions.append(content)
            elif name in _TITLES:
                titles.append(content)
            elif name in named and not named[name]:
                named[name] = content
            elif name == "generator" and len(found.generators) < _MOST_GENERATORS:
                found.generators.append(content[:_LONGEST_GENERATOR])
        elif tag == "title":
            titles.append(element.text or "")
        elif element.get("rel") == "canonical":
            named["canonical"] = named["canonical"] or element.get("href") or ""
    found.descriptions = [letters_of(each) for each in dict.fromkeys(descriptions) if len(each) > _SHORTEST]
    found.titles = [letters_of(each) for each in dict.fromkeys(titles) if len(each) > _SHORTEST_TITLE]
    said = " ".join([*types, f"og:{named['og:type']}" if named["og:type"] else ""]).lower()
    names, address = _names_of_body(root), named["canonical"] or named["og:url"]
    found.kinds = [
        *(bool(pattern.search(said)) for pattern in _TYPES.values()),
        *(kind in named["og:type"] for kind in _OPEN_GRAPH),
        *_bits(_IN_BODY.mask(names.lower()), len(_BODY)),
        *_of_address(address),
    ]
    found.types, found.open_graph, found.names, found.address = types, named["og:type"], names, address
    return found


def body_of(root: Any) -> str:
    """The longest text that JSON-LD gives of what the page is about, on one line; "" where there is none."""
    scripts = (
        (script.text or "")[:_LONGEST_SCRIPT]
        for script in root.iter("script")
        if "ld+json" in (script.get("type") or "")
    )
    told = (value for text in scripts for name, value in _values(text) if name in _BODIES)
    return " ".join(max(told, key=len, default="").split())


def _values(text: str) -> list[tuple[str, str]]:
    found = []
    for name, value in _VALUE.findall(text)[:_MOST_VALUES]:
        try:
            found.append((name, _TAG.sub(" ", json.loads(value, strict=False))))
        except ValueError:
            continue
    return found


def _names_of_body(root: Any) -> str:
    body = root.find("body")
    elements = [root] if body is None else [root, body]
    return " ".join(each.get(name) or "" for each in elements for name in ("class", "id"))[:_LONGEST_NAMES]


def _of_address(address: str) -> list[float]:
    path = _ORIGIN.sub("", address[:500].lower(), 1).partition("?")[0].strip("/")
    known = bool(address)
    return [
        *_bits(_IN_PATH.mask(f"/{path}/"), len(_PATH)),
        known,
        known and not path,  # a front page
        min(path.count("/"), 4) / 4,
    ]


def _bits(mask: int, num: int) -> list[float]:
    return [float(mask >> i & 1) for i in range(num)]
