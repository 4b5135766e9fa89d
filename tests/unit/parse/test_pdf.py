import itertools
import math
import pickle
import subprocess
import sys

import pytest

from services.parse.config import ParseConfig, Unparseable
from services.parse.pdf import Line, Recognised, parse_pdf
from tests.unit.parse.pdf_maker import (
    encrypted_pdf,
    han_pdf,
    ligature_pdf,
    make_pdf,
    paragraph,
    pictures_pdf,
    unmapped_pdf,
)

STORY = (
    "The ferry leaves at seven and comes back at nine with the post and the papers. Nobody waits for it but "
    "the dog, who knows the hour better than the harbour clock and is never late for the landing."
)


def test_lines_become_paragraphs():
    """Prevents a line break in the middle of each sentence."""
    parsed = parse_pdf(make_pdf([paragraph(STORY) + paragraph(STORY, top=600)]), ParseConfig())
    assert parsed.text == f"{STORY}\n\n{STORY}"
    assert parsed.confidence == 1
    assert parsed.pages == 1


def test_running_heads_and_page_numbers_go():
    """Prevents the book's title from standing once a page in the middle of sentences."""
    pages = [
        [(72, 800, "Letters from the island"), *paragraph(f"Letter {n}: {STORY}"), (290, 30, str(n))]
        for n in range(1, 7)
    ]
    text = parse_pdf(make_pdf(pages), ParseConfig()).text
    assert "Letters from the island" not in text
    assert [line for line in text.splitlines() if line.strip().isdigit()] == []
    assert text.count("Nobody waits") == 6


def test_hyphens_at_line_ends_are_mended_and_others_kept():
    """Prevents broken words, which the tokenizer would learn."""
    lines = [
        (72, 700, "The well-known harbour master has an extra-"),
        (72, 688, "ordinary memory for ships and their flags"),
    ]
    text = parse_pdf(make_pdf([lines]), ParseConfig()).text
    assert "extraordinary memory" in text
    assert "well-known" in text


