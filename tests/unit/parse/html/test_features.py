# ruff: noqa: E501 - pages are written as they come
from lxml import etree

from services.parse.html.about import about
from services.parse.html.features import _again, _described, features_of
from services.parse.html.outline import outline
from services.parse.html.wording import letters_of

DESCRIPTION = "A lamp of brass that burns all night, with a wick of cotton and a foot of oak."
HEAD = (
    "<title>Lamp – Keeper's shop</title><link rel=canonical href='https://a.example/products/lamp'>"
    f"<meta property='og:type' content='product'><meta name=description content='{DESCRIPTION}'>"
    """<script type='application/ld+json'>{"@type": "Product", "name": "Lamp of brass \\"Nora\\"", "description": "<p>Burns \\u00e0 la mode</p> all night"}</script>"""
)


def tree(head: str = "", body: str = ""):
    return etree.fromstring(
        f"<html><head>{head}</head><body class='single-product'>{body}</body></html>", etree.HTMLParser()
    )


def test_a_page_says_what_it_is():
    """Prevents shops from being read as articles."""
    said = about(tree(HEAD))
    assert said.descriptions == [letters_of(DESCRIPTION), "burnsàlamodeallnight"]
    assert said.titles == ["lampkeepersshop", "lampofbrassnora"]
    silent = about(tree())
    assert silent.descriptions == silent.titles == []
    assert len(silent.kinds) == len(said.kinds)
    assert sum(said.kinds) > sum(silent.kinds) > 0  # the body's name alone


def test_what_it_says_may_be_broken():
    """Prevents dead letters from JSON that is none, and from addresses and metas without values."""
    broken = (
        """<script type='application/ld+json'>{"name": "a\\x", "@type": [</script><meta name=description>"""
    )
    said = about(tree(f"{broken}<link rel=canonical><meta property='og:url' content='http://[x'>"))
    assert said.descriptions == said.titles == []


def test_a_text_that_stands_twice_or_begins_a_longer_one_is_told():
    """Prevents what is laid out for telephones too from standing twice in the corpus."""
    long = "the lamp burns all night on the rock by the open sea"
    rows = _again([letters_of(each) for each in (long, "other", long, long + " and in the fog", "other")])
    assert rows.astype(bool).tolist() == [
        [False, True, True, True],
        [False, True, True, False],
        [True, False, True, True],
        [False, False, False, False],
        [True, False, True, False],
    ]


def test_the_description_is_found_in_the_text():
    """Prevents the text of a product from being lost among prices and cards."""
    letters = [
        letters_of(each) for each in ("Menu", "Lamp of brass", DESCRIPTION, "In stock", DESCRIPTION + " New.")
    ]
    rows = _described(letters, about(tree(HEAD)))
    assert rows[:, 0].tolist() == [0, 0, 1, 0, 0]
    assert rows[:, 1].tolist() == [0, 0, 1, 0, 1]
    assert rows[:, 2].tolist() == [0, 1, 0, 0, 0]
    assert (rows[:, 4] * 30).round().tolist() == [2, 1, 0, 1, 0]
    assert rows[:, 6].tolist() == [0, 0, 0, 1, 1]


def test_a_page_without_frames_or_repetition_has_features_too():
    """Prevents a page of bare text from ending in an error of shapes."""
    root = tree(body="bare")
    page = outline(root, 0)
    assert len(page.frames) == 0
    assert features_of(page, root, "").shape[0] == 1
