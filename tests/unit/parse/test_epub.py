import pytest

from services.parse.config import ParseConfig, Unparseable
from services.parse.epub import parse_epub
from tests.unit.parse.zip_maker import make_epub

PAGE = "<html><body><h1>{}</h1><p>{} Rain had fallen since the morning.</p></body></html>"
COVER = "<html><body><img src='a.png'/></body></html>"
CHAPTERS = {
    "z.xhtml": PAGE.format("One", "First."),
    "a b.xhtml": PAGE.format("二", "第二章"),
    "c.xhtml": COVER,
}


def test_chapters_come_in_the_order_of_the_spine():
    """Prevents a book in the order of its files' names, and a cover from costing the book."""
    parsed = parse_epub(make_epub(CHAPTERS, ["c.xhtml", "z.xhtml", "a b.xhtml", "gone"]), ParseConfig())
    assert parsed.text.index("One") < parsed.text.index("First.") < parsed.text.index("第二章")
    assert parsed.pages == 3


def test_a_chapter_that_is_missing_costs_itself():
    """Prevents a book of forty chapters from being lost with one of them."""
    whole = make_epub(CHAPTERS, ["z.xhtml", "a b.xhtml"])
    parsed = parse_epub(whole.replace(b"OEBPS/z.xhtml", b"OEBPS/y.xhtml"), ParseConfig())
    assert (parsed.partial, "First." in parsed.text, "第二章" in parsed.text) == (True, False, True)
    assert not parse_epub(whole, ParseConfig()).partial


def test_a_chapter_is_read_once_with_its_notes():
    """Prevents a spine that names one chapter a thousand times, and notes left out as a page's asides are."""
    note = "<aside epub:type='footnote'><p>Of the old mill.</p></aside></body>"
    chapters = {"z.xhtml": PAGE.format("One", "First.").replace("</body>", note)}
    text = parse_epub(make_epub(chapters, ["z.xhtml"] * 50), ParseConfig()).text
    assert text.count("First.") == text.count("Of the old mill.") == 1


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        (make_epub(CHAPTERS, ["c.xhtml"]), "no_text"),
        (
            make_epub({f"{n}.xhtml": COVER for n in range(11)}, [f"{n}.xhtml" for n in range(11)]),
            "too_many_pages",
        ),
        (make_epub({"z.xhtml": COVER}, ["z.xhtml"]).replace(b"OEBPS/z", b"OEBPS/y"), "broken"),
        (make_epub(CHAPTERS, ["z.xhtml"], container="<container/>"), "broken"),
        (
            make_epub(
                CHAPTERS,
                ["z.xhtml"],
                encryption="<e><d><CipherReference URI='OEBPS/z.xhtml'/></d></e>",
            ),
            "encrypted",
        ),
    ],
)
def test_books_without_text_say_why(book, reason):
    """Prevents a book under DRM from becoming garbage."""
    with pytest.raises(Unparseable) as caught:
        parse_epub(book, ParseConfig(max_pages=10))
    assert caught.value.reason == reason
