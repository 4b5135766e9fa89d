# ruff: noqa: E501 - pages are written as they come
import pytest
from lxml import etree

from services.parse.html.about import about
from services.parse.html.features import (
    _DATE,
    _DATED,
    _FINDER,
    _PRICE,
    _PRICED,
    _again,
    _described,
    _signs,
    features_of,
)
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
    said = about(tree(HEAD), [])
    assert said.descriptions == [letters_of(DESCRIPTION), "burnsàlamodeallnight"]
    assert said.titles == ["lampkeepersshop", "lampofbrassnora"]
    silent = about(tree(), [])
    assert silent.descriptions == silent.titles == []
    assert len(silent.kinds) == len(said.kinds)
    assert sum(said.kinds) > sum(silent.kinds) > 0  # the body's name alone


def test_elements_say_what_they_describe():
    """Prevents shops without a head that says so from being read as articles."""
    body = "<div itemscope itemtype='https://schema.org/Product'><p>Lamp</p><img itemtype=none></div>"
    page = outline(tree(body=body), 9)
    assert page.item_types == ["https://schema.org/Product"]
    assert sum(about(tree(), page.item_types).kinds) == 1 + sum(about(tree(), []).kinds)


@pytest.mark.parametrize("text", [
    "only $5", "£ 5", "5元", "50 kr", "USD 5", "5 Eur", "rs. 5",
])  # fmt: skip
def test_prices_are_looked_for_wherever_they_may_be(text):
    """Prevents the quick look for signs of a price from missing one."""
    assert _PRICE.search(text.lower())
    assert _FINDER.mask(text.lower()) & _PRICED


@pytest.mark.parametrize("text", [
    "2024-05", "1999年3月", "12:30", "3 days ago", "5天前", "Jan. 2nd, 2020", "2 Feb 2020", "昨天 1", "今天 1",
])  # fmt: skip
def test_dates_are_looked_for_wherever_they_may_be(text):
    """Prevents the quick look for signs of a date from missing one."""
    assert _DATE.search(text.lower())
    assert _FINDER.mask(text.lower()) & _DATED


@pytest.mark.parametrize("text", [
    "12024-05", "1999", "12:3", "3 days", "a3 days ago", "123 Feb 2020", "a2 Feb 2020", "Xjan 2, 2020", "天前", "明天 1",
])  # fmt: skip
def test_what_is_like_a_date_is_none(text):
    """Prevents numbers from being taken for the dates under titles and posts."""
    assert not _DATE.search(text.lower())


def test_signs_are_counted_in_each_text_by_itself():
    """Prevents the signs of one block from being counted as those of its neighbour."""
    texts = ["", "Ab 12, c.", "", "汉字。A9" + "x" * 400 + "A9!", "𠀀é\ud800 Z\n7", ""]
    heads = [text[:400] for text in texts]
    rows = _signs(texts, heads)
    stops, figures, capitals, han = (
        [sum(sign in signs for sign in text) for text in of]
        for signs, of in ((".,;!?。", texts), ("0129875", heads), ("AZ", heads), ("汉字", heads))
    )
    assert stops == [0, 2, 0, 2, 0, 0]
    sizes = [len(head) + 1 for head in heads]
    assert rows[:, 0] == pytest.approx(
        [num * 20 / (len(text) + 1) for num, text in zip(stops, texts, strict=True)]
    )
    for column, found in enumerate((figures, capitals, han), 1):
        assert rows[:, column] == pytest.approx([num / size for num, size in zip(found, sizes, strict=True)])


def test_what_it_says_may_be_broken():
    """Prevents dead letters from JSON that is none, and from addresses and metas without values."""
    broken = (
        """<script type='application/ld+json'>{"name": "a\\x", "@type": [</script><meta name=description>"""
    )
    said = about(tree(f"{broken}<link rel=canonical><meta property='og:url' content='http://[x'>"), [])
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
    rows = _described(letters, about(tree(HEAD), []))
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
    assert (
        features_of(page, [letters_of(block.text) for block in page.blocks], about(root, []), "").shape[0]
        == 1
    )


def test_what_holds_most_of_a_page_is_not_hidden():
    """Prevents articles that are shown once scripts have run, as WeChat's are, from being left out."""
    body = "<div id=a{}><p>{}</p></div><div{}><p>Subscribe to the letters of the keeper.</p></div>"
    hidden, text = " style='visibility: hidden'", "The keeper wrote down the weather. " * 9

    def features(*hides: str):
        page = outline(tree(body=body.format(hides[0], text, hides[1])), 9)
        return features_of(page, [letters_of(block.text) for block in page.blocks], about(tree(), []), "")

    shown = features("", "").tolist()
    assert features(hidden, "").tolist() == shown
    assert features("", hidden).tolist() != shown
