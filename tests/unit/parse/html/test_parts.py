"""Which texts of a page another extractor kept, or the page's own description holds."""

import random

from services.parse.html import parts
from services.parse.html.parts import parts_of


def test_a_text_is_a_part_exactly_where_it_stands_in_the_whole(monkeypatch):
    """Prevents the hashes, or where one looks first, from telling otherwise than a search does."""
    monkeypatch.setattr(parts, "_MUCH", 0)
    drawn = random.Random(5)
    num_inside = 0
    for _ in range(400):
        whole = "".join(drawn.choices("abc\u6c49\u00e9", k=drawn.randint(0, 40)))
        cut = [whole[at : at + drawn.randint(0, 12)] for at in range(0, len(whole), 5)]
        strange = ["".join(drawn.choices("abc\u6c49\u00e9", k=drawn.randint(0, 8))) for _ in range(8)]
        texts = drawn.sample([*cut, *strange], k=len(cut) + 8)
        expected = [text != "" and text in whole for text in texts]
        assert parts_of(whole, texts) == expected
        num_inside += sum(expected)
    assert num_inside > 1000


def test_texts_that_are_nowhere_are_not_looked_for(monkeypatch):
    """Prevents a page of many links from taking the time of as many searches through a long text."""
    monkeypatch.setattr(parts, "_MUCH", 0)

    class Counted(str):
        num_searches = 0

        def find(self, *at):
            self.num_searches += 1
            return super().find(*at)

    whole = Counted("the whole text of a page " * 1000)
    assert parts_of(whole, [f"link number {i}" for i in range(1000)]) == [False] * 1000
    assert whole.num_searches == 0
    assert parts_of(whole, ["text of a page the"]) == [True]
    assert whole.num_searches == 1
