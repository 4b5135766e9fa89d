import pytest

from services.parse.html.depth import depth_of


@pytest.mark.parametrize(("page", "deep"), [
    ("", 0), ("no tag, 1 < 2", 0), ("<", 0), ("</div>", 0), ("<div><b>x</b></div><i>", 2),
    ("<DIV><Section ", 2),
    ("<p><li><td><br/><IMG src='a>b'><script></script></P>", 0), ("<pa><lin><optgroup><blockquote>", 4),
    ("<源><1><_a><a", 1), ("<div>" * 3000, 3000), ("<div></div>" * 3000, 1), ("<a></section></a><b><u>", 1),
])  # fmt: skip
def test_tags_tell_how_deep_elements_nest(page, deep):
    """Prevents a page that nests deep from being parsed, and one of many open paragraphs from being
    refused.
    """
    assert depth_of(page) == deep
