"""Pages are looked at together, and each is told its own places: none of another's, none lost at an edge."""

from services.rules.page import Page
from services.rules.pii.places import Marked, marked

TEXTS = [
    "京A12345在QQ 12345",
    "vvq ",
    "12345678",
    "",
    "a@b.cn：1234567",
    "98765431@qq.com",
    "加q ",
    "一三八一二三四五六七八",
    "微",
    "QQ：12345，京A12345，name＠mail.cn 13812345678，" * 10,  # more marks than a few
]


def test_pages_together_are_marked_as_alone() -> None:
    alone = [marked([Page(text)])[0] for text in TEXTS]
    assert marked([Page(text) for text in TEXTS]) == alone
    assert all(any(marks[kind] for marks in alone) for kind in range(len(Marked._fields)))


def test_places_are_of_what_they_are_called() -> None:
    (marks,) = marked([Page("QQ：12345，住在京A12345，name＠mail.cn 13812345678，加我，京城")])
    assert marks == Marked(runs=[(32, 43)], cues=[0, 11], colons=[2], ats=[23])
