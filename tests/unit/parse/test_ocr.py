import io
import math
from itertools import count
from types import SimpleNamespace

import numpy
import pytest

from contracts import Document
from services.parse import image as images
from services.parse import ocr
from services.parse.config import ParseConfig, Unparseable
from services.parse.image import parse_image
from services.parse.ocr import Looked, Reader, Seen, lines_of, parted, rapid, reader
from services.parse.pdf import parse_pdf
from services.parse.pdf.columns import in_order
from services.parse.ruled import Rules
from services.parse.unit import Readers, build, judge
from services.runtime import ConfigurationError, Drop, Emit, Resources, Settings
from tests.benchmarks.figures import SHARED
from tests.unit.parse.pdf_maker import make_pdf, paragraph, unmapped_pdf

PATIENT = ParseConfig(max_ocr_seconds=240)  # what is tested is what the models read, however busy the machine
PROSE = "Rain had fallen since the morning, and the market people packed their stalls early and went home. "


def seen(text, x, y, width=300.0, height=20.0, turn=0.0, score=0.9):
    """A line whose upper left corner is at x, y before the whole picture is turned about its own."""
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    turned = [
        (a * math.cos(turn) - b * math.sin(turn), a * math.sin(turn) + b * math.cos(turn)) for a, b in corners
    ]
    return Seen(text, score, turned)


def page(*found):
    """Looks that see the same on each page, and how often they were asked."""
    pictures = []

    def look(picture, late):
        pictures.append(picture)
        return Looked(found, picture.shape[0])

    return look, pictures


def test_places_are_those_of_the_page():
    """Prevents the margin of the detector's boxes from hiding a narrow gutter."""
    lines = lines_of([seen("one", 100, y) for y in (100, 140)] + [seen("two", 600, 100)], 2, 800)
    margin = reader._BESIDE * 10
    assert [line.left for line in lines] == pytest.approx([50 + margin, 50 + margin, 300 + margin])
    assert lines[0].base == lines[2].base
    assert lines[0].base - lines[1].base == pytest.approx(20)
    assert 740 < lines[0].base < 750, "from the foot of the page"


def test_a_page_that_hangs_askew_is_laid_straight():
    """Prevents its table from being read cell by cell: short lines are found level where long ones fall."""
    pytest.importorskip("cv2")
    picture = numpy.full((800, 600, 3), 250, numpy.uint8)
    long = [seen("", 60, y, turn=0.03).corners for y in (200, 300, 400)]
    short = [(400, 112), (440, 112), (440, 132), (400, 132)]  # on the line that begins at 60, 100
    turned, boxes = rapid._straight(picture, numpy.array([*long, short], numpy.float32))
    tops, bottoms = boxes[:, :2, 1], boxes[:, 2:, 1]
    assert tops[:, 0] == pytest.approx(tops[:, 1])
    assert bottoms[:, 0] == pytest.approx(bottoms[:, 1])
    assert tops[3, 0] == pytest.approx(tops[0, 0] - 100, abs=2), "level with its line"
    assert turned.min() >= 249, "what comes in at the corners is paper"
    level, same = rapid._straight(picture, boxes)
    assert level is turned or level is picture
    assert (same == boxes).all()


NO_RULES = Rules(numpy.empty((0, 3), numpy.int64), numpy.empty((0, 3), numpy.int64))


def part(corners, crop, rules=NO_RULES):
    return parted.parted(corners, crop, rules)


def test_long_lines_tell_how_a_page_lies(monkeypatch):
    """Prevents a table that lies on its side from being read so: most of its cells are as high as wide."""

    class Engine:
        """Says of each line that it stands upright."""

        def cls_and_rotate(self, crops):
            return crops, SimpleNamespace(cls_res=[("0", 0.9)] * len(crops))

    monkeypatch.setattr(rapid, "_engine", Engine)
    cells = [seen("", 60 * n, 100, width=22).corners for n in range(9)]
    names = [seen("", 60 * n, 300, width=20, height=180).corners for n in range(3)]
    boxes = numpy.array([*cells, *names], numpy.float32)
    crops = [numpy.zeros((20, 60, 3), numpy.uint8)] * len(boxes)
    assert rapid._quarters(boxes, crops) == 1
    assert rapid._quarters(boxes[:9], crops[:9]) == 0


