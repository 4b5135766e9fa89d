"""The text of one block: its words, spaces and lines, and what is set off in it."""

from __future__ import annotations

import re

from services.parse.html.blocks import Block
from services.parse.html.formulas import unify

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u2000-\u200a\u3000]+")
LOST = " \ufffd"  # of letters that a font of pictures had, and the page's charset has not
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
BREAK = "\x01"  # a <br>; the charset left no control character in the page
_EDGES = f" \t\r\n\f{BREAK}\xa0\u3000" + "".join(
    map(chr, range(0x2000, 0x200C))
)  # spaces, and an invisible one
_BREAKS = re.compile(f"[ ]*{BREAK}[ ]*")
_NO_LETTER = re.compile(r"[\W_]+")
_SIGNS = bytes(sign for sign in range(128) if not chr(sign).isalnum())
_SPACED = bytes(ord(" ") if sign in _SIGNS else sign for sign in range(256))
_LOWER = bytes(range(256)).lower()


def words_in(text: str) -> int:
    """Words, and characters of scripts without spaces."""
    if text.isascii():
        return len(text.encode().translate(_SPACED).split())
    return len(_WORD.findall(text))


def letters_of(text: str) -> str:
    """Letters and figures alone, in lower case: by these a text is known again however it is laid out."""
    if text.isascii():
        return text.encode().translate(_LOWER, _SIGNS).decode()
    encoded = text.lower().encode("utf-8", "surrogatepass").translate(None, _SIGNS)
    return _NO_LETTER.sub("", encoded.decode("utf-8", "surrogatepass"))


def one_line(text: str) -> str:
    """Text without markup inside, on one line."""
    return unify(_SPACES.sub(" ", _INVISIBLE.sub("", text)).strip())


def plain_heading(text: str) -> str:
    """A heading's text, on one line, and not bold besides."""
    text = text.replace("\n", " ")
    return text[2:-2] if text.startswith("**") and text.endswith("**") and text.count("**") == 2 else text


def joined(blocks: list[Block]) -> str:
    """Blocks on one line, the items of a list with a semicolon between them."""
    out = ""
    for block in blocks:
        text = (
            " ".join(block.text.split("\n"))
            if block.kind != "code"
            else "`" + block.text.replace("\n", " ") + "`"
        )
        listed = block.item >= 0 and out and out[-1] not in ".;:,。；：，！？!?"
        out = f"{out}; {text}" if listed else f"{out} {text}" if out else text
    return out.strip()


def pieces_of(text: str) -> list[str]:
    """Paragraphs: white space collapsed, a line for each single <br>, a new paragraph for two."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    if BREAK not in text:
        return [unify(" ".join(text.split()))]
    text = _BREAKS.sub(BREAK, _SPACES.sub(" ", text))
    found = []
    for part in re.split(f"{BREAK}{{2,}}", text):
        lines = part.strip(f" {BREAK}").replace(BREAK, "\n")
        if lines:
            found.append(unify(lines))
    return found


def wrapped(inner: str, mark: str) -> str:
    """Text between marks of Markdown, or in `sup` and `sub`, where that can be read back."""
    core = inner.strip(_EDGES)
    if not core or BREAK in core:
        return inner
    at = inner.index(core)
    before, after = inner[:at], inner[at + len(core) :]
    if mark in ("sup", "sub"):
        plain = (not core[0].isalnum() and core[0] not in "+-−") or len(core) > 12
        return inner if plain else f"{before}<{mark}>{core}</{mark}>{after}"
    if mark == "`":
        if core.startswith("$") and core.endswith("$"):
            return inner
        mark = "``" if "`" in core else "`"
    elif mark[0] in core or "$" in core or not _WORD.search(core):
        return inner
    return f"{before}{mark}{core}{mark}{after}"
