"""Small PDFs for the tests: Helvetica lines at given places, one list of lines a page."""

from __future__ import annotations

from collections.abc import Sequence

# x, y in points from the lower left corner of 595 x 842, text; size of the font where it is not 10
Placed = tuple[float, float, str] | tuple[float, float, str, float]
Box = tuple[float, float, float, float]  # x, y, width, height


def make_pdf(
    pages: Sequence[Sequence[Placed]],
    trailer: str = "",
    extra: Sequence[str] = (),
    font: str = "/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding",
    rotate: int = 0,
    turn: str = "1 0 0 1",
    resources: str = "",
    drawn: str = "",
) -> bytes:
    """A PDF 1.4 file. trailer, font, resources: more entries of these; extra: more objects, numbered from 4
    on; drawn: what every page draws besides.

    rotate: degrees by which pages are displayed turned; turn: matrix by which their text is.
    """
    first = 4 + len(extra)
    kids = " ".join(f"{first + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        f"<</Type/Font{font}>>",
        *extra,
    ]
    for index, lines in enumerate(pages):
        content = "BT " + " ".join(
            f"/F1 {size[0] if size else 10} Tf {turn} {x} {y} Tm ({_escape(text)}) Tj"
            for x, y, text, *size in lines
        )
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Rotate {rotate}"
            f"/Resources<</Font<</F1 3 0 R>>{resources}>>/Contents {first + 2 * index + 1} 0 R>>"
        )
        objects.append(f"<</Length {len(content) + len(drawn) + 4}>>stream\n{content} ET {drawn}\nendstream")
    body = "%PDF-1.4\n"
    offsets = []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{len(body)}\n%%EOF\n"
    ).encode("latin-1")


def pictures_pdf(pages: Sequence[Sequence[Placed]], boxes: Sequence[Box], ink: str = "202020") -> bytes:
    """A PDF in Courier, of 0.6 of its size a letter, with a picture in each box of each page: a line of ink
    (RGB) on white.
    """
    rows = ["ff" * 3 * 8, ink * 5 + "ff" * 9, "ff" * 3 * 8, "ff" * 3 * 8]
    data = "".join(rows) + ">"
    picture = (
        "<</Type/XObject/Subtype/Image/Width 8/Height 4/BitsPerComponent 8/ColorSpace/DeviceRGB"
        f"/Filter/ASCIIHexDecode/Length {len(data)}>>stream\n{data}\nendstream"
    )
    drawn = " ".join(f"q {w} 0 0 {h} {x} {y} cm /P Do Q" for x, y, w, h in boxes)
    font = "/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding"
    return make_pdf(pages, extra=[picture], font=font, resources="/XObject<</P 4 0 R>>", drawn=drawn)


def encrypted_pdf() -> bytes:
    """A PDF whose password nobody knows: the keys in it are zeros."""
    zeros = "00" * 32
    encrypt = f"<</Filter/Standard/V 1/R 2/O<{zeros}>/U<{zeros}>/P -4>>"
    return make_pdf([[(72, 700, "secret")]], f"/Encrypt 4 0 R/ID[<{zeros}><{zeros}>]", [encrypt])


def unreadable_pdf() -> bytes:
    """A PDF whose font maps every letter to a private character, as cheap subsetters do."""
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        "1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <41> <7a> <e041> endbfrange "
        "endcmap end end"
    )
    return _mapped_pdf("nothing that is written here can be copied from the page " * 4, cmap)


def ligature_pdf() -> bytes:
    """A PDF whose font has one glyph for lam and alef: A; B is kaf, C yeh and D alef."""
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        "1 begincodespacerange <00> <ff> endcodespacerange 4 beginbfchar <41> <06440627> <42> <0643> "
        "<43> <064a> <44> <0627> endbfchar endcmap end end"
    )
    return _mapped_pdf("CADB CABB ADDC " * 20, cmap)


def han_pdf(text: str, places: Sequence[tuple[float, float]]) -> bytes:
    """A PDF with each character of a Chinese text at a place of its own, in a font whose letters stand for
    them.
    """
    known = {character: chr(65 + index) for index, character in enumerate(dict.fromkeys(text))}
    mapped = " ".join(f"<{ord(letter):02x}> <{ord(each):04x}>" for each, letter in known.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        f"1 begincodespacerange <00> <ff> endcodespacerange {len(known)} beginbfchar {mapped} endbfchar "
        "endcmap end end"
    )
    stream = f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream"
    font = "/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding/ToUnicode 4 0 R"
    letters = [(x, y, known[each], 12) for (x, y), each in zip(places, text, strict=True)]
    return make_pdf([letters], extra=[stream], font=font)


def _mapped_pdf(words: str, cmap: str) -> bytes:
    stream = f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream"
    font = "/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode 4 0 R"
    return make_pdf([paragraph(words)], extra=[stream], font=font)


def unmapped_pdf() -> bytes:
    """A PDF whose font knows only numbers of glyphs: letters of a TrueType font, 29 below their codes."""
    descendant = (
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo 5 0 R/FontDescriptor 6 0 R/DW 500>>"
    )
    system = "<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
    descriptor = (
        "<</Type/FontDescriptor/FontName/A/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800/Descent -200>>"
    )
    font = "/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[4 0 R]"
    lines = paragraph("the harbour is closed in winter and the keeper has gone to the town " * 3)
    glyphs = [(x, y, "".join(f"\0{chr(ord(letter) - 29)}" for letter in text)) for x, y, text, *_ in lines]
    return make_pdf([glyphs], extra=[descendant, system, descriptor], font=font)


def paragraph(words: str, x: float = 72, top: float = 700, width: int = 60) -> list[Placed]:
    """Words set in lines of at most `width` characters, 12 points apart."""
    lines, line = [], ""
    for word in words.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [(x, top - 12 * index, text) for index, text in enumerate([*lines, line])]


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
