import contextlib
import io
import random
import zipfile

import pytest

from services.parse.config import ParseConfig, Unparseable
from services.parse.office import parse_compound, parse_docx, parse_pptx, parse_xlsx
from services.parse.office.package import Package
from tests.unit.parse.zip_maker import make_docx, make_pptx, make_xlsx, make_zip, relations, shape

CONFIG = ParseConfig()
STYLES = (
    '<w:style w:type="paragraph" w:default="1" w:styleId="a"><w:name w:val="Normal"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/><w:basedOn w:val="a"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Chapter"/><w:basedOn w:val="1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="T"><w:name w:val="toc 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="C"><w:name w:val="Source Code"/></w:style>'
)
NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>'
)


def run(text):
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(*inside, style="", item=None):
    number = f'<w:numPr><w:ilvl w:val="{item}"/><w:numId w:val="5"/></w:numPr>' if item is not None else ""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{number}</w:pPr>{''.join(inside)}</w:p>"


def cell(*inside, more=""):
    return f"<w:tc><w:tcPr>{more}</w:tcPr>{''.join(inside)}</w:tc>"


def words(body, **parts):
    return parse_docx(make_docx(body, **parts), CONFIG).text


def test_headings_and_lists_come_by_style_and_numbering():
    """Prevents a manual from becoming one flat text, and its contents from standing in it twice."""
    body = (
        paragraph(run("Contents line … 3"), style="T")
        + paragraph(run("第一章"), style="Own")
        + paragraph(run("one"), item=0)
        + paragraph(run("inner"), item=1)
        + paragraph(run("two"), item=0)
        + paragraph(run("if x:"), style="C")
        + paragraph(run("    y()"), style="C")
        + paragraph(run("End."))
    )
    assert words(body, styles=STYLES, numbering=NUMBERING) == (
        "# 第一章\n\n1. one\n  - inner\n2. two\n\n```\nif x:\n    y()\n```\n\nEnd."
    )


def test_what_was_deleted_or_hidden_is_out_and_what_was_inserted_in():
    """Prevents training on what an author took back; python-docx for its part loses insertions."""
    body = paragraph(
        run("kept "),
        "<w:del><w:r><w:delText>gone </w:delText></w:r></w:del>",
        f"<w:moveFrom>{run('moved ')}</w:moveFrom>",
        f"<w:ins>{run('new ')}</w:ins>",
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden </w:t></w:r>",
        "<w:r><w:instrText>PAGE</w:instrText></w:r>",
        f"<w:sdt><w:sdtContent>{run('field')}</w:sdtContent></w:sdt>",
        f"<mc:AlternateContent><mc:Choice>{run('!')}</mc:Choice><mc:Fallback>{run('!')}</mc:Fallback>"
        "</mc:AlternateContent>",
    )
    assert words(body) == "kept new field!"


def test_tables_keep_their_columns_and_frames_are_none():
    """Prevents merged cells from moving what stands beside them."""
    span = '<w:gridSpan w:val="2"/>'
    table = (
        f"<w:tbl><w:tr>{cell(paragraph(run('a|b')))}{cell(paragraph(run('c')))}{cell(paragraph(run('d')))}</w:tr>"
        f"<w:tr>{cell(paragraph(run('wide')), more=span)}"
        f"{cell(paragraph(run('x')), paragraph(run('y')))}</w:tr>"
        f"<w:tr>{cell(paragraph(run('1')))}{cell(paragraph(run('2')))}"
        f"{cell(paragraph(run('unseen')), more='<w:vMerge/>')}</w:tr></w:tbl>"
    )
    frame = f"<w:tbl><w:tr>{cell(paragraph(run('first')), paragraph(run('second')))}</w:tr></w:tbl>"
    assert words(table + frame) == (
        "| a\\|b | c | d |\n| --- | --- | --- |\n| wide |  | x y |\n| 1 | 2 |  |\n\nfirst\n\nsecond"
    )


