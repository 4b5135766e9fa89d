"""Archives that a test packs, honest and hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping


def zipped(members: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A zip; links: by name where they point."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    return out.getvalue()


def tarred(
    members: Mapping[str, bytes], *, links: Mapping[str, str] | None = None, mode: str = "w:gz"
) -> bytes:
    """A tar; links: by name where they point; a name that ends with ! is a device."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name.removesuffix("!"))
            info.size = len(body)
            if name.endswith("!"):
                info.type, info.size = tarfile.CHRTYPE, 0
            archive.addfile(info, io.BytesIO(body))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()
