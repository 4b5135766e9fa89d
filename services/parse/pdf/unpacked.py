"""How large a page's pictures are that PDFium unpacks whole, asked before it does.

That is JPEG 2000, at 4 bytes a pixel and more; all else it unpacks line by line: 20,000 by 20,000 pixels take
100 MB.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

_MOST_OBJECTS = 10_000  # of a page, those in its forms with them
_JPX, _SIZE = b"JPXDecode", b"\xff\x51"  # a JPEG 2000 has its size behind this mark


def largest_whole(page: Any) -> int:
    """Pixels of the largest such picture that a pypdfium2.PdfPage draws; those in patterns are not seen."""
    return max(map(pixels_unpacked, _pictures(page)), default=0)


def pixels_unpacked(image: Any) -> int:
    """Of a picture (FPDF_PAGEOBJECT): 0 for one that is no JPEG 2000, whose own size counts, and not the one
    that the file says it has.
    """
    import pypdfium2.raw as api

    if not _is_jpx(image):
        return 0
    size = api.FPDFImageObj_GetImageDataDecoded(image, None, 0)  # but for this last filter
    data = ctypes.create_string_buffer(size)
    api.FPDFImageObj_GetImageDataDecoded(image, data, size)
    at = data.raw.find(_SIZE)
    own = data.raw[at + 6 : at + 14] if at >= 0 else b""  # behind its length and what it can do
    return int.from_bytes(own[:4]) * int.from_bytes(own[4:])


def _is_jpx(image: Any) -> bool:
    import pypdfium2.raw as api

    name = ctypes.create_string_buffer(32)
    last = api.FPDFImageObj_GetImageFilterCount(image) - 1
    return last >= 0 and api.FPDFImageObj_GetImageFilter(image, last, name, len(name)) and name.value == _JPX


def _pictures(page: Any) -> Iterator[Any]:
    """PDFium's handles of those on a page and in its forms, which live as long as the page."""
    import pypdfium2.raw as api

    number = min(_MOST_OBJECTS, api.FPDFPage_CountObjects(page.raw))
    left = [api.FPDFPage_GetObject(page.raw, at) for at in range(number)]
    for found in left:  # it grows
        kind = api.FPDFPageObj_GetType(found)
        if kind == api.FPDF_PAGEOBJ_IMAGE:
            yield found
        elif kind == api.FPDF_PAGEOBJ_FORM:
            number = min(_MOST_OBJECTS - len(left), api.FPDFFormObj_CountObjects(found))
            left += [api.FPDFFormObj_GetObject(found, at) for at in range(number)]
