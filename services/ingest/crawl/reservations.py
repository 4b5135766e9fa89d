"""What the owner of a page says about its use, read where it is fetched and kept with the document.

| said by | where |
| --- | --- |
| X-Robots-Tag | header: `noindex`, `none`, `noai`, `nofollow`, also for one agent (`corpusworks: noindex`) |
| meta robots | `<meta name="robots" content="…">`, and by the agent's name |
| Content-Usage | header and robots.txt (draft-ietf-aipref-attach, draft-ietf-aipref-vocab): `train-ai=n` |
| TDM | header and meta `tdm-reservation: 1`, `/.well-known/tdmrep.json` |

Where two of them differ, the one that reserves holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.crawl.robots import reserves_training

_NOINDEX = {"noindex", "none"}
_NOAI = {"noai", "noimageai", "noml", "notrain"}
_NOFOLLOW = {"nofollow", "none"}
# Directives of X-Robots-Tag with a value of their own: what stands before the colon is no agent.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


@dataclass(frozen=True, slots=True)
class Reservations:
    """directives: robots directives of header and page, in lower case. usage: Content-Usage as it was said.

    tdm: the right to mine it is reserved. tdm_policy: the URL under which to ask for a licence.
    """

    directives: frozenset[str] = frozenset()
    usage: str = ""
    tdm: bool = False
    tdm_policy: str = ""

    def refusals(self, refuse: Sequence[str]) -> list[str]:
        """Which of the kinds in `refuse` (config.RESERVATIONS) hold here."""
        held = {
            "noindex": bool(self.directives & _NOINDEX),
            "noai": bool(self.directives & _NOAI),
            "usage": reserves_training(self.usage),
            "tdm": self.tdm,
        }
        return [kind for kind in refuse if held[kind]]

    @property
    def follows(self) -> bool:
        """Whether its links may be followed."""
        return not self.directives & _NOFOLLOW

    @property
    def metadata(self) -> dict[str, str]:
        """Fields of the document; those of which nothing is said are left out."""
        found = {
            "robots": ", ".join(sorted(self.directives)),
            "content_usage": self.usage,
            "tdm_reservation": "1" if self.tdm else "",
            "tdm_policy": self.tdm_policy,
        }
        return {name: value for name, value in found.items() if value}


def read(
    headers: Mapping[str, Sequence[str]], metas: Iterable[tuple[str, str]], agent: str, usage: str, tdm: bool
) -> Reservations:
    """What holds for a page.

    headers: by name in lower case. metas: (name in lower case, content) of the page. usage, tdm: by its host.
    """
    directives: set[str] = set()
    for value in headers.get("x-robots-tag", ()):
        directives |= _of_header(value, agent)
    usages = [usage, *headers.get("content-usage", ())]
    policy = next(iter(headers.get("tdm-policy", ())), "")
    tdm = tdm or any(value.strip() == "1" for value in headers.get("tdm-reservation", ()))
    for name, content in metas:
        if name in ("robots", agent.lower()):
            directives |= _split(content)
        elif name == "tdm-reservation":
            tdm = tdm or content.strip() == "1"
        elif name == "tdm-policy":
            policy = policy or content.strip()
        elif name == "content-usage":
            usages.append(content)
    said = [one.strip() for one in usages if one.strip()]
    # One that reserves comes first, since it holds.
    said.sort(key=lambda one: not reserves_training(one))
    return Reservations(frozenset(directives), ", ".join(said)[:500], tdm, policy[:500])


def _split(value: str) -> set[str]:
    return {part.strip().lower() for part in value[:2000].split(",") if part.strip()}


def _of_header(value: str, agent: str) -> set[str]:
    """Directives for everybody or for this agent."""
    before, colon, rest = value.partition(":")
    name = before.strip().lower()
    if not colon or "," in before or name in _VALUED:
        return _split(value)
    return _split(rest) if name == agent.lower() else set()
