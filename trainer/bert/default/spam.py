"""Junk against ham of its own genre (messages, mail, chat, comments, reviews), and good text of every other
kind.

What teaches the head `junk`: the permitted part of the labelled sets, more of the same public collections,
texts of our own (junk.yaml) and, so that nothing else is called junk, the good texts that teach the other
heads. Each text is taught as it was sent and as the rules leave it, with its numbers masked and its
addresses gone.
"""

from __future__ import annotations

import csv
import html
import io
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from trainer.bert.data import part_of
from trainer.bert.default.clone import Clone
from trainer.bert.default.composed import compose, own
from trainer.bert.default.records import WORTH, Record, key_of, labelled, lines, may_train, tidy
from trainer.bert.default.sources import draw
from trainer.bert.recipe import SplitConfig

# A fifth to set thresholds by, a fifth that nothing is chosen by.
SPLIT = SplitConfig(validation=0.2, test=0.2)
GENRES = {
    "sms_spam": "sms", "sms_ham": "sms", "email_spam": "mail", "email_ham": "mail",
    "chat_ad": "chat", "chat_ham": "chat", "review_spam_camouflaged": "review", "review_ham": "review",
}  # fmt: skip
CAP = 250  # good texts of a source and category
COPIES = 4  # of each of our own patterns, filled anew
_UCI, _SMS, _YOUTUBE = "CC-BY-4.0 (UCI)", "SMS Spam Collection", "YouTube Spam Collection"
_MAIL, _FERC, _RESEARCH = (
    "DungQuangUiT/enron_dataset",
    "public corpus (FERC release)",
    "public research corpus",
)


def write(data: Path, clones: Path, gathered: Path, out: Path) -> None:
    """OUT/junk.jsonl, which `judge head` reads: text, lang, genre, junk (0 or 1), source, licence, split; and
    OUT/good.jsonl, which `judge junk` reads: good texts that teach nothing and that nothing is measured on.

    Raises ValueError where a file is missing.
    """
    seen: set[str] = set()
    found: list[Record] = []
    for record in map(tidy, (*sets(data), *collected(clones), *written(), *good(data, gathered))):
        if len(record["text"].strip()) < 4 or (key := key_of(record["text"])) in seen:
            continue
        seen.add(key)
        found.append(record | {"split": record.get("split") or part_of(record["text"], SPLIT)})
    random.Random(1).shuffle(found)
    out.mkdir(parents=True, exist_ok=True)
    names = ("text", "lang", "genre", "junk", "source", "licence", "split", "group")
    cleaned = by_rules([record["text"] for record in found])
    taught = {text for record, text in zip(found, cleaned, strict=True) if record["split"] == "train"}
    with (out / "junk.jsonl").open("w", encoding="utf-8") as file:
        for record, text in zip(found, cleaned, strict=True):
            is_taught = record["split"] == "train"
            if not is_taught and text in taught:  # but for numbers that are masked, the same
                continue
            about = {name: record[name] for name in names if name in record}
            for each in dict.fromkeys((text, record["text"]) if is_taught else (text,)):
                file.write(json.dumps(about | {"text": each}, ensure_ascii=False) + "\n")
    with (out / "good.jsonl").open("w", encoding="utf-8") as file:
        for number, record in enumerate(found):
            if record["split"] == "validation" and not record["junk"]:
                row = {"id": f"good {number}", "text": record["text"]}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def sets(data: Path) -> Iterator[Record]:
    """Of the labelled sets what is junk, or ham of a genre that has junk."""
    for record in lines(data / "quality.jsonl.gz"):
        if record["kind"] in GENRES and may_train(record["licence"]):
            about = {name: record[name] for name in ("text", "lang", "source", "licence")}
            yield about | {"genre": GENRES[record["kind"]], "junk": int(record["label"] == "bad")}


def good(data: Path, gathered: Path) -> Iterator[Record]:
    """Texts that are no junk, of every category; what may not be taught sets limits and measures."""
    count: Counter[tuple[str, str]] = Counter()
    added = map(tidy, lines(gathered)) if gathered.exists() else iter(())
    for record in (*labelled(data), *added, *own(), *compose(1)):
        category, quality = record.get("category"), record.get("quality", 1.0)
        if not category or category == "code" or (quality is not None and quality < WORTH["social"]):
            continue
        split = "train" if record["licence"] == "made here" else part_of(record["text"], SPLIT)
        count[record["source"], category] += split == "train"
        is_taught = may_train(record["licence"]) and count[record["source"], category] <= CAP
        if split == "train" and not is_taught:
            split = "validation"
        about = {name: record[name] for name in ("text", "lang", "source", "licence")}
        yield about | {"genre": category, "junk": 0, "split": split}


def written() -> Iterator[Record]:
    """Of junk.yaml: every pattern filled COPIES times. Taught only: nothing of our own is measured on."""
    found = yaml.safe_load(Path(__file__).with_name("junk.yaml").read_text(encoding="utf-8"))
    words = found.pop("words")
    for lang, genres in found.items():
        for genre, kinds in genres.items():
            for kind, patterns in kinds.items():
                about = {"lang": lang, "genre": genre, "junk": int(kind == "junk"), "split": "train"}
                about |= {"source": "own texts", "licence": "made here"}
                for pattern in patterns:
                    for copy in range(COPIES):
                        yield about | {"text": _filled(pattern, words, random.Random(f"{pattern}{copy}"))}


