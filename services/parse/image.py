"""Pictures of pages (PNG, JPEG, TIFF), as PDFs of one picture a page, which the recogniser reads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.pdf import Recogniser, parse_pdf

_PAGE_HEIGHT = 842 / 72  # inches, of the longer side of A4: what is on a page is of a page's size
_KINDS = ("PNG", "JPEG", "TIFF")
_GREY = ("1", "L")  # a third of the memory, where a document has hundreds of pages


def parse_image(body: bytes, config: ParseConfig, recognise: Recogniser) -> Parsed:
    """All pages of it. Raises Unparseable(broken, too_large, too_many_pages, no_text)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(body), formats=_KINDS) as image:
            pages = getattr(image, "n_frames", 1)
            if pages > config.max_ocr_pages:
                raise Unparseable("too_many_pages", "pages in the picture", pages, config.max_ocr_pages)
            first, *others = _pages(image, pages, config)
            made = io.BytesIO()
            first.save(
                made, "PDF", save_all=True, append_images=others, resolution=max(first.size) / _PAGE_HEIGHT
            )
    except UnidentifiedImageError as error:  # its message names an address in memory
        raise Unparseable("broken", "a picture that cannot be read: it is none of the known kinds") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Unparseable("broken", f"a picture that cannot be read: {error}"[:300]) from error
    return parse_pdf(made.getvalue(), config, recognise)


def _pages(image: Any, pages: int, config: ParseConfig) -> Iterator[Any]:
    """On white, where they are transparent, and no larger than the recogniser looks at."""
    from PIL import Image

    for number in range(pages):
        image.seek(number)
        width, height = image.size
        if width * height > config.max_image_pixels:
            raise Unparseable("too_large", "pixels of a picture", width * height, config.max_image_pixels)
        shrink = min(1.0, (config.max_ocr_pixels / (width * height)) ** 0.5)
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        if image.mode in _GREY:
            yield image.convert("L").resize(size, reducing_gap=2)
            continue
        page = image.convert("RGBA").resize(size, reducing_gap=2)
        ground = Image.new("RGBA", size, "white")
        ground.alpha_composite(page)
        yield ground.convert("RGB")
