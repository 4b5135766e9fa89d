"""Rich Text Format (1.9.1): paragraphs, headings by outline level, tables and footnotes, in one pass.

Bytes are read in the code page of their font, or of the file; what other readers may ignore, pictures, heads
and feet of pages, deleted and hidden text are left out.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace

from services.parse import markdown
from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.html.wording import wrapped

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,9})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z'])"
    rb"|([{}])|[\r\n]+|([^\\{}\r\n]+)|(.)",
    re.DOTALL,
)
_SKIPPED = frozenset(
    b"colortbl stylesheet info pict header headerl headerr headerf footer footerl footerr footerf fldinst "
    b"listtable listoverridetable rsidtbl themedata colorschememapping datastore latentstyles generator xe "
    b"tc template nonshppict shpinst sp objdata filetbl revtbl annotation atnid atnauthor bkmkstart "
    b"bkmkend".split()
)
_CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘",
    b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
}  # fmt: skip
_SYMBOLS = {b"~": "\u00a0", b"_": "-", b"{": "{", b"}": "}", b"\\": "\\"}
_CHARSETS = {  # of fonts, by \fcharset
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5hkscs",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437",
}  # fmt: skip
_WESTERN = "cp1252"
_SCRIPTS = {b"super": "sup", b"sub": "sub", b"nosupersub": ""}
_MOST_MARKER = 20  # characters of an item's number
_MOST_GROUPS = 4096  # open at once


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds up to the end of a group. fallback: characters that stand for one by its code point."""

    skipped: bool = False
    hidden: bool = False
    fonts: bool = False  # inside the table of fonts
    marker: bool = False  # inside the number or bullet of a list's item
    note: bool = False  # inside a footnote
    script: str = ""  # sup or sub, of what is raised or lowered
    font: int | None = None
    fallback: int = 1


@dataclass
class _Flow:
    """Text of the body, or of a note, as it comes."""

    blocks: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    in_table: bool = False
    level: int = 0  # of a heading; 0: none

    def paragraph(self) -> None:
        if self.in_table:
            self.line.append(" ")
            return
        self.table()
        text = "".join(self.line).strip()
        self.line.clear()
        if text:
            self.blocks.append("#" * min(self.level, 6) + " " * bool(self.level) + text)

    def cell(self) -> None:
        self.cells.append("".join(self.line))
        self.line.clear()

    def row(self) -> None:
        self.rows.append(self.cells)
        self.cells = []

    def table(self) -> None:
        if self.rows:
            self.blocks.append(markdown.table([dict(enumerate(row)) for row in self.rows]))
            self.rows = []

    def text(self) -> str:
        self.in_table = False
        if self.cells:
            self.row()
        self.paragraph()
        return "\n\n".join(filter(None, self.blocks))


