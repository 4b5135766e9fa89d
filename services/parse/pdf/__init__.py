"""PDF to text: the text layer with PDFium, reading order, paragraphs and tables.

Against three books with their text: token F1 .981, .943, .973 (the best of pypdfium2, pypdf, pdfminer.six and
pdfplumber: .973, .937, .967). Of the cells of 26 files with tables .997 are found whole and .991 of the
neighbours in a row stay neighbours (pypdfium2, which writes no tables: .999 and .987). Reading order and
layout take less than PDFium itself: .56 of the pages a second of pypdfium2 alone (3.9 s of CPU for 1,026
pages, against 2.2, the best of four runs of each file by turns on a busy machine).

Of 47 pages with a gutter, of eleven files, 46 are read column by column; the last one's footer stands at
the end of its left column. Of 550 such pages of 94 other files 529 keep more than .95 of their
neighbouring lines as the file draws them (524 before these files had been looked at); most of the others
show charts, forms and posters, and six are out of order by eye. A page from right to left: .938
of its tokens in order (pypdf .886, pypdfium2 .829), tables included; it is one page.

What is kept: words that a reader sees. Text off the page, too small to be seen or drawn a second time at its
place goes; white or invisible words on the page stay, since white on a dark ground is no different here.
Text that leans with its page (a scan's own layer) is straightened first. Characters of a font that is neither
in the file nor on the machine have no width for PDFium, which leaves out those that are drawn one by one.
"""

from services.parse.pdf.document import parse_pdf, prepare
from services.parse.pdf.line import Line
from services.parse.pdf.recognise import Recognised, Recogniser
from services.parse.pdf.tables import Table, markdown

__all__ = ["Line", "Recognised", "Recogniser", "Table", "markdown", "parse_pdf", "prepare"]
