"""Small office files and books for the tests: zips of XML, with the relations that name their parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)


def make_zip(members: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            # By the standard of books the first member lies there as it is.
            how = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, data, how)
    return buffer.getvalue()


def relations(**targets: str) -> str:
    """Relations of a part by id (its kind, with a number behind that is left out) and target."""
    each = (
        f'<Relationship Id="{name}" Type="{TYPES}{name.rstrip("0123456789")}" Target="{target}"/>'
        for name, target in targets.items()
    )
    return f"<Relationships>{''.join(each)}</Relationships>"


def make_docx(body: str, **parts: str) -> bytes:
    """parts: the inside of styles, numbering, footnotes."""
    members = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(officeDocument="word/document.xml"),
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(**{name: f"{name}.xml" for name in parts}),
    }
    for name, inside in parts.items():
        members[f"word/{name}.xml"] = f"<w:{name} {NAMESPACES}>{inside}</w:{name}>"
    return make_zip(members)


def make_pptx(slides: list[str], notes: str) -> bytes:
    """slides: the shapes of each. notes: those of the notes of the first."""
    listed = "".join(f'<p:sldId id="{256 + i}" r:id="slide{i}"/>' for i in range(len(slides)))
    members = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(officeDocument="/ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:show {NAMESPACES}><p:sldIdLst>{listed}</p:sldIdLst></p:show>",
        # The slides' names are against their order.
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"slide{i}": f"slides/slide{len(slides) - i}.xml" for i in range(len(slides))}
        ),
        f"ppt/slides/_rels/slide{len(slides)}.xml.rels": relations(notesSlide="../notesSlides/n.xml"),
        "ppt/notesSlides/n.xml": _slide(notes),
    }
    for i, shapes in enumerate(slides):
        members[f"ppt/slides/slide{len(slides) - i}.xml"] = _slide(shapes)
    return make_zip(members)


def _slide(shapes: str) -> str:
    return f"<p:sld {NAMESPACES}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"


def shape(placeholder: str, *paragraphs: str) -> str:
    """placeholder: its type, "" for an object's; "-" for a text box."""
    kind = "" if placeholder == "-" else f'<p:ph type="{placeholder}"/>' if placeholder else "<p:ph/>"
    inside = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
    return f"<p:sp><p:nvSpPr><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody>{inside}</p:txBody></p:sp>"


def make_xlsx(
    sheets: Mapping[str, str], strings: str = "", styles: str = "", state: str = "visible"
) -> bytes:
    """sheets: rows by name. state: of the last."""
    listed = "".join(
        f'<sheet name="{name}" r:id="worksheet{i}" state="{state if i == len(sheets) else "visible"}"/>'
        for i, name in enumerate(sheets, 1)
    )
    parts = {f"worksheet{i}": f"sheet{i}.xml" for i in range(1, len(sheets) + 1)}
    members = {
        "_rels/.rels": relations(officeDocument="xl/workbook.xml"),
        "xl/workbook.xml": f"<workbook {NAMESPACES}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(sharedStrings="strings.xml", styles="styles.xml", **parts),
        "xl/strings.xml": f"<sst>{strings}</sst>",
        "xl/styles.xml": f"<styleSheet>{styles}</styleSheet>",
    }
    for i, rows in enumerate(sheets.values(), 1):
        members[f"xl/sheet{i}.xml"] = f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    return make_zip(members)


def make_epub(chapters: Mapping[str, str], spine: list[str], **more: str) -> bytes:
    """chapters: pages by their name. more: members of META-INF, their XML."""
    items = "".join(
        f'<item id="{name}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": f"<package><manifest>{items}</manifest><spine>{order}</spine></package>",
            **{f"OEBPS/{name}": page for name, page in chapters.items()},
            **{f"META-INF/{name}.xml": xml for name, xml in more.items()},
        }
    )