class _Reader:
    """One file while it is read; codecs by font, "" for the file's own."""

    def __init__(self) -> None:
        self.group = _Group()
        self.open: list[_Group] = []
        self.codec = _WESTERN
        self.default: int | None = None
        self.codecs: dict[int, str] = {}
        self.western: set[int] = set()  # fonts of charset 0
        self.body = _Flow()
        self.notes: list[_Flow] = []
        self.marker = ""
        self.pending = bytearray()
        self.to_skip = 0  # characters that stand for one that was there by its code point
        self.bad = 0

    @property
    def flow(self) -> _Flow:
        return self.notes[-1] if self.group.note else self.body

    def read(self, body: bytes) -> None:
        """Raises Unparseable(too_deep)."""
        place = 0
        while match := _TOKEN.match(body, place):
            place = match.end()
            word, number, code, symbol, brace, raw, _ = match.groups()
            if word == b"bin":
                place += max(0, int(number or 0))
            elif brace:
                self._brace(brace)
            elif raw or code:
                self._bytes(raw or bytes.fromhex(code.decode()))
            elif symbol:
                self._symbol(symbol)
            elif word:
                self._word(word, None if number is None else int(number))
        self.flush()

    def _brace(self, brace: bytes) -> None:
        self.flush()
        self.to_skip = 0
        if brace == b"{":
            if len(self.open) == _MOST_GROUPS:
                raise Unparseable("too_deep", "groups in groups", len(self.open) + 1, _MOST_GROUPS)
            self.open.append(self.group)
        elif self.open:
            before, self.group = self.group, self.open.pop()
            if before.marker and not self.group.marker:
                marker = self.marker.strip()
                self.flow.line.append(f"{marker} " if any(map(str.isalnum, marker)) else "- ")

    def _bytes(self, raw: bytes) -> None:
        skipped = min(self.to_skip, len(raw))
        self.to_skip -= skipped
        if not (self.group.skipped or self.group.hidden or self.group.fonts):
            self.pending += raw[skipped:]

    def flush(self) -> None:
        if self.pending:
            font = self.default if self.group.font is None else self.group.font
            text = self._decoded(-1 if font is None else font)
            self.pending.clear()
            self.bad += text.count("\ufffd")
            self._write(text)

    def _decoded(self, font: int) -> str:
        """In the codec of its font. What a font of Western letters has is often of the file's code page
        all the same, and where it is not, of its own.
        """
        codec = self.codecs.get(font, self.codec)
        if font in self.western and codec not in _WESTERN:
            try:
                return self.pending.decode(codec)
            except UnicodeDecodeError:
                codec = _WESTERN
        return self.pending.decode(codec, "replace")

    def _write(self, text: str) -> None:
        if self.group.skipped or self.group.hidden or self.group.fonts:
            return
        if self.group.marker:
            self.marker = (self.marker + text)[:_MOST_MARKER]
        else:
            self.flow.line.append(wrapped(text, self.group.script) if self.group.script else text)

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self.group = replace(self.group, skipped=True)  # unless a word follows that is known
        elif symbol in b"\r\n":
            self._word(b"par", None)
        elif self.to_skip:
            self.to_skip -= 1
        else:
            self.flush()
            self._write(_SYMBOLS.get(symbol, ""))

    def _word(self, word: bytes, number: int | None) -> None:
        if word == b"u" and number is not None:
            self._code_point(number)
            return
        self.flush()
        self.to_skip = 0
        if word in _SKIPPED:
            self.group = replace(self.group, skipped=True)
        elif word == b"fonttbl":
            self.group = replace(self.group, fonts=True)
        elif word in (b"listtext", b"pntext"):
            self.marker = ""
            self.group = replace(self.group, marker=True, skipped=False)
        elif word in _CHARACTERS:
            self._write(_CHARACTERS[word])
        elif word in _SCRIPTS:
            self.group = replace(self.group, script=_SCRIPTS[word] if number != 0 else "")
        elif word in (b"v", b"deleted"):
            self.group = replace(self.group, hidden=number != 0)
        elif word == b"plain":
            self.group = replace(self.group, hidden=False, font=None, script="")
        elif word == b"footnote" and not self.group.skipped:
            self.notes.append(_Flow())
            self.body.line.append(f"[^{len(self.notes)}]")
            self.group = replace(self.group, note=True)
        elif number is not None:
            self._setting(word, number)
        elif not self.group.skipped:
            self._structure(word)

    def _code_point(self, number: int) -> None:
        if not (self.group.skipped or self.group.hidden or self.group.fonts):
            self.flush()
            self._write(chr(number & 0xFFFF))
        self.to_skip = self.group.fallback

    def _setting(self, word: bytes, number: int) -> None:
        if word == b"uc":
            self.group = replace(self.group, fallback=max(0, number))
        elif word == b"ansicpg":
            self.codec = _known({936: "gb18030", 950: "big5hkscs"}.get(number, f"cp{number}"), self.codec)
        elif word == b"deff":
            self.default = number
        elif word == b"f":
            self.group = replace(self.group, font=number)
        elif word == b"fcharset" and self.group.fonts and self.group.font is not None:
            if number == 0:
                self.western.add(self.group.font)
            elif number in _CHARSETS:
                self.codecs[self.group.font] = _CHARSETS[number]
        elif word == b"outlinelevel":
            self.flow.level = number + 1 if 0 <= number < 9 else 0

    def _structure(self, word: bytes) -> None:
        flow = self.flow
        if word in (b"par", b"sect", b"page"):
            flow.paragraph()
        elif word == b"pard":
            flow.in_table, flow.level = False, 0
        elif word == b"intbl":
            flow.in_table = True
        elif word == b"cell":
            flow.cell()
        elif word == b"row":
            flow.row()
        elif word in (b"nestcell", b"nestrow"):
            flow.line.append(" ")


def parse_rtf(body: bytes, config: ParseConfig) -> Parsed:
    """Text of a file. Raises Unparseable(broken, too_deep, no_text)."""
    reader = _Reader()
    reader.read(body.removeprefix(codecs.BOM_UTF8))
    notes = [f"[^{index}]: {' '.join(note.text().split())}" for index, note in enumerate(reader.notes, 1)]
    text = "\n\n".join(filter(None, (reader.body.text(), *notes)))
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # pairs came as halves
    text, controls = strip_controls(text)
    if not text.strip():
        raise Unparseable("no_text", "the RTF holds no text")
    bad_share = min(1.0, (controls + reader.bad) / len(text))
    if bad_share > config.max_bad_share:
        raise Unparseable("broken", "is not in the code page that it names", bad_share, config.max_bad_share)
    return Parsed(text, confidence=1.0 - bad_share, bad_share=bad_share)


def _known(codec: str, otherwise: str) -> str:
    try:
        found = codecs.lookup(codec)
    except LookupError:
        return otherwise
    return codec if found._is_text_encoding else otherwise
