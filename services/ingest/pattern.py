"""Names with wildcards, as a shell with `globstar` reads them: `*` and `?` within a folder, `**` over any."""

from __future__ import annotations

import re

_MAGIC = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^]/]*\]|.", re.DOTALL)
_AS_REGEX = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def is_pattern(name: str) -> bool:
    """Whether there is a wildcard in it."""
    return _MAGIC.search(name) is not None


def folder_of(pattern: str) -> str:
    """The folder that all that may match lies in: the whole segments before the first wildcard, or ""."""
    before = pattern[: match.start()] if (match := _MAGIC.search(pattern)) else pattern
    return before.rpartition("/")[0]


def compiled(pattern: str) -> re.Pattern[str]:
    """For `fullmatch` with a name."""
    return re.compile("".join(map(_regex, _TOKEN.findall(pattern))), re.DOTALL)


def _regex(token: str) -> str:
    if token in _AS_REGEX:
        return _AS_REGEX[token]
    if len(token) > 2 and token.startswith("["):
        within = token[1:-1].replace("\\", "\\\\")
        return f"(?!/)[{'^' + within[1:] if within[0] in '!^' else within}]"
    return re.escape(token)