def test_footnotes_stand_at_the_end_in_the_order_of_the_text():
    """Prevents a note from being lost, or from cutting its sentence in two."""
    reference = '<w:r><w:footnoteReference w:id="{}"/></w:r>'
    notes = (
        f'<w:footnote w:id="0" w:type="separator">{paragraph(run("---"))}</w:footnote>'
        f'<w:footnote w:id="2">{paragraph(run("second"))}</w:footnote>'
        f'<w:footnote w:id="7">{paragraph(run("first"))}</w:footnote>'
    )
    body = paragraph(run("A"), reference.format(7), run(" and B"), reference.format(2), run("."))
    assert words(body, footnotes=notes) == "A[^1] and B[^2].\n\n[^1]: first\n\n[^2]: second"


def test_raised_figures_letters_of_symbol_and_hints_of_fields():
    """Prevents x2 for a square, formulas without their Greek, and a template's hints as an author's words."""
    scripted = '<w:r><w:rPr><w:vertAlign w:val="{}"/></w:rPr><w:t>2</w:t></w:r>'.format
    hint = "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>".format
    body = paragraph(
        run("x"),
        scripted("superscript"),
        run(" H"),
        scripted("subscript"),
        run("O "),
        '<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>',
        hint(run("Click here")),
    )
    assert words(body + hint(paragraph(run("Enter text")))) == "x<sup>2</sup> H<sub>2</sub>O α"


def test_a_table_in_a_cell_is_its_texts():
    """Prevents Markdown's bars of one table inside of a row of another."""
    inner = f"<w:tbl><w:tr>{cell(paragraph(run('a|b')))}{cell(paragraph(run('c')))}</w:tr></w:tbl>"
    outer = f"<w:tbl><w:tr>{cell(paragraph(run('out')))}{cell(inner)}</w:tr></w:tbl>"
    assert words(outer) == "| out | a\\|b c |\n| --- | --- |"


def test_signs_that_end_a_formula_are_escaped():
    """Prevents a per cent sign from making a comment of the rest."""
    assert words(paragraph("<m:oMath><m:r><m:t>5 % &amp; $3</m:t></m:r></m:oMath>")) == r"$5 \% \& \$3$"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("<m:f><m:num>A</m:num><m:den>B</m:den></m:f>", r"\frac{a}{b}"),
        ("<m:sSubSup><m:e>A</m:e><m:sub>B</m:sub><m:sup>C</m:sup></m:sSubSup>", "a_{b}^{c}"),
        ('<m:rad><m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/><m:e>A</m:e></m:rad>', r"\sqrt{a}"),
        (
            '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr>'
            "<m:sub>A</m:sub><m:sup>B</m:sup><m:e>C</m:e></m:nary>",
            r"\sum_{a}^{b} c",
        ),
        (
            '<m:d><m:dPr><m:begChr m:val="{"/><m:endChr m:val=""/></m:dPr><m:e>A</m:e></m:d>',
            r"\left\{ a \right.",
        ),
        ("<m:m><m:mr><m:e>A</m:e><m:e>B</m:e></m:mr></m:m>", r"\begin{matrix} a & b \end{matrix}"),
    ],
)
def test_formulas_become_latex(formula, expected):
    """Prevents a fraction from becoming its two numbers on end."""
    for letter in "ABC":
        formula = formula.replace(f">{letter}<", f"><m:r><m:t>{letter.lower()}</m:t></m:r><")
    assert words(paragraph(f"<m:oMath>{formula}</m:oMath>")) == f"${expected}$"


