from services.parse.pdf.columns import in_order
from services.parse.pdf.document import _arranged
from services.parse.pdf.line import HYPHEN, Line
from services.parse.pdf.paragraphs import assemble
from services.parse.pdf.rows import Row, joined
from services.parse.pdf.rows import rows as grouped
from services.parse.pdf.tables import Table, with_tables
from services.parse.pdf.text_layer import TextLayer


def lines(
    *texts: str, left: float = 72, top: float = 700, height: float = 12, width: float = 6
) -> list[Line]:
    return [
        Line(text, left, left + width * len(text), top - 15 * index, height)
        for index, text in enumerate(texts)
    ]


def test_chinese_lines_join_without_a_space():
    """Prevents spaces in the middle of Chinese words."""
    page = lines("渔船在天亮以前就出海了，", "码头上只剩下几盏灯还亮着。", width=12)
    assert assemble([page]) == "渔船在天亮以前就出海了，码头上只剩下几盏灯还亮着。"


def test_lines_that_end_early_stay_apart():
    """Prevents addresses, verses and code from running together."""
    page = lines(
        "12 Harbour Street", "Old Town", "x = 1", "print(x)", "and a line that is longer than all the others"
    )
    assert assemble([page]).splitlines() == [line.text for line in page]


def test_a_sentence_goes_on_over_the_page():
    """Prevents each page from ending in half a paragraph."""
    first = lines("the road climbs for an hour and", "then it follows the old wall to")
    second = lines("the pass, where the wind turns", "and the valley opens to the sea")
    assert "wall to the pass" in assemble([first, second])
    ended = lines("the road climbs for an hour and", "then it stops at the old wall.")
    assert "wall.\n\nthe pass" in assemble([ended, second])


def test_list_items_and_leaders_keep_their_lines():
    """Prevents a list and a table of contents from becoming one paragraph."""
    text = assemble(
        [
            lines(
                "- bread, butter and a little salt",
                "- water",
                "1. Start . . . . . . . . . 3",
                "2. End . . . . . . . 9",
            )
        ]
    )
    assert text.splitlines() == ["- bread, butter and a little salt", "- water", "1. Start … 3", "2. End … 9"]


def test_exponents_stay_in_their_row():
    """Prevents formulas from falling into one symbol a line."""
    row = [Line("area = r", 72, 120, 700, 12), Line("2", 121, 125, 705, 8), Line("* pi", 127, 150, 700, 12)]
    assert [joined(each.cells).text for each in grouped(row)] == ["area = r^2 * pi"]


def test_a_soft_hyphen_never_stays():
    """Prevents an invisible character from splitting a word for every later step."""
    assert HYPHEN not in assemble([lines(f"the end of the world{HYPHEN}", "War begins")])


def test_nothing_gives_nothing():
    """Prevents an index error on documents whose pages are empty."""
    assert assemble([]) == ""
    assert assemble([[], []]) == ""


def test_words_that_stand_once_are_not_furniture():
    """Prevents first and last lines of pages from being lost."""
    pages = [
        lines(*(f"page {name} line {i} has words" for i in "abcdefgh")) for name in ("one", "two", "six")
    ]
    text = assemble(pages)
    assert all(f"page {name} line {i}" in text for name in ("one", "two", "six") for i in "abcdefgh")


def test_cells_without_a_white_strip_are_lines():
    """Prevents an endless loop on rows that are read from right to left, or whose cells overlap."""
    row = Row((Line("far", 300, 340, 700, 12), Line("near", 72, 280, 700, 12)), 700, 12)
    assert [item.text for item in with_tables([row, row])] == ["far near", "far near"]


