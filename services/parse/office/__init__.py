"""Office files (Office Open XML, ECMA-376) to Markdown; one module a kind, over package.py."""

from services.parse.office.docx import parse_docx
from services.parse.office.legacy import parse_compound
from services.parse.office.pptx import parse_pptx
from services.parse.office.xlsx import parse_xlsx

__all__ = ["parse_compound", "parse_docx", "parse_pptx", "parse_xlsx"]
