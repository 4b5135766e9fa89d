"""Pages that are pictures: RapidOCR finds and reads lines, and the layout code of the text layer makes
paragraphs and tables of them.

Of 22 renders of real pages in grey at 200 dots an inch (Chinese, English, French, German), against their
own text in reading order, the characters that are right and in their place: prose .996, Chinese .98, tables
.99, two columns .95, six forms .89 (.99 of whose characters are right; the text layer tells another cell
first). Five of them keep theirs within .01 at 150 dots, at 300 in two shades, as JPEG of quality 50 and
askew, on their side and on their head; in the shade and noise of a photograph they have .91 to .99. A page
takes 2 to 8 s of CPU by its lines, on a machine that is busy otherwise.
"""

from services.parse.ocr.rapid import installed, look
from services.parse.ocr.reader import Reader, lines_of
from services.parse.ocr.seen import Look, Looked, Seen

__all__ = ["Look", "Looked", "Reader", "Seen", "installed", "lines_of", "look"]