def test_pieces_of_formulas_do_not_move_the_gutter():
    """Prevents columns from being cut where many single signs stand, in the middle of their lines."""
    left = [Line("as it is written on the left", 60, 300, 700 - 24 * n, 12) for n in range(9)]
    signs = [Line("x", 80 + 24 * k, 86 + 24 * k, 688 - 24 * n, 12) for n in range(9) for k in range(8)]
    right = [Line("and so it goes on at the right", 312, 560, 697 - 12 * n, 12) for n in range(18)]
    regions = in_order([*left, *signs, *right])
    assert regions[-1] == right


def test_wide_gaps_of_some_lines_are_no_columns():
    """Prevents some justified lines of a page from being read as two columns."""
    whole = [Line("a line over all of the width of the page", 60, 560, 700 - 12 * n, 12) for n in range(30)]
    halves = [
        Line("a half of a line of the same", left, left + 245, 340 - 12 * n, 12)
        for n in range(12)
        for left in (60, 315)
    ]
    assert in_order([*whole, *halves]) == [[*whole, *halves]]


def columns_of_prose(top: float, number: int) -> tuple[list[Line], list[Line]]:
    """Two columns side by side, 12 points from line to line."""
    left = [Line(f"so the left column goes on, line {n}", 60, 300, top - 12 * n, 10) for n in range(number)]
    right = [Line(f"and the right one after it, line {n}", 315, 555, top - 12 * n, 10) for n in range(number)]
    return left, right


def test_columns_above_a_table_are_read_one_after_the_other():
    """Prevents lines of two columns from being cells of the table that stands under them."""
    left, right = columns_of_prose(700, 4)
    cells = [
        Line(text, x, x + 30, 600 - 12 * n, 10, 400 + n)
        for n in range(30)
        for x, text in ((60, f"pier {n}"), (200, "12"), (315, "50"), (450, "7"))
    ]
    regions = in_order([*left, *right, *cells])
    assert regions == [left, right, cells]


def test_a_title_goes_with_the_lines_that_run_across_under_it():
    """Prevents a caption's first line, short, from standing at the end of the left column."""
    left, right = columns_of_prose(700, 8)
    title = Line("Figure 2 The old quay", 60, 160, 560, 10)
    caption = [Line("a caption over both columns", 60, 555, 548 - 12 * n, 10) for n in range(2)]
    assert in_order([*left, title, *caption, *right]) == [left, right, [title, *caption]]
    last = title._replace(base=left[-1].base - 12)  # a paragraph's last line, whatever stands below it
    assert in_order([*left, last, *caption, *right]) == [[*left, last], right, caption]


def test_text_beside_pictures_is_no_column():
    """Prevents paragraphs from leaving their headings where pictures stand now left of them, now right."""
    paragraphs = []
    for k, x in enumerate((60, 315, 60, 315)):
        top = 700 - 120 * k
        paragraphs.append(Line(f"Boat {k}", 60, 100, top, 10))
        paragraphs += [
            Line("a line of prose, and another", x, x + 240, top - 24 - 12 * n, 10) for n in range(6)
        ]
    assert in_order(paragraphs) == [paragraphs]


def table(*rows: tuple[tuple[float, int, str], ...]) -> str:
    """Markdown of rows of cells: (left edge, number of the first word as drawn, text)."""
    cells = [
        Line(text, left, left + 5 * len(text), 700 - 13 * index, 12, at)
        for index, row in enumerate(rows)
        for left, at, text in row
    ]
    [found] = with_tables(grouped(cells))
    assert isinstance(found, Table)
    return found.text


def test_lines_of_a_head_are_one_cell_and_columns_drawn_down_are_not():
    """Prevents a head of two lines from being two rows, and a table drawn by columns from being one row."""
    head = [
        ((60, 2, "Number"), (140, 5, "Share")),
        ((0, 0, "Item"), (60, 3, "of boats"), (140, 6, "of boats")),
    ]
    body = [((0, 8 + 3 * n, f"pier{n}"), (60, 9 + 3 * n, "12"), (140, 10 + 3 * n, "50")) for n in range(3)]
    assert table(*head, *body).startswith("| Item | Number of boats | Share of boats |")
    down = [((0, n, f"pier{n}"), (60, 9 + n, "12"), (140, 18 + n, "50")) for n in range(5)]
    assert table(*down).count("\n") == 5
    one = [((0, n, f"pier{n}"), (60, 9 + 2 * n, "12"), (140, 10 + 2 * n, "50")) for n in range(5)]
    assert table(*one).endswith("| pier4 | 12 | 50 |")