def _filled(pattern: str, words: dict[str, list[object]], pick: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(pick.choice(words[match[1]])), pattern)


@dataclass(frozen=True)
class Collection:
    """A public collection of junk or ham: of a clone, `limit` texts of those that `read` gives."""

    repository: str
    lang: str
    genre: str
    junk: int
    licence: str
    limit: int
    read: Callable[[Clone], Iterable[str]]
    note: str


def collected(clones: Path) -> Iterator[Record]:
    """What stands in clones beside the labelled sets; a collection without a clone is passed over."""
    for each in COLLECTIONS:
        folder = clones / each.repository.replace("/", "+")
        if not folder.exists():
            continue
        about = {"lang": each.lang, "genre": each.genre, "junk": each.junk, "licence": each.licence}
        about |= {"source": f"github:{each.repository} {each.note}"}
        for text in draw(each.read(Clone(folder)), each.limit):
            yield about | {"text": text}


def _sms(clone: Clone) -> Iterator[str]:
    rows = (line.partition("\t") for line in clone.text("data/SMSSpamCollection").splitlines())
    yield from (text for kind, _, text in rows if kind == "ham")


def _enron(kind: str) -> Callable[[Clone], Iterator[str]]:
    """Mails as the collection has them, in small letters and torn at every mark, and half of them mended."""

    def read(clone: Clone) -> Iterator[str]:
        paths = [path for path in clone.paths() if re.match(rf"enron\d/{kind}/", path)]
        for path in draw(paths, 2000):
            text = clone.text(path)[:20_000]
            yield mended(text) if random.Random(path).random() < 0.5 else text

    return read


def mended(text: str) -> str:
    """Marks joined to their words again, sentences with a capital: as people write."""
    text = re.sub(r" ?(['’@/_]) ?", r"\1", re.sub(r" ([.,!?;:%)\]])", r"\1", text))
    text = re.sub(r"([(\[$#]) ", r"\1", re.sub(r"(\d)\. (\d)", r"\1.\2", text))
    return re.sub(r"(^|[.!?]\s+|\n)([a-z])", lambda m: m[1] + m[2].upper(), text)


def _youtube(junk: int) -> Callable[[Clone], Iterator[str]]:
    def read(clone: Clone) -> Iterator[str]:
        for path in clone.paths("data/", ".csv"):
            if "Youtube" in path:
                for row in csv.DictReader(io.StringIO(clone.text(path))):
                    if int(row["CLASS"]) == junk:
                        yield html.unescape(re.sub(r"<[^>]+>", " ", row["CONTENT"]))

    return read


def _groups(junk: int) -> Callable[[Clone], Iterator[str]]:
    def read(clone: Clone) -> Iterator[str]:
        for path in ("train.txt", "test.txt"):
            for line in clone.text(path).splitlines():
                text, _, label = line.rpartition("==")
                if label == str(junk):
                    yield text
        if junk:
            yield from clone.text("src/me/siuank/addetector4j/learning/ads.txt").splitlines()

    return read


def _telegram(clone: Clone) -> Iterator[str]:
    for line in clone.text("data/spam-samples.txt").splitlines():
        if not re.search("[а-яА-Я]", line):
            yield line


COLLECTIONS = (
    Collection("ia4legos/MachineLearning", "en", "sms", 0, _UCI, 1600, _sms, _SMS),
    Collection(_MAIL, "en", "mail", 0, _FERC, 2000, _enron("ham"), "ham"),
    Collection(_MAIL, "en", "mail", 1, _RESEARCH, 2000, _enron("spam"), "spam"),
    Collection("shalimanov/spamchecker", "en", "comment", 0, _UCI, 1200, _youtube(0), _YOUTUBE),
    Collection("shalimanov/spamchecker", "en", "comment", 1, _UCI, 1200, _youtube(1), _YOUTUBE),
    Collection("siuank/ADDetector4J", "zh", "chat", 0, "MIT", 1500, _groups(0), "chats"),
    Collection("siuank/ADDetector4J", "zh", "chat", 1, "MIT", 1500, _groups(1), "chats"),
    Collection("umputun/tg-spam", "en", "comment", 1, "MIT", 300, _telegram, "samples"),
)  # fmt: skip


def by_rules(texts: list[str]) -> list[str]:
    """Texts as the rules leave them, dropped ones too: personal data masked, addresses gone."""
    rows = "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts))
    command = [sys.executable, "-m", "services.cli", "apply", "rules"]
    run = subprocess.run(command, input=rows.encode(), capture_output=True, check=False)
    if run.returncode:
        raise ValueError(f"apply rules: {run.stderr.decode(errors='replace').strip()}")
    return [
        json.loads(line)["text"] or text for line, text in zip(run.stdout.splitlines(), texts, strict=True)
    ]
