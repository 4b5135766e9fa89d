"""Pages whose arrays are made together are the pages that each would be by itself."""

import numpy as np

from services.rules.batch import prepare
from services.rules.page import Page
from services.rules.repetition import ngram_shares
from services.rules.unit import measure

_TEXTS = (
    "It’s 3.14 km: the end of the line\n\n  said Ann, 1999 2000\n- and that 'quoted' one",
    "",
    "1984\n2001",
    "一九八四年的春天，天气很好。\n一九八四年的春天，天气很好。\n…",
    "the end of the line the end of the line the end of the line",  # also in the first
    "'",
    "日本語と中文 mixed 12ab 𠀀𠀁 naïve\n😀 e\u0301",
    "same words here same words here",
    "same words here same words here",
)


def test_arrays_made_together_are_those_of_each_alone() -> None:
    """Prevents a line or a word of one page from being counted as its neighbour's."""
    pages = [Page(text) for text in _TEXTS]
    prepare(pages)
    assert all({"tokens", "token_hashes", "known", "line_spans"} <= vars(page).keys() for page in pages)
    shares = ngram_shares(pages)
    for text, page, found in zip(_TEXTS, pages, shares, strict=True):
        alone = Page(text)
        assert found == ngram_shares([alone])[0], text
        assert page.bits == alone.bits, text
        for name in (
            "classes",
            "token_hashes",
            "token_lengths",
            "numbers",
            "line_widths",
            "line_end_classes",
        ):
            assert np.array_equal(getattr(page, name), getattr(alone, name)), (name, text)
        for name in ("tokens", "known", "line_spans"):
            assert all(map(np.array_equal, getattr(page, name), getattr(alone, name))), (name, text)
        if text:
            assert measure(page, found) == measure(alone, found), text


def test_a_page_that_has_its_arrays_keeps_them() -> None:
    """What was read of it stays true."""
    page = Page("some words")
    before = page.tokens
    prepare([page, Page("others"), Page("and more")])
    assert page.tokens is before