def test_a_line_found_over_a_gutter_is_two():
    """Prevents two columns that nearly touch from being read as one, line by line."""
    crop = numpy.full((20, 400, 3), 255, numpy.uint8)
    for left, right in ((4, 190), (196, 198), (220, 396)):  # the second a word's space away
        crop[7:12, left:right] = 0
    parts = part([(100, 50), (500, 50), (500, 70), (100, 70)], crop)
    assert [part.shape[1] for _, part in parts] == [201, 184]
    assert [[corner[0] for corner in corners[:2]] for corners, _ in parts] == [[100, 301], [316, 500]]
    assert len(part([(100, 50), (500, 50), (500, 70), (100, 70)], 255 - crop)) == 2, "white on black"
    grey = crop.copy()
    grey[7:12, 198:220] = 190
    assert len(part([(100, 50), (500, 50), (500, 70), (100, 70)], grey)) == 1, "grey words are no gutter"
    ruled = NO_RULES._replace(down=numpy.array([(200, 40, 80)]))
    parts = part([(100, 50), (500, 50), (500, 70), (100, 70)], crop, ruled)
    assert [crop.shape[1] for _, crop in parts] == [100, 101, 184], "a rule parts cells"
    upright = [(0, 0), (20, 0), (20, 400), (0, 400)]
    assert len(part(upright, crop)) == 1, "it runs down the page"
    assert len(part([(0, 0), (400, 0), (400, 20), (0, 20)], crop * 0)) == 1, "nothing is white"


def test_lines_that_were_recognised_are_apart_over_a_narrow_gutter():
    """Prevents pieces that were each found by itself from being joined as words after a space are."""
    columns = [
        (seen(PROSE[:40], 0, 30 * n, width=400), seen(PROSE[40:80], 410, 30 * n, width=400)) for n in range(9)
    ]
    lines = lines_of([each for pair in columns for each in pair], 2, 800)
    left, right = in_order(lines)
    assert {line.text for line in left} == {PROSE[:40]}
    assert len(left) == len(right) == 9


def test_boxes_of_one_font_have_its_height_and_spaces_between_han_go():
    """Prevents a line without descenders from being another font, and 中 文 from being two words."""
    lines = lines_of(
        [seen("中 文 and 字 体", 0, 0, height=20), seen("on", 0, 30, height=17), seen("B", 0, 60, height=50)],
        1,
        99,
    )
    assert lines[0].text == "中文 and 字体"
    assert lines[0].height == lines[1].height < lines[2].height


def test_marks_in_chinese_are_of_one_width():
    """Prevents every other question from ending in half a mark: the models see no width."""
    found = lines_of([seen("如何输出，怎样显示?", 0, 0), seen("为什么? Why?", 0, 30)], 1, 99)
    assert [line.text for line in found] == ["如何输出，怎样显示？", "为什么？ Why?"]
    [alone] = lines_of([seen("为什么?", 0, 0)], 1, 99)
    assert alone.text == "为什么?", "nothing on the page says how wide its marks are"


def test_pages_are_read_within_a_number_and_a_time():
    """Prevents a scanned book from outliving its batch and becoming a dead letter."""
    scan = make_pdf([[]] * 5)
    look, pictures = page(seen(PROSE * 2, 0, 0))
    by_number = Reader(ParseConfig(max_ocr_pages=2), look)
    parsed = parse_pdf(scan, ParseConfig(), by_number)
    assert (parsed.recognised, by_number.left_out, len(pictures)) == (2, 3, 2)
    clock = count(0, 4)
    by_time = Reader(ParseConfig(max_ocr_seconds=10), look, lambda: next(clock))
    assert parse_pdf(scan, ParseConfig(), by_time).recognised == 2
    [found] = judge([Document(body=scan)], config=ParseConfig(max_ocr_pages=2), readers=Readers(look=look))
    assert isinstance(found, Emit)
    assert (
        dict(found.document.features).items()
        >= {"parse_ocr_pages": 2, "parse_partial": 1, "parse_pages": 5}.items()
    )
    assert found.document.features["parse_confidence"] == pytest.approx(0.9)


def test_a_page_that_takes_too_long_keeps_what_was_read_of_it():
    """Prevents one dense page from outliving the time of its batch."""

    def look(picture, late):
        return Looked([seen(PROSE * 2, 0, 0)], picture.shape[0], whole=not late())

    clock = count(0, 8)
    reader = Reader(ParseConfig(max_ocr_seconds=10), look, lambda: next(clock))
    parsed = parse_pdf(make_pdf([[]]), ParseConfig(), reader)
    assert (parsed.recognised, reader.left_out) == (1, 1)
    assert PROSE.strip() in parsed.text


def test_a_page_in_letters_that_the_file_does_not_hold_is_not_read():
    """A font without a map to Unicode that is not in the file is shown in another's letters: shifted ones."""
    look, pictures = page(seen("GUR XRRCRE", 72, 100))
    with pytest.raises(Unparseable) as caught:
        parse_pdf(unmapped_pdf(), ParseConfig(), Reader(ParseConfig(), look))
    assert (caught.value.reason, len(pictures)) == ("low_confidence", 0)


