"""Documents that are a zip of XML: opened within limits, members as bytes and trees, their relations.

What a member says of its size bounds what is unpacked of it, and the sum of what is read is bounded: pictures
are never unpacked. Entities are not resolved, DTDs and the network not used, and elements nest at most 256
deep (libxml2), so that a tree is of the size of its file.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from services.parse.config import ParseConfig, Unparseable

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
_ENTRY = b"PK\x01\x02"  # of the zip's directory
_ENCRYPTED_FLAG = 1  # APPNOTE.TXT 4.4.4
# All that such files may use (ECMA-376 part 2, annex B; EPUB 3.3, 4.2.2): LZMA may ask for gigabytes.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Relation(NamedTuple):
    """kind: the last word of its type (slide, notesSlide, hyperlink). target: a member's name."""

    kind: str
    target: str


class Package:
    """One zip. Raises Unparseable(broken, encrypted, too_large) wherever it cannot be read."""

    def __init__(self, body: bytes, config: ParseConfig) -> None:
        self._left = self._limit = config.max_unpacked_bytes
        if (members := body.count(_ENTRY)) > config.max_members:  # before objects are made of them
            raise Unparseable("too_large", "members of the zip", members, config.max_members)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise Unparseable("broken", f"the zip cannot be opened: {error}") from error
        self._members = {member.filename: member for member in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """Bytes of a member that must be there."""
        member = self._members.get(name)
        if member is None:
            raise Unparseable("broken", f"{name[:100]} is missing in it")
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise Unparseable("encrypted", "its members need a password")
        if member.compress_type not in _PACKED:
            raise Unparseable("broken", f"{name[:100]} is packed as no such file may be, save it again")
        self._left -= member.file_size
        if self._left < 0:
            raise Unparseable(
                "too_large", "bytes of its unpacked members", self._limit - self._left, self._limit
            )
        try:
            with self._zip.open(member) as file:
                # Asked for so many bytes no more are unpacked, whatever follows; the checksum then says so.
                data = file.read(member.file_size)
                file.read(1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise Unparseable("broken", f"{name[:100]} cannot be unpacked: {error}") from error
        return data

    def tree(self, name: str) -> Any:
        """Root element of an XML member."""
        from lxml import etree

        try:
            return etree.fromstring(self.read(name), etree.XMLParser(**_SAFE, remove_comments=True))
        except etree.XMLSyntaxError as error:
            raise Unparseable("broken", f"{name[:100]} is no XML: {error}"[:300]) from error

    def each(self, name: str, tag: str) -> Iterator[Any]:
        """Elements of a tag of an XML member, each gone when the next is asked for."""
        from lxml import etree

        elements = etree.iterparse(io.BytesIO(self.read(name)), tag=f"{{*}}{tag}", **_SAFE)
        try:
            for _, element in elements:
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise Unparseable("broken", f"{name[:100]} is no XML: {error}"[:300]) from error

    def relations(self, name: str) -> dict[str, Relation]:
        """By id, what a part points to inside the package (ECMA-376 part 2, 9.3). "": the package itself."""
        folder, base = posixpath.split(name)
        listed = posixpath.join(folder, "_rels", base + ".rels")
        if listed not in self:
            return {}
        found = {}
        for each in self.tree(listed):
            target = each.get("Target", "")
            if local(each) == "Relationship" and target and each.get("TargetMode") != "External":
                path = posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
                found[each.get("Id", "")] = Relation(each.get("Type", "").rpartition("/")[2], path)
        return found

    def related(self, name: str, kind: str) -> str | None:
        """The first part of a kind that a part points to, if there is one."""
        targets = (each.target for each in self.relations(name).values() if each.kind == kind)
        return next((target for target in targets if target in self), None)

    def main(self) -> str:
        """The part that is the document."""
        if (name := self.related("", "officeDocument")) is None:
            raise Unparseable("broken", "the package does not say which of its parts is the document")
        return name


def local(element: Any) -> str:
    """Name of an element without its namespace, which differs between the two dialects of ECMA-376."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """An attribute of this name in whatever namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)


def child(element: Any, *path: str) -> Any | None:
    """The element at the end of a path of local names, if it is there."""
    for name in path:
        element = next((each for each in element if local(each) == name), None)
        if element is None:
            return None
    return element


def inside(element: Any, *path: str) -> Any:
    """Children of the element at the end of a path; none where it is not there."""
    found = child(element, *path)
    return () if found is None else found


def number(text: str | None, default: int) -> int:
    """A whole number, as attributes hold them; the default for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def chosen(element: Any) -> Any:
    """What a reader takes of an mc:AlternateContent: its first choice; elements otherwise."""
    return element[0] if len(element) else element