def test_slides_come_in_the_shows_order_with_titles_notes_and_tables():
    """Prevents the order of file names, and slide numbers between the sentences."""
    row = "<a:tr>{}</a:tr>".format
    cells = "<a:tc><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc>".format
    table = (
        "<p:graphicFrame><a:graphic><a:graphicData><a:tbl>"
        + row(cells("年") + cells("数"))
        + row(cells("2024") + cells("7"))
        + "</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    first = shape("title", "Begin") + shape("", "one", "two") + shape("sldNum", "1")
    second = shape("ctrTitle", "结束") + f"<p:grpSp>{shape('-', 'a box')}</p:grpSp>" + table
    parsed = parse_pptx(make_pptx([first, second], shape("body", "say this")), CONFIG)
    assert parsed.text == (
        "## Begin\n\n- one\n- two\n\n> say this\n\n"
        "## 结束\n\na box\n\n| 年 | 数 |\n| --- | --- |\n| 2024 | 7 |"
    )
    assert parsed.pages == 2


def value(place, text, more=""):
    return f'<c r="{place}" {more}><v>{text}</v></c>'


def test_values_are_shown_as_a_reader_sees_them():
    """Prevents serial numbers of days, shares as fractions, and pronunciations in names."""
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="[$-804]yyyy&quot;年&quot;m&quot;月&quot;"/></numFmts>'
        '<cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="10"/><xf numFmtId="22"/>'
        "</cellXfs>"
    )
    strings = "<si><t>name</t></si><si><r><t>张</t></r><r><t>三</t></r><rPh><t>zhang</t></rPh></si>"
    text = parse_xlsx(
        make_xlsx({"one": _rows(), "two": _rows()}, strings, styles, state="hidden"), CONFIG
    ).text
    assert text == (
        "| name | 2024-02-29 | 12.5% |\n| --- | --- | --- |\n| 张三 | 2024-02-29 12:00:00 | 0.3 |\n\nalone"
    )


def _rows():
    first = value("B2", 0, 't="s"') + value("C2", 45351, 's="2"') + value("D2", 0.125, 's="3"')
    second = value("B3", 1, 't="s"') + value("C3", 45351.5, 's="4"') + value("D3", "0.30000000000000004")
    last = value("C9", "#REF!", 't="e"') + '<c r="D9" t="inlineStr"><is><t>alone</t></is></c>'
    return f'<row r="2">{first}</row><row r="3">{second}</row><row r="9">{last}</row>'


@pytest.mark.parametrize(("days", "shown"), [("1.5", "36:00:00"), ("-0.25", "-6:00:00"), ("0.5", "12:00:00")])
def test_hours_that_go_on_past_a_day_are_no_date(days, shown):
    """Prevents what took a day and a half from becoming noon of 1899-12-31."""
    lasting = '<numFmts><numFmt numFmtId="170" formatCode="[h]:mm:ss"/></numFmts>'
    styles = lasting + '<cellXfs><xf numFmtId="170"/></cellXfs>'
    row = '<row r="1">' + value("A1", days, 's="0"') + "</row>"
    assert parse_xlsx(make_xlsx({"a": row}, styles=styles), CONFIG).text == shown


def test_a_long_sheet_is_cut_and_said_to_be():
    """Prevents a database from becoming a text of a million lines, or a far column one of a million cells."""
    rows = "".join(f'<row r="{n}">{value(f"A{n}", n)}{value(f"XFD{n}", n)}</row>' for n in range(1, 50))
    parsed = parse_xlsx(make_xlsx({"one": rows}), ParseConfig(max_cells=21))
    assert parsed.partial
    assert parsed.text.count("\n") == 10
    assert parsed.text.endswith("| 10 | 10 |")


def test_what_is_nested_or_spread_takes_linear_time():
    """Prevents boxes in boxes from being read 2^n times, and two far cells from becoming a million."""
    box = "<w:p><w:r><w:drawing><w:txbxContent>{}</w:txbxContent></w:drawing></w:r></w:p>"
    nested = paragraph(run("deep"))
    for _ in range(40):
        nested = box.format(nested)
    assert words(nested) == "deep"
    wide = f"<w:tr>{cell(paragraph(run('y'))) * 1000}</w:tr>"
    narrow = f"<w:tr>{cell(paragraph(run('x'))) * 2}</w:tr>" * 1000
    text = words(f"<w:tbl>{wide}{narrow}</w:tbl>")
    assert text.count("y") == 1000
    assert len(text) < 10_000