def test_a_huge_page_is_made_small():
    """Prevents a poster from being rendered at a gigabyte."""
    look, pictures = page()
    huge = make_pdf([[]]).replace(b"595 842", b"9e4 9e4")
    with pytest.raises(Unparseable, match="text"):
        parse_pdf(huge, ParseConfig(), Reader(ParseConfig(max_ocr_pixels=10_000), look))
    assert pictures[0].shape[0] * pictures[0].shape[1] < 11_000


def pictured(head, data=b"00"):
    """A page that is one picture: what its dictionary says, and its data as hexadecimal digits."""
    picture = (
        "<</Type/XObject/Subtype/Image/BitsPerComponent 8/ColorSpace/DeviceGray/Width 40/Height 40"
        f"{head}/Length {len(data) + 1}>>stream\n{data.decode()}>\nendstream"
    )
    resources = "/XObject<</P 4 0 R/F 5 0 R>>"
    form = "<</Type/XObject/Subtype/Form/BBox[0 0 595 842]/Length 5>>stream\n/P Do\nendstream"
    drawn = "q 595 0 0 842 0 0 cm /F Do Q"
    return make_pdf([[]], extra=[picture, form], resources=resources, drawn=drawn)


SIZE = b"ff4fff5100290000" + b"%08x%08x" % (40_000, 40_000)


@pytest.mark.parametrize(
    ("head", "data", "reads"),
    [
        ("/Filter[/ASCIIHexDecode/JPXDecode]", SIZE, False),
        ("/Filter[/ASCIIHexDecode/JPXDecode]", SIZE[:12], True),  # its size is missing, and so is all of it
        ("/Filter/ASCIIHexDecode", SIZE, True),
    ],
)
def test_a_page_of_a_picture_too_large_to_unpack_is_left_out(head, data, reads):
    """Prevents kilobytes from taking gigabytes: PDFium unpacks JPEG 2000 whole, at the size that it has."""
    look, pictures = page(seen(PROSE, 0, 0))
    reader = Reader(ParseConfig(), look)
    body = pictured(head, data)
    if reads:
        assert PROSE.strip() in parse_pdf(body, ParseConfig(), reader).text
    else:
        with pytest.raises(Unparseable, match="without a text layer"):
            parse_pdf(body, ParseConfig(), reader)
    assert (len(pictures), reader.left_out) == (int(reads), int(not reads))


@pytest.mark.parametrize("size", [b"595 2147483648", b"1 595", b"9000 90"])
def test_a_page_that_is_a_sliver_has_no_text(size):
    """Prevents a damaged page size from being a dead letter: RapidOCR fails on what is a line wide."""
    look, pictures = page(seen(PROSE, 0, 0))
    with pytest.raises(Unparseable) as caught:
        parse_pdf(make_pdf([[]]).replace(b"595 842", size), ParseConfig(), Reader(ParseConfig(), look))
    assert (caught.value.reason, pictures) == ("no_text", [])


def picture(pages=1, size=(400, 600), kind="TIFF", mode="RGB"):
    image = pytest.importorskip("PIL.Image")
    made = [image.new(mode, size) for _ in range(pages)]
    out = io.BytesIO()
    made[0].save(out, kind, **({"save_all": True, "append_images": made[1:]} if pages > 1 else {}))
    return out.getvalue()


def test_pictures_are_pages_where_they_can_be_read():
    """Prevents a photographed page from being dropped beside the same page in a PDF."""
    look, pictures = page(seen(PROSE, 0, 0))
    for body in (picture(2), picture(kind="PNG", mode="LA"), picture(kind="JPEG")):
        [found] = judge([Document(body=body)], config=ParseConfig(), readers=Readers(look=look))
        assert isinstance(found, Emit), found
        assert PROSE.strip() in found.document.text
    assert len(pictures) == 4
    [found] = judge([Document(body=picture(kind="PNG"))], config=ParseConfig())
    assert isinstance(found, Drop)
    assert found.reason == "unsupported"


@pytest.mark.parametrize(
    ("mode", "colour", "made"), [("1", 0, ("L", 0)), ("L", 9, ("L", 9)), ("LA", (9, 0), ("RGB", (255,) * 3))]
)
def test_pages_of_one_shade_stay_so(mode, colour, made):
    """Prevents scans of many pages from taking thrice the memory, and clear ground from being black."""
    image = pytest.importorskip("PIL.Image")
    config = ParseConfig(max_ocr_pixels=1000)
    [page] = images._pages(image.new(mode, (400, 100), colour), 1, config)
    assert (page.mode, page.getpixel((0, 0))) == made
    assert page.size == (63, 16)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda: picture(kind="PNG")[:60], "broken"),
        (lambda: b"II*\x00" + bytes(40), "broken"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(8), "broken"),
        (lambda: picture(size=(2000, 2000), kind="PNG"), "too_large"),
        (lambda: picture(3), "too_many_pages"),
        (picture, "no_text"),
    ],
)
def test_bad_pictures_say_why(body, reason):
    """Prevents a bomb of white pixels, and dead letters."""
    config = ParseConfig(max_image_pixels=1_000_000, max_ocr_pages=2)
    with pytest.raises(Unparseable) as caught:
        parse_image(body(), config, Reader(config, page()[0]))
    assert caught.value.reason == reason
    assert " at 0x" not in caught.value.detail  # else the same file is dropped with other words each time


