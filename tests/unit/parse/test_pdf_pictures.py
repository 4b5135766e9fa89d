import pytest

from services.parse.config import ParseConfig
from services.parse.pdf import parse_pdf
from tests.unit.parse.pdf_maker import paragraph, pictures_pdf

STORY = "The lamp turns once in nine seconds and its light is seen from as far as the fishing banks are. " * 2
LINE = [(72, 700, "the range is"), (189, 700, "as the keeper reckons it")]  # they end at 144, begin at 189
WORD = (147, 697, 39, 11)
TWO = [*paragraph(STORY), *paragraph(STORY, top=605)]
PAGE = [*TWO, (396, 634, "(3)")]  # lines end at 414
ALONE = (180, 625, 120, 24)


def text_of(body: bytes) -> str:
    return parse_pdf(body, ParseConfig()).text


def test_a_formula_among_words_or_with_its_number_is_marked():
    """Prevents a sentence whose formula is a picture from being read as if nothing were missing."""
    assert text_of(pictures_pdf([LINE], [WORD])) == "the range is [formula] as the keeper reckons it"
    assert "\n\n[formula] (3)\n\n" in text_of(pictures_pdf([PAGE], [ALONE]))


@pytest.mark.parametrize(
    ("lines", "box", "ink"),
    [
        (LINE, WORD, "e02020"),  # an icon, in red
        (LINE, WORD, "ffffff"),  # nothing is to be seen
        (LINE, (147, 690, 39, 40), "202020"),  # a figure beside the text
        (LINE, (60, 699, 8, 8), "202020"),  # a bullet
        (LINE, (330, 699, 30, 9), "202020"),  # after the last word
        (LINE, (147, 697, 20, 11), "202020"),  # in a gap, not between words
        (LINE, (166, 697, 20, 11), "202020"),
        (LINE, (147, 712, 39, 11), "202020"),  # over the line
        ([*LINE, (160, 700, "x")], WORD, "202020"),  # behind a word
        ([(72, 700, "12 34 56 789"), (189, 700, "33 44 55")], WORD, "202020"),  # among figures
        ([LINE[0], (189, 703, LINE[1][2])], WORD, "202020"),  # of two lines
        (PAGE, (180, 525, 120, 24), "202020"),  # by itself, without a number
        ([*TWO, (396, 634, "see")], ALONE, "202020"),  # beside a word
        ([*TWO, (330, 634, "(3)")], ALONE, "202020"),  # with a number that is not at the edge
        (PAGE, (75, 625, 225, 24), "202020"),  # from the left edge on
        ([*paragraph(STORY, top=780), (396, 634, "(3)")], ALONE, "202020"),  # far from any text
        (
            [*paragraph(STORY, top=760), (396, 660, "(3)")],
            (180, 600, 120, 120),
            "202020",
        ),  # as high as a figure
    ],
)
def test_other_pictures_are_not_marked(lines, box, ink):
    """Prevents icons, bullets and figures from standing in the text as formulas."""
    assert "[formula]" not in text_of(pictures_pdf([lines], [box], ink))


def test_pictures_that_come_back_are_not_marked():
    """Prevents the icons of a manual from standing in its text as formulas."""
    assert "[formula]" not in text_of(pictures_pdf([LINE] * 3, [WORD]))
    assert text_of(pictures_pdf([LINE] * 2, [WORD])).count("[formula]") == 2