def test_columns_are_read_one_after_the_other():
    """Prevents lines of two columns from being woven into each other."""
    left, right = STORY.replace("ferry", "left"), STORY.replace("ferry", "right")
    page = paragraph(left, width=36) + paragraph(right, x=320, width=36)
    text = " ".join(parse_pdf(make_pdf([page]), ParseConfig()).text.split())
    assert text == f"{left} {right}"


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("drawn", ["down", "across", "backwards"])
def test_columns_are_read_however_they_are_drawn(columns, drawn):
    """Prevents lines of columns from being woven into each other by producers that draw row by row."""
    width = 480 // columns
    stories = [STORY.replace("ferry", name) for name in ("barge", "canoe", "yacht")[:columns]]
    sides = [paragraph(story, 60 + n * (width + 12), 680, width // 6) for n, story in enumerate(stories)]
    lines = [line for side in sides for line in side]
    if drawn == "across":
        lines.sort(key=lambda line: (-line[1], line[0]))
    if drawn == "backwards":
        lines.reverse()
    title = (60, 720, "A title that stands over all of the columns and is wider than any one of them")
    text = parse_pdf(make_pdf([[*lines, title]]), ParseConfig()).text
    assert " ".join(text.split()) == " ".join([title[2], *stories])


@pytest.mark.parametrize(
    ("rotate", "turn", "places"),
    [
        (90, "1 0 0 1", [(72, 700 - 12 * n) for n in range(9)]),
        (270, "0 -1 1 0", [(500 - 12 * n, 700) for n in range(9)]),
        (90, "0 1 -1 0", [(100 + 12 * n, 100) for n in range(9)]),
        (0, "-1 0 0 -1", [(500, 100 + 12 * n) for n in range(9)]),
    ],
)
def test_turned_pages_and_turned_text_are_read_from_their_top(rotate, turn, places):
    """Prevents landscape pages from being read from the bottom up, or one letter a line."""
    lines = [
        (*place, text) for place, (_, _, text, *_) in zip(places, paragraph(STORY, width=40), strict=False)
    ]
    text = parse_pdf(make_pdf([lines], rotate=rotate, turn=turn), ParseConfig()).text
    assert " ".join(text.split()) == STORY


def turned(lines, degrees):
    """Lines and the matrix of their text, turned about the middle of the page, counterclockwise."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    places = [
        (300 + (x - 300) * cosine - (y - 400) * sine, 400 + (x - 300) * sine + (y - 400) * cosine, text)
        for x, y, text, *_ in lines
    ]
    return places, f"{cosine} {sine} {-sine} {cosine}"


@pytest.mark.parametrize("degrees", [0.7, -3, 92, 178.5])
def test_text_that_leans_is_read_line_by_line(degrees):
    """Prevents the layer of text of a page that was scanned askew from being shuffled word by word."""
    lines, matrix = turned(
        [*paragraph(STORY * 3, 60, width=38), *paragraph(STORY * 3, 310, width=38)], degrees
    )
    text = parse_pdf(make_pdf([lines], turn=matrix), ParseConfig()).text
    assert " ".join(text.split()) == f"{STORY * 3} {STORY * 3}"


def test_columns_of_chinese_are_read_from_the_right():
    """Prevents what is written from top to bottom from being read from its last column to its first."""
    text = "雨从早上下到现在集市的人早早收了摊子回家去了河水慢慢涨上来没有谁再过桥"
    places = [(500 - 22 * (n // 10), 700 - 14 * (n % 10)) for n in range(len(text))]
    assert parse_pdf(han_pdf(text, places), ParseConfig()).text == text
    across = [(72 + 14 * (n % 10), 700 - 22 * (n // 10)) for n in range(len(text))]
    assert "".join(parse_pdf(han_pdf(text, across), ParseConfig()).text.split()) == text


@pytest.mark.parametrize("off", [0, 0.6])
def test_what_is_drawn_again_over_itself_is_read_once(off):
    """Prevents shadows, and pages that a program drew twice, from doubling each line."""
    lines = paragraph(STORY)
    again = [(x + off, y - off, text) for x, y, text in lines]
    assert " ".join(parse_pdf(make_pdf([[*lines, *again]]), ParseConfig()).text.split()) == STORY
    cells = [(72, 500 - 30 * n, "none") for n in range(9)]
    assert parse_pdf(make_pdf([cells]), ParseConfig()).text.count("none") == 9


def test_pieces_that_are_drawn_again_are_read_once():
    """Prevents "BBeefforeore": words made bold by drawing each of their pieces twice."""
    pieces, x = [], 72.0
    for piece in ("be", "fo", "re", "fi", "ne", "r"):
        pieces += [(x, 700, piece), (x + 0.6, 700, piece)]
        x += 12 * len(piece) / 2
    font = "/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding"
    text = parse_pdf(make_pdf([[*pieces, *paragraph(STORY, top=600)]], font=font), ParseConfig()).text
    assert text.split()[0] == "beforefiner"


def test_what_no_reader_sees_is_left_out():
    """Prevents words for search engines and printers' marks from being read with the page."""
    hidden = [(72, 900, "over the page"), (-300, 400, "left of the page"), (72, 300, "too small to see", 0.4)]
    lines = paragraph(STORY)
    assert " ".join(parse_pdf(make_pdf([[*lines, *hidden]]), ParseConfig()).text.split()) == STORY
    assert "over" in parse_pdf(make_pdf([hidden]), ParseConfig()).text, "no page is all hidden"
    long = [(582, 60, "its"), (596, 60, "edge")]
    below = [(72, 22 - 14 * n, f"and a table of row {n}") for n in range(9)]
    assert "its edge" in parse_pdf(make_pdf([[*lines, *long]]), ParseConfig()).text
    assert "row 8" in parse_pdf(make_pdf([[*lines, *below]]), ParseConfig()).text


def test_a_letter_over_several_lines_begins_the_first():
    """Prevents the first word of each chapter from losing its initial to the second line."""
    lines = paragraph(STORY[1:], 98, 712, 50)
    rest = [(72 if y < 700 else x, y, text) for x, y, text in lines]
    text = parse_pdf(make_pdf([[(72, 700, "T", 34), *rest]]), ParseConfig()).text
    assert " ".join(text.split()) == STORY


def test_letters_that_are_set_apart_are_words():
    """Prevents a heading's letters from being words of their own, and answers A to E from being one word."""
    font = "/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding"
    places = [72 + 10 * n for n in range(7)] + [156 + 10 * n for n in range(3)]
    heading = [(x, 700, letter) for x, letter in zip(places, "CHAPTERONE", strict=True)]
    answers = [(72 + 10 * n, 600, letter) for n, letter in enumerate("ABCDE")]
    spaced = [(72, 500, "x y e a o")]
    text = parse_pdf(make_pdf([[*heading, *answers, *spaced]], font=font), ParseConfig()).text
    assert text.splitlines()[::2] == ["CHAPTER ONE", "A B C D E", "x y e a o"]


def test_notes_and_powers_of_brackets_are_raised():
    """Prevents a sentence's end from becoming "end.12", and an ion's charge from being read as its number."""
    line = [(72, 700, "the end."), (109.5, 704, "12", 6), (118, 700, "and (a+b)"), (161, 704, "2", 6)]
    assert parse_pdf(make_pdf([line]), ParseConfig()).text == "the end.^12 and (a+b)^2"
    ion = [(72, 700, "SO"), (86.5, 697, "4", 6), (90, 704, "2-", 6)]
    assert parse_pdf(make_pdf([ion]), ParseConfig()).text == "SO<sub>4</sub>^2-"


def test_raised_figures_are_marked_and_ordinals_are_not():
    """Prevents 10^6 from being read as 106, and 1st as 1^st."""
    figures = [(72, 700, "some 10"), (108, 704, "6", 6), (114, 700, "boats on the 1"), (178, 704, "st", 6)]
    text = parse_pdf(make_pdf([[*figures, (186, 700, "of May")]]), ParseConfig()).text
    assert text == "some 10^6 boats on the 1st of May"


def test_lowered_figures_are_marked():
    """Prevents H2O and CO2 from being read as if the figures were no indices."""
    water = [
        (72, 700, "water is H"),
        (117.2, 698, "2", 7),
        (121.1, 700, "O and air has CO"),
        (198.8, 698, "2", 7),
    ]
    text = parse_pdf(make_pdf([[*water, (205, 700, "in it, not MP3 or B2B")]]), ParseConfig()).text
    assert text == "water is H<sub>2</sub>O and air has CO<sub>2</sub> in it, not MP3 or B2B"


def test_lam_and_alef_that_are_one_glyph_stay_in_order():
    """Prevents one of the commonest pairs of letters of Arabic and Persian from being turned round."""
    text = parse_pdf(ligature_pdf(), ParseConfig()).text
    assert set(text.split()) == {
        "\u0643\u0627\u0644\u0627\u064a",
        "\u0643\u0643\u0644\u0627\u064a",
        "\u064a\u0627\u0627\u0644\u0627",
    }


def test_a_table_is_markdown_and_its_cells_stay_whole():
    """Prevents figures from losing the names of their rows and columns."""
    head = [(72, 700, "Harbour"), (250, 700, "Boats"), (350, 700, "Depth")]
    body = [
        [(72, 680, "Old town, with"), (72, 669, "the fish quay"), (250, 680, "41"), (350, 680, "3.5 m")],
        [(72, 649, "New port, with"), (72, 638, "its crane"), (250, 649, "7"), (350, 649, "9 m")],
    ]
    page = [*head, *(cell for row in body for cell in row), *paragraph(STORY, top=600)]
    text = parse_pdf(make_pdf([page]), ParseConfig()).text
    table = "| Harbour | Boats | Depth |\n| --- | --- | --- |\n"
    rows = "| Old town, with the fish quay | 41 | 3.5 m |\n| New port, with its crane | 7 | 9 m |"
    assert text == f"{table}{rows}\n\n{STORY}"


def test_a_hyphen_stays_where_the_document_writes_the_word_with_it():
    """Prevents evidencebased and docu-ment."""
    first = [(72, 700, "What the evidence says of it is evidence-"), (72, 688, "based and often on a docu-")]
    page = [*first, (72, 676, "ment that is only based on another.")]
    text = parse_pdf(make_pdf([page]), ParseConfig()).text
    assert "evidence-based" in text
    assert "a document that" in text


def test_a_recogniser_reads_the_pages_without_text_and_no_others():
    """Prevents scans from being dropped, and readable pages from waiting for a slow model."""
    asked = []

    def recognise(page):
        asked.append(page.get_size())
        return Recognised([Line("read from the picture", 72, 300, 700, 12)], 0.5)

    body = make_pdf([paragraph(STORY), [], [(72, 700, "2")]])
    parsed = parse_pdf(body, ParseConfig(), recognise)
    assert parsed.text.count("read from the picture") == len(asked) == parsed.recognised == 2
    assert STORY in parsed.text
    assert 0.5 < parsed.confidence < 1
    assert parse_pdf(body, ParseConfig(), lambda page: None).text.startswith(STORY)


def test_a_scan_with_a_stamp_is_recognised():
    """Prevents scans from being lost for the number or the library's mark that a program wrote on them."""
    asked = []

    def recognise(page):
        asked.append(1)
        return Recognised([Line(STORY, 72, 500, 700, 12)], 0.9)

    stamp = [(72, 30, "from the library, 12 May")]
    page = [(0, 0, 595, 842)]
    parsed = parse_pdf(pictures_pdf([stamp], page), ParseConfig(), recognise)
    assert (parsed.text, parsed.recognised) == (STORY, 1)
    assert "library" in parse_pdf(pictures_pdf([stamp], page), ParseConfig(), lambda page: None).text
    for lines, box in (([*paragraph(STORY, top=500), *stamp], page), (stamp, [(0, 0, 200, 200)])):
        parse_pdf(pictures_pdf([lines], box), ParseConfig(), recognise)
    assert len(asked) == 1, "a page whose background is a picture has its text"


def test_a_file_whose_end_is_missing_is_read_as_far_as_it_goes():
    """Prevents the files that a crawl cut from being lost with all of their pages."""
    whole = make_pdf([paragraph(STORY), paragraph(STORY, top=500), paragraph(STORY, top=300)])
    parsed = parse_pdf(whole[: whole.index(b"xref")], ParseConfig())
    assert (parsed.partial, parsed.text.count("ferry")) == (True, 3)
    part = parse_pdf(whole[: whole.index(b"6 0 obj")], ParseConfig())
    assert (part.partial, part.text.count("ferry"), part.pages) == (True, 1, 3)
    assert not parse_pdf(whole, ParseConfig()).partial


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (encrypted_pdf(), "encrypted"),
        (b"%PDF-1.7\n", "broken"),
        (b"%PDF-1.4\n" + b"\xff\x00<<" * 500, "broken"),
        (make_pdf([[], []]), "no_text"),
        (unmapped_pdf(), "low_confidence"),
        (make_pdf([[(72, 700, "page")]] * 5), "too_many_pages"),
    ],
    ids=["encrypted", "mark only", "garbage", "no text", "unmapped", "pages"],
)
def test_what_cannot_be_read_has_a_reason(body, reason):
    """Prevents an exception of PDFium from becoming a dead letter that nobody understands."""
    with pytest.raises(Unparseable) as caught:
        parse_pdf(body, ParseConfig(max_pages=4))
    assert caught.value.reason == reason
    assert caught.value.detail


