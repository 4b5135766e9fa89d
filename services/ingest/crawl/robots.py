"""robots.txt: what may be fetched (RFC 9309), how often, and which use its owner prefers (aipref)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# RFC 9309, 2.5: at least 500 KiB are to be read; more are not.
MAX_BYTES: Final = 500 << 10
MAX_HOPS: Final = 5  # 2.3.1.2
_LINE = re.compile(r"\s*(user-?agent|content-usage|allow|disallow)\s*:\s*([^#]*)", re.IGNORECASE)
# draft-ietf-aipref-vocab: what training a model falls under, the narrowest first. The last two are of earlier
# drafts.
_TRAINING: Final = ("train-ai", "train-genai", "genai", "ai", "tdm", "bots", "all")
_PREFERENCE = re.compile(r"([a-z][a-z0-9_.*-]*)\s*=\s*(\?1|\?0|\"[^\"]*\"|[a-z]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Robots:
    """One origin's rules for one agent. delay_s: its Crawl-delay. sitemaps: their URLs as written.

    usages: (beginning of a path, preferences) from Content-Usage lines of the group that holds.
    """

    rules: Any
    agent: str
    delay_s: float | None = None
    sitemaps: Sequence[str] = ()
    usages: Sequence[tuple[str, str]] = ()

    @classmethod
    def read(cls, body: bytes, agent: str) -> Robots:
        """Of any bytes: what cannot be made out is no rule."""
        from protego import Protego

        text = body[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
        rules = Protego.parse(text)
        delay = rules.crawl_delay(agent)
        return cls(rules, agent, delay, tuple(rules.sitemaps)[:1000], tuple(_usages(text, agent)))

    def allows(self, url: str) -> bool:
        """Whether it may be fetched."""
        return bool(self.rules.can_fetch(url, self.agent))

    def usage(self, url: str) -> str:
        """The preferences that hold for a URL, those of the longest path that it begins with; else ""."""
        path = "/" + url.partition("://")[2].partition("/")[2]
        fitting = [(prefix, said) for prefix, said in self.usages if path.startswith(prefix)]
        return max(fitting, key=lambda one: len(one[0]))[1] if fitting else ""


def reserves_training(usage: str) -> bool:
    """Whether a Content-Usage says no to training: the narrowest category that it names decides."""
    said = {name.lower(): value.strip('"').lower() for name, value in _PREFERENCE.findall(usage)}
    found = next((said[name] for name in _TRAINING if name in said), "y")
    return found in ("n", "no", "?0")


def _usages(text: str, agent: str) -> list[tuple[str, str]]:
    """Content-Usage of the group of this agent, else of everybody's. A value may begin with a path."""
    groups: dict[str, list[tuple[str, str]]] = {}
    names: list[str] = []
    in_rules = False
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        field, value = found[1].lower(), found[2].strip()
        if field.startswith("user"):
            names = [value.lower()] if in_rules else [*names, value.lower()]
            in_rules = False
            continue
        in_rules = True
        if field == "content-usage":
            path, _, rest = value.partition(" ") if value.startswith("/") else ("/", "", value)
            for name in names or ["*"]:
                groups.setdefault(name, []).append((path, rest.strip()))
    return groups.get(agent.lower(), groups.get("*", []))