BOMB = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9)
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (make_docx(paragraph(run("x")))[:-30], "broken"),
        (make_zip({"a.txt": "x"}), "broken"),
        (make_zip({"_rels/.rels": relations(officeDocument="w.xml"), "w.xml": "<w"}), "broken"),
        (make_zip({"_rels/.rels": relations(officeDocument="../../etc/passwd")}), "broken"),
        (make_docx("<w:p/>"), "no_text"),
        (make_docx(paragraph(run("x" * (1 << 21)))), "too_large"),
        (make_docx("<w:tbl><w:tr><w:tc>" * 70 + "</w:tc></w:tr></w:tbl>" * 70), "no_text"),
        (make_docx("<w:sdt>" * 300 + "</w:sdt>" * 300), "broken"),
        (make_zip({f"{n}": "" for n in range(101)}), "too_large"),
        (
            make_zip(
                {
                    "_rels/.rels": relations(officeDocument="w.xml"),
                    "w.xml": BOMB + "]><b><body>&j;</body></b>",
                }
            ),
            "broken",
        ),
    ],
)
def test_bad_files_end_with_a_reason(body, reason):
    """Prevents bombs of zips and entities, and dead letters for files that are cut off."""
    with pytest.raises(Unparseable) as caught:
        parse_docx(body, ParseConfig(max_unpacked_bytes=1 << 20, max_members=100))
    assert caught.value.reason == reason


def test_a_member_that_lies_about_its_size_is_not_unpacked_further():
    """Prevents a megabyte that says it is ten bytes from becoming a gigabyte."""
    honest = make_zip({"x": b"a" * (1 << 20)})
    lying = honest.replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(Unparseable) as caught:
        Package(lying, CONFIG).read("x")
    assert caught.value.reason == "broken"


def test_a_member_that_is_packed_as_none_may_be_is_not_unpacked():
    """Prevents a few bytes of LZMA from asking for gigabytes, and its errors from being dead letters."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", b"a" * 1000)
    body = bytearray(made.getvalue())
    at = body.index(b"x") + 20
    body[at : at + 8] = bytes(8)
    with pytest.raises(Unparseable, match="packed") as caught:
        Package(bytes(body), CONFIG).read("x")
    assert caught.value.reason == "broken"


def test_what_needs_a_password_and_what_is_too_old_is_told_apart():
    """Prevents a person from guessing what to do about a file."""
    start = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    for stream, reason, said in (
        ("EncryptedPackage", "encrypted", "password"),
        ("WordDocument", "unsupported", ".docx"),
        ("Workbook", "unsupported", ".xlsx"),
        ("Something", "unsupported", "compound"),
    ):
        with pytest.raises(Unparseable, match=said) as caught:
            parse_compound(start + (stream + "\0").encode("utf-16-le"), CONFIG)
        assert caught.value.reason == reason
    locked = bytearray(make_docx(paragraph(run("x"))))
    for entry in zipfile.ZipFile(io.BytesIO(bytes(locked))).infolist():
        locked[entry.header_offset + 6] |= 1
    at = locked.find(b"PK\x01\x02")
    while at >= 0:
        locked[at + 8] |= 1
        at = locked.find(b"PK\x01\x02", at + 1)
    with pytest.raises(Unparseable) as caught:
        parse_docx(bytes(locked), CONFIG)
    assert caught.value.reason == "encrypted"


def test_damaged_files_give_text_or_a_reason():
    """Prevents any other exception, which would be a dead letter: bytes and XML changed at random."""
    draw = random.Random(7)
    whole = {
        parse_docx: make_docx(
            paragraph(run("one"), item=0) + paragraph(run("x")), styles=STYLES, numbering=NUMBERING
        ),
        parse_pptx: make_pptx([shape("title", "t") + shape("", "b")], shape("body", "n")),
        parse_xlsx: make_xlsx({"s": _rows()}, "<si><t>a</t></si>", "<cellXfs><xf numFmtId='14'/></cellXfs>"),
    }
    for parse, body in whole.items():
        members = {
            name: zipfile.ZipFile(io.BytesIO(body)).read(name) for name in Package(body, CONFIG)._members
        }
        for _ in range(60):
            damaged = dict(members)
            name = draw.choice([name for name in members if members[name]])
            changed = bytearray(members[name])
            for _ in range(draw.randint(1, 3)):
                changed[draw.randrange(len(changed))] = draw.choice(b'x0"<>/-9')
            damaged[name] = bytes(changed)
            with contextlib.suppress(Unparseable):
                parse(make_zip(damaged), CONFIG)