def test_every_truncation_ends_in_text_or_a_reason():
    """Prevents a crash on a file whose download was cut, wherever it was cut."""
    whole = make_pdf([paragraph(STORY)] * 3)
    outcomes = set()
    for size in range(0, len(whole), 37):
        try:
            outcomes.add(bool(parse_pdf(whole[:size], ParseConfig()).text))
        except Unparseable as error:
            outcomes.add(error.reason)
    assert outcomes <= {True, "broken", "no_text"}
    assert "broken" in outcomes


def verdict(body: bytes) -> tuple[str, str]:
    """The text, or the reason and what is said of it."""
    try:
        return "text", parse_pdf(body, ParseConfig()).text
    except Unparseable as error:
        return error.reason, error.detail


def test_a_verdict_does_not_depend_on_the_file_before() -> None:
    """Prevents a file without pages from being `encrypted` because the one before it was."""
    files = {
        "good": make_pdf([paragraph(STORY)]),
        "encrypted": encrypted_pdf(),
        "no pages": make_pdf([]),
        "page that is none": make_pdf([[]]).replace(b"/Kids[4 0 R]", b"/Kids[9 0 R]"),
        "mark only": b"%PDF-1.7\n",
        "garbage": b"%PDF-1.4\n" + b"\xff\x00<<" * 500,
        "cut": make_pdf([paragraph(STORY)] * 3)[:600],
        "empty page": make_pdf([[]]),
    }
    script = (  # a process for each file; none of them has loaded PDFium before
        "import multiprocessing, pickle, sys; from tests.unit.parse.test_pdf import verdict;"
        "assert 'pypdfium2' not in sys.modules;"
        "pool = multiprocessing.get_context('fork').Pool(1, maxtasksperchild=1);"
        "found = pool.map(verdict, pickle.load(sys.stdin.buffer), chunksize=1);"
        "sys.stdout.buffer.write(pickle.dumps(found))"
    )
    bodies = pickle.dumps(list(files.values()))
    done = subprocess.run([sys.executable, "-c", script], input=bodies, capture_output=True, check=True)
    alone = dict(zip(files, pickle.loads(done.stdout), strict=True))
    assert {reason for reason, _ in alone.values()} == {"text", "encrypted", "broken", "no_text"}
    for (before, first), (name, body) in itertools.product(files.items(), repeat=2):
        verdict(first)
        assert verdict(body) == alone[name], f"{name} after {before}"
