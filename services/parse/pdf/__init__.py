"""PDF to text: the text layer with PDFium, reading order, paragraphs and tables."""

from services.parse.pdf.document import parse_pdf, prepare
from services.parse.pdf.line import Line
from services.parse.pdf.recognise import Recognised, Recogniser

__all__ = ["Line", "Recognised", "Recogniser", "parse_pdf", "prepare"]
