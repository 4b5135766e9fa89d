import numpy
import pytest

from services.parse.config import ParseConfig
from services.parse.ocr import Looked, Reader, Seen
from services.parse.pdf import parse_pdf
from services.parse.ruled import ruled_tables, rules_in
from tests.unit.parse.pdf_maker import make_pdf

SIZE = (600, 800)  # pixels down and across


def picture(across=(), down=(), grey=60):
    """White, with rules (y, left, right) and (x, top, bottom)."""
    drawn = numpy.full((*SIZE, 3), 255, numpy.uint8)
    for y, left, right in across:
        drawn[y : y + 2, left:right] = grey
    for x, top, bottom in down:
        drawn[top:bottom, x : x + 2] = grey
    return drawn


def boxes(*places):
    """Of texts at (left, top), 60 pixels wide and 20 high."""
    return numpy.array([(left, top, left + 60, top + 20) for left, top in places], numpy.float64)


def tables(across, down, placed):
    found = ruled_tables(
        [text for text, *_ in placed], boxes(*(at for _, *at in placed)), rules_in(picture(across, down))
    )
    return [each.table.text for each in found]


ROWS = [(100, 50, 750), (150, 50, 750), (220, 50, 750), (260, 50, 750)]
CELLS = [
    ("Boat", 60, 115),
    ("Master", 410, 115),
    ("Gull", 60, 160),
    ("sold", 60, 190),
    ("H. Brandt", 410, 175),
    ("Tern", 60, 230),
    ("n|a", 410, 230),
]
TABLE = "| Boat | Master |\n| --- | --- |\n| Gull sold | H. Brandt |\n| Tern | n\\|a |"


@pytest.mark.parametrize("down", [[(50, 100, 262), (400, 100, 262), (748, 100, 262)], [(400, 100, 262)]])
def test_lines_of_one_cell_are_together(down):
    """Prevents wrapped cells from being rows of their own, also where a table is open at its sides."""
    assert tables(ROWS, down, [*CELLS, ("under the table", 60, 300)]) == [TABLE]


def test_grey_rules_are_rules_and_filled_areas_are_none():
    """Prevents tables of forms, which are often grey, from being missed, and a dark head from being one."""
    drawn = picture([(100, 50, 750), (300, 50, 750)], [(50, 100, 302)], grey=200)
    drawn[150:190, 50:750] = 60
    rules = rules_in(drawn)
    assert rules.across.tolist() == [[100, 50, 750], [300, 50, 750]]
    assert rules.down.tolist() == [[50, 100, 302]]


@pytest.mark.parametrize(
    ("across", "down", "placed"),
    [
        ([(100, 50, 750), (400, 50, 750)], [(50, 100, 402), (748, 100, 402)], CELLS),  # a frame around text
        (ROWS, [], CELLS),  # nothing parts the columns
        (  # nothing parts the rows
            [(100, 50, 750), (150, 50, 750), (400, 50, 750)],
            [(400, 100, 402)],
            [
                ("Boat", 60, 115),
                ("Master", 410, 115),
                *((f"{x} {y}", x, y) for x in (60, 410) for y in range(160, 280, 30)),
            ],
        ),
        (
            ROWS,
            [(400, 100, 262)],
            [*CELLS[:4], ("12.5 %", 410, 155), ("-7", 410, 195)],
        ),
        ([], [], []),
    ],
    ids=["frame", "no columns", "no rows", "numbers", "nothing"],
)
def test_what_rules_do_not_part_is_left_to_its_white_strips(across, down, placed):
    """Prevents a column of numbers, or a paragraph in a frame, from being one cell."""
    assert tables(across, down, placed) == []


def test_a_photograph_has_no_rules():
    """Prevents seconds of looking at which of ten thousand lines in a picture meet."""
    noise = numpy.random.default_rng(1).integers(0, 256, (1500, 1500, 3), dtype=numpy.uint8)
    assert [len(rules) for rules in rules_in(noise)] == [0, 0]


def test_strokes_of_letters_and_streaks_of_a_scan_are_no_rules():
    """Prevents a line from being cut at an l or where the glass was dirty."""
    assert rules_in(picture(ROWS, [(90, 158, 190), (300, 0, 600)])).down.tolist() == []


def test_a_ruled_table_is_one_in_the_text_of_its_page():
    """Prevents a table of a scan from losing its rows among the lines around it."""
    seen = [
        Seen(text, 0.9, [(left, top), (right, top), (right, bottom), (left, bottom)])
        for (text, *at) in [
            ("The boats of the harbour, as they were in May", 60, 60),
            *CELLS,
            ("All but two are lost.", 60, 300),
        ]
        for left, top, right, bottom in boxes(at).tolist()
    ]
    rules = rules_in(picture(ROWS, [(400, 100, 262)]))
    look = lambda drawn, late: Looked(seen, SIZE[0], rules=rules)  # noqa: E731
    text = parse_pdf(make_pdf([[]]), ParseConfig(), Reader(ParseConfig(), look)).text
    assert text == f"The boats of the harbour, as they were in May\n\n{TABLE}\n\nAll but two are lost."
