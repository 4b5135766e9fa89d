"""The main text of an HTML page as Markdown: headings, lists, code, tables and formulas; not the rest.

charset/ decodes, tree.py reads, outline.py makes the page a row of blocks (listings.py, lines.py, formulas.py
and tables.py know what pages make of those), features.py says what is known of each, main_text.py how likely
it is content, leftovers.py which never are, choice.py which are, posts.py which are posts of a thread, and
markdown.py writes them. resiliparse's opinion is one of the features, and the answer where a page has too
many tags for all that. What was measured stands in model.md.
Where a page shows next to no text, its JSON is asked: what it says of itself for search engines (about.py),
or, if that is short, what its scripts were to draw (carried.py).
What kind of page it is, as it says itself, is read out of its head and address by declared.py.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from services.parse.charset import decode, strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.html import main_text
from services.parse.html.about import About, about, body_of
from services.parse.html.blocks import Outline
from services.parse.html.carried import carried
from services.parse.html.choice import chosen
from services.parse.html.declared import NOTHING, declared
from services.parse.html.depth import depth_of
from services.parse.html.features import features_of
from services.parse.html.leftovers import leftovers
from services.parse.html.markdown import render
from services.parse.html.outline import outline
from services.parse.html.tree import read, tidied
from services.parse.html.wording import letters_of

_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n){2,}")
_DRAWN_BY_SCRIPTS = 200  # characters: a page with less may show its text only once scripts have run, and then
_LEAST_TOLD = 100
_TIMES_AS_LONG = 3  # what it says of itself for search engines is longer


def prepare() -> None:
    """Load the libraries and the weights."""
    import resiliparse.extract.html2text  # noqa: F401

    main_text.load()


def parse_html(body: bytes, config: ParseConfig, address: str = "") -> Parsed:
    """Main text of a page, and what it says that it is; address: where it was got, if that is known.

    Raises Unparseable(too_large, broken, too_deep, no_text).
    """
    if len(body) > config.max_html_bytes:
        raise Unparseable("too_large", "an HTML page of this size", len(body), config.max_html_bytes)
    decoded = decode(body, declared=True)
    if decoded.bad_share > config.max_bad_share:
        raise Unparseable(
            "broken", f"does not decode as {decoded.charset}", decoded.bad_share, config.max_bad_share
        )
    page = tidied(decoded.text)
    other = second_opinion(page, config)
    text, said = _understood(page, other, config)
    text, _ = strip_controls(text or _BLANK_LINES.sub("\n\n", other))
    text = text.strip("\n").rstrip()
    if not text:
        if (depth := depth_of(page)) > config.max_html_depth:
            raise Unparseable("too_deep", "elements nested in each other", depth, config.max_html_depth)
        raise Unparseable("no_text", "the page has no main text")
    kind = declared(said, page, address) if said is not None else NOTHING
    return Parsed(
        text,
        confidence=1.0 - decoded.bad_share,
        bad_share=decoded.bad_share,
        kind=kind.kind,
        witnesses=kind.witnesses,
    )


def _understood(page: str, other: str, config: ParseConfig) -> tuple[str, About | None]:
    """The main text and what the page says of itself; "" and None where there are too many tags to see."""
    root = read(page) if page.count("<") <= config.max_html_tags else None
    if root is None:
        return "", None
    found = outline(root, config.max_html_depth)
    said = about(root, found.item_types)
    text = render(found, chosen(found, _likely(found, said, other))) if found.blocks else ""
    if len(text) >= _DRAWN_BY_SCRIPTS:
        return text, said
    told = body_of(root)
    if len(told) < _DRAWN_BY_SCRIPTS and len(text) < _LEAST_TOLD:
        told = carried(root, config.max_html_depth) or told
    if len(told) < max(_LEAST_TOLD, _TIMES_AS_LONG * len(text)):
        return text, said
    return f"{text}\n\n{told}".strip(), said


def _likely(page: Outline, said: About, other: str) -> npt.NDArray[np.float32]:
    """Of each block, 0 to 1, how likely it is main text."""
    words = np.array([block.words for block in page.blocks], np.float32)
    letters = [letters_of(block.text) for block in page.blocks]
    likely = main_text.likelihoods(features_of(page, letters, said, other), words)
    likely[leftovers(page, letters)] = 0
    return likely


def second_opinion(page: str, config: ParseConfig) -> str:
    """Resiliparse's main text; none of a page that nests so deep that it would take quadratic time."""
    if depth_of(page) > config.max_html_depth:
        return ""
    from resiliparse.extract.html2text import extract_plain_text

    found = extract_plain_text(
        page, main_content=True, preserve_formatting=True, alt_texts=False, post_meta=False, noscript=False
    )
    return str(found)
