"""Plain text, Markdown, LaTeX and source code: decoded, otherwise as they are."""

from __future__ import annotations

from services.parse.charset import Decoded, decode, given
from services.parse.config import ParseConfig, Parsed, Unparseable


def parse_plain(body: bytes, config: ParseConfig) -> Parsed:
    """Text of a body in any charset. Raises Unparseable(broken) when too much of it does not decode."""
    return _parsed(decode(body), config)


def parse_record(body: bytes, config: ParseConfig) -> Parsed | None:
    """Text of a record, which tells of file formats and holds the source of pages without being any; None
    where it is no Unicode. Raises Unparseable(broken).
    """
    decoded = given(body)
    return _parsed(decoded, config) if decoded is not None else None


def _parsed(decoded: Decoded, config: ParseConfig) -> Parsed:
    if decoded.bad_share > config.max_bad_share:
        raise Unparseable(
            "broken",
            f"does not read as text in {decoded.charset} or any other charset",
            decoded.bad_share,
            config.max_bad_share,
        )
    return Parsed(decoded.text, confidence=1.0 - decoded.bad_share, bad_share=decoded.bad_share)