def test_lines_of_cells_that_were_recognised_are_told_by_their_distance():
    """Prevents a scanned table's head from being three rows, and a wrapped cell from being one of its own."""
    rows = [
        (0, ((60, "Number"), (140, "Share"))),
        (13, ((60, "of boats"), (140, "of all"), (220, "Master"))),
        (26, ((0, "Pier"), (140, "boats"))),
        *((44 + 20 * n, ((0, f"pier{n}"), (60, "12"), (140, "50"), (220, "Brandt"))) for n in range(4)),
        (117, ((220, "the elder"),)),
        (137, ((0, "all"), (60, "48"), (140, "99"), (220, "none"))),
        (150, ((60, "7"),)),
        (170, ((0, "old"), (60, "1"), (140, "2"), (220, "Tamm"))),
    ]
    cells = [
        Line(text, left, left + 5 * len(text), 700 - down, 12) for down, row in rows for left, text in row
    ]
    [found] = with_tables(grouped(cells))
    assert isinstance(found, Table)
    assert found.text.splitlines() == [
        "| Pier | Number of boats | Share of all boats | Master |",
        "| --- | --- | --- | --- |",
        *(f"| pier{n} | 12 | 50 | Brandt |" for n in range(3)),
        "| pier3 | 12 | 50 | Brandt the elder |",
        "| all | 48 | 99 | none |",
        "|  | 7 |  |  |",
        "| old | 1 | 2 | Tamm |",
    ]


def test_cells_that_nearly_touch_are_told_by_how_they_are_drawn():
    """Prevents heads with a narrow space between them from being one cell."""
    left, right = Line("Percent of", 100, 150, 700, 12, 4), Line("Percent of", 157, 207, 700, 12, 9)
    [apart] = grouped([left, right])
    [one] = grouped([left, right._replace(at=6)])
    assert [len(apart.cells), len(one.cells)] == [2, 1]


def test_words_written_from_right_to_left_are_lines():
    """Prevents Hebrew and Arabic from being one word a line: PDFium hands them over word by word."""
    words = [
        Line(word, 300 - 35 * n, 330 - 35 * n, 700, 12, n) for n, word in enumerate(["שלום", "לכל", "העולם"])
    ]
    far = Line("הערה", 40, 70, 700, 12, 3)
    [row] = grouped([*words, far])
    assert [cell.text for cell in row.cells] == ["שלום לכל העולם", "הערה"]


def test_tables_are_read_from_right_to_left_where_their_page_is():
    """Prevents values from standing before their names, and columns of figures from changing places."""
    drawn = [(58, "5"), (200, "שנה"), (52, "12"), (195, "מחיר"), (40, "1999"), (190, "7 ק״ג")]
    runs = [
        Line(text, left, left + 6 * len(text), 700 - 15 * (n // 2), 12, n)
        for n, (left, text) in enumerate(drawn)
    ]
    [[found]] = _arranged([TextLayer(runs, [], 1, 1)], [[]])
    assert isinstance(found, Table)
    assert found.text.splitlines()[0::2] == ["| שנה | 5 |", "| מחיר | 12 |"]
    years = [Line("1990", 10, 34, 600, 12), Line("1999", 200, 224, 600, 12)]
    assert [cell.text for cell in grouped([*runs, *years])[-1].cells] == ["1999", "1990"]
    assert [cell.text for cell in grouped(years)[-1].cells] == ["1990", "1999"]