def test_ocr_that_is_wanted_and_not_there_stops_the_service(monkeypatch):
    """Prevents a river without the extra from silently dropping every scan that it was set to read."""
    monkeypatch.setattr(ocr, "installed", lambda: False)
    with pytest.raises(ConfigurationError, match="corpusworks\\[ocr\\]"):
        build(ParseConfig(ocr="on"), Resources(Settings()))
    with pytest.raises(ValueError, match="auto, on, off"):
        ParseConfig(ocr="yes")


@pytest.fixture
def real_look():
    if not ocr.installed():
        pytest.skip("no rapidocr: make build/done/ocr installs it")
    return ocr.look


def as_picture(body, dpi=150):
    """The first page as a PDF of its picture alone."""
    import pypdfium2 as pdfium

    out = io.BytesIO()
    pdfium.PdfDocument(body)[0].render(scale=dpi / 72).to_pil().convert("RGB").save(
        out, "PDF", resolution=dpi
    )
    return out.getvalue()


def test_a_scanned_page_gives_its_paragraphs_and_ruled_tables(real_look):
    """Prevents another version of the models or of RapidOCR from reading less."""
    cells = [
        (76, 580, "Boat"),
        (306, 580, "Master"),
        (76, 550, "Gull,"),
        (76, 535, "sold"),
        (306, 542, "Brandt"),
    ]
    rules = "".join(f"72 {y} m 500 {y} l S " for y in (600, 570, 525)) + "300 600 m 300 525 l S"
    body = make_pdf([[*paragraph(PROSE * 4), *cells]], drawn=rules)
    [found] = judge([Document(body=as_picture(body))], config=PATIENT, readers=Readers(look=real_look))
    assert isinstance(found, Emit)
    table = "| Boat | Master |\n| --- | --- |\n| Gull, sold | Brandt |"
    assert found.document.text == f"{(PROSE * 4).strip()}\n\n{table}", "lines are joined"
    assert found.document.features["parse_confidence"] > 0.9


def test_a_scanned_page_is_read_whichever_way_it_lies(real_look, monkeypatch):
    """Prevents pages that were laid on the glass askew from being read from their foot, or not at all."""
    import pypdfium2 as pdfium

    page = pdfium.PdfDocument(make_pdf([paragraph(PROSE, width=40)]))[0]
    picture = page.render(scale=2, rev_byteorder=False).to_numpy()[..., :3]
    upright = real_look(picture, lambda: False)
    assert len(upright.seen) == 3
    for quarters in (1, 2):
        lies = real_look(numpy.ascontiguousarray(numpy.rot90(picture, quarters)), lambda: False)
        assert [line.text for line in lies.seen] == [line.text for line in upright.seen]
        assert lies.height == picture.shape[0]
    monkeypatch.setattr(rapid, "_AT_A_TIME", 2)
    late = real_look(picture, lambda: True)
    assert (late.whole, len(late.seen)) == (False, 2), "the clock is looked at between lines"


def test_what_is_no_line_costs_nothing(real_look):
    """Prevents an empty page from taking as long as a written one, and a dashed rule, which is a thousand
    times as wide as high, from taking gigabytes.
    """
    empty = numpy.full((2000, 1400, 3), 240, numpy.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rapid, "_engine", lambda: pytest.fail("nothing is written there"))
        assert not len(rapid._found(empty))
    dashed = empty.copy()
    for x in range(50, 1350, 9):
        dashed[999:1002, x : x + 5] = 0
    boxes = rapid._found(dashed)
    sides = [sorted((math.dist(a, b), math.dist(b, c))) for a, b, c, _ in boxes]
    assert all(longer <= rapid._LONGEST * shorter for shorter, longer in sides)


def test_a_scanned_page_in_chinese_is_read(real_look):
    """Prevents a release of the models that knows Latin letters alone."""
    scan = SHARED / "data" / "pdf" / "scanned_gold" / "debian-reference.zh-cn_p30.pdf"
    if not scan.exists():
        pytest.skip(f"no scanned page at {scan}")
    [found] = judge([Document(body=scan.read_bytes())], config=PATIENT, readers=Readers(look=real_look))
    assert isinstance(found, Emit)
    gold = scan.with_suffix(".gold.txt").read_text()
    missing = {letter for letter in set(gold) - set(found.document.text) if letter >= "\u4e00"}
    assert len(missing) < 0.05 * len(set(gold))
