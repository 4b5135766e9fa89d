"""How tales, posts, talks and articles of further sources are laid out: one reader each, Clone -> texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from trainer.bert.default.clone import Clone, Texts, runs
from trainer.bert.default.readers import Reader


def stories(clone: Clone) -> Texts:
    """Stories out of a test of reading; the sentences that it takes out are missing."""
    for part in ("trial", "dev"):
        for story in json.loads(clone.text(f"data/cmrc2019_{part}.json"))["data"]:
            yield re.sub(r"\[BLANK\d+\]", "", story["context"])


def tales(clone: Clone) -> Texts:
    """Tales for children, put back together out of words; where lines are numbered anew a tale begins.
    XXXXX stands for a word to guess: left out.
    """
    for name, text in clone.member("children_fairy_tale/cft.zip"):
        if name.endswith("cft.test.human"):
            for tale in re.split(r"(?m)^(?=1 \|\|\|)", text):
                lines = (line.split("|||")[1] for line in tale.splitlines() if line.count("|||") == 1)
                if len(whole := re.sub(r"\s|XXXXX", "", "".join(lines))) > 150:
                    yield whole


def exchanges(take: Callable[[list[str]], str]) -> Reader:
    """Of posts with their answers what `take` says; the blanks between Chinese words close up."""

    def read(clone: Clone) -> Texts:
        for exchange in (e for part in json.loads(clone.text("data/toy_data.json")).values() for e in part):
            yield take([re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", turn) for turn in exchange])

    return read


def post(turns: list[str]) -> str:
    """The post itself, where few answered and it is long enough to stand alone; else nothing."""
    return turns[0] if len(turns) < 4 and len(turns[0]) >= 14 else ""


def talk(turns: list[str]) -> str:
    """An exchange of four turns and more; else nothing."""
    return "\n".join(turns) if len(turns) >= 4 else ""


def sentences(files: tuple[str, ...], sizes: tuple[int, ...], glue: str = "") -> Reader:
    """A treebank's sentences in order, as many together as `sizes` says."""

    def read(clone: Clone) -> Texts:
        for file in files:
            yield from runs(re.findall(r"^# text = (.*)$", clone.text(file), re.MULTILINE), sizes, glue)

    return read


_PIECE = 420  # characters: about what the judge reads of a head or a tail
# Their texts stay theirs, also where the Voice of America prints them.
_AGENCIES = re.compile("美联社|路透社|法新社")


def articles(outlet: str) -> Reader:
    """A feed's articles of one outlet: the headline with the head, and the tail of what is long."""

    def read(clone: Clone) -> Texts:
        seen = set()
        for day in clone.history("daily-news.json"):
            for article in json.loads(day)["articles"]:
                text = article["content"].strip()
                if article["source"] != outlet or article["link"] in seen or _AGENCIES.search(text[-200:]):
                    continue
                seen.add(article["link"])
                yield article["title"].split("\n")[0].strip() + "\n\n" + text[:_PIECE]
                if len(text) > 500:
                    yield text[-_PIECE:]

    return read


_FRAME = re.compile(r"^\s*(?:\[[^\]]*\]\s*)?(?:<[^>]+>|\*|===|[\w\-\[\]|`^]+:)\s*")
_NOTICES = ("has joined", "has quit", "has left")


def bare(read: Reader) -> Reader:
    """A channel's lines without times, names and notices of who comes and goes; six lines and more."""

    def stripped(clone: Clone) -> Texts:
        for block in read(clone):
            lines = [_FRAME.sub("", line).strip() for line in block.splitlines()]
            lines = [line for line in lines if line and not any(notice in line for notice in _NOTICES)]
            if len(lines) >= 6:
                yield "\n".join(lines[:30])

    return stripped
