"""All records of the default judge -> the JSONL files that `judge train` and `judge evaluate` read.

`write(data, gathered, out)` takes the labelled sets (categories, quality, toxicity: *.jsonl.gz in `data`) and
what sources.py gathered, and writes into `out`:

train.jsonl      texts under permissive licences: fields category and quality, and split, their part
transfer.jsonl   labelled texts under other licences: never trained on, a test of sources never seen
away.jsonl       the same texts, but whole sources are the test part: the leave-source-out run
data.md          which texts, how many, under which licence: the table of the model card
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trainer.bert.data import part_of
from trainer.bert.default import pages
from trainer.bert.default.composed import compose, own
from trainer.bert.default.junk import damage
from trainer.bert.recipe import SplitConfig

Record = dict[str, Any]

SPLIT = SplitConfig(validation=0.08, test=0.2)
# One name for one thing: both sets describe a thing that is offered.
FOLDED = {"app_description": "product"}
# What the kind of a text says of its quality where nobody rated it. Product: too mixed to say.
WORTH: dict[str | None, float] = dict.fromkeys(
    ("book", "encyclopedia", "exam", "law", "math", "news", "paper", "speech", "tech_doc"), 1.0
)
WORTH.update(forum_qa=0.85)
WORTH.update(dict.fromkeys(("dialogue", "email", "review", "social"), 0.6))
LABELS = {"good": 1.0, "ordinary": 0.6, "bad": 0.0}
OFFENSIVE = 0.2
DAMAGED = 0.35  # share of the good texts of which a damaged copy is made
CROPPED = 0.35  # share of the long texts of which a short piece is added
ASKED = 450  # characters of an examination that are kept, its last: the passage before may be any article
LONGEST = 900  # characters of a training text that are kept: about a window; half of the texts begin inside
CAP = 200  # training texts of a labelled set's source and category; sources.py has its own limits

_PERMITS = re.compile(
    r"\b(MIT|MPL|Apache|BSD|CC-BY|CC0|CC-BY-SA|public domain|GFDL|LPPL)\b|made here|no copyright|unrestricted"
    r"|permissive by its specification"
)
_FORBIDS = re.compile(r"research|none stated|non-commercial|publishers|belong to|papers by their authors")
# Released by a court or published as a public corpus: the names of the sets say so.
_PUBLIC = re.compile(r"FERC release|public research corpus")
# Passages of examinations without their questions: any article may be one, so they teach no category.
_PASSAGE = re.compile(r"AGIEval (lsat-rc|sat-en) passages")
# Whole sources that the leave-source-out run does not train on; others still teach their categories.
AWAY = re.compile(
    r"xquad|cn_middle_school|gaokao_math_qa|college_math|minerva|vuejs|javascript-tutorial|OCRmyPDF"
    r"|docling docs|NVIDIA|logiqa-zh|jec-qa-ca|lsat-rc|Classical-Modern classical"
    r"|MASC (newspaper|technical|talk)|UD_|StaQC"
    r"|OI-wiki docs$|TheAlgorithms/(Go|Rust|Java)$|Taskmaster|CrossWOZ|/asap|fehimkus|gutenberg"
)


def write(data: Path, gathered: Path, out: Path, seed: int = 1) -> None:
    """Raises ValueError where a file is missing or holds no text."""
    permitted: list[Record] = []
    other: list[Record] = []
    for record in labelled(data):
        (permitted if may_train(record["licence"]) else other).append(record)
    if not permitted:
        raise ValueError(f"{data}: no record under a permissive licence")
    known = {key_of(r["text"]) for r in [*permitted, *other]}
    added = [tidy(r) for r in lines(gathered)] if gathered.exists() else []
    added = [r for r in added if key_of(r["text"]) not in known] + [tidy(r) for r in (*compose(seed), *own())]
    added = [r | {"split": "train", "added": True} for r in added]
    chosen = [r | {"split": r.get("split") or part_of(r["text"], SPLIT)} for r in [*permitted, *added]]
    made = [tidy(r) | {"split": "train", "added": True} for r in pages.compose(chosen, seed)]
    chosen, added = chosen + made, added + made
    out.mkdir(parents=True, exist_ok=True)
    _save(out / "train.jsonl", finished(chosen))
    _save(out / "transfer.jsonl", (r | {"split": "test"} for r in finished(other, damaged=False)))
    _save(out / "away.jsonl", finished([_away(r) for r in chosen]))
    (out / "data.md").write_text(table(permitted, added, other), encoding="utf-8")


def whole(data: Path, gathered: Path, out: Path) -> None:
    """All texts as they would come down a river, for `judge calibrate`: each once, neither cut nor damaged.

    permitted.jsonl: those that a shipped table may be made from. other.jsonl: what it is tried on.
    """
    seen: set[str] = set()
    found: dict[bool, list[Record]] = {True: [], False: []}
    for record in [*labelled(data), *(map(tidy, lines(gathered)) if gathered.exists() else ())]:
        if (key := key_of(record["text"])) not in seen:
            seen.add(key)
            found[may_train(record["licence"])].append(record | {"id": key})
    out.mkdir(parents=True, exist_ok=True)
    _save(out / "permitted.jsonl", found[True])
    _save(out / "other.jsonl", found[False])


def labelled(data: Path) -> Iterator[Record]:
    """The labelled sets under one form: text, lang, category, quality, source, licence."""
    for record in lines(data / "categories.jsonl.gz"):
        category = FOLDED.get(record["category"], record["category"])
        taught = None if _PASSAGE.search(record["source"]) else category
        yield tidy(record | {"category": taught, "quality": WORTH.get(category)})
    for record in lines(data / "quality.jsonl.gz"):
        kept = {name: record[name] for name in ("text", "lang", "source", "licence")}
        yield tidy(kept | {"quality": LABELS[record["label"]], "kind": record["kind"], "category": None})
    for record in lines(data / "toxicity.jsonl.gz"):
        kept = {name: record[name] for name in ("text", "source", "licence")} | {"lang": "zh"}
        offensive = record["label"] == 1
        category = None if offensive else "social"
        yield tidy(kept | {"category": category, "quality": OFFENSIVE if offensive else WORTH["social"]})


def may_train(licence: str) -> bool:
    """Whether a model that is shipped may learn from texts under this licence."""
    return bool(_PUBLIC.search(licence) or (_PERMITS.search(licence) and not _FORBIDS.search(licence)))


def tidy(record: Record) -> Record:
    """The text as the judge will meet it: after the rules' normalisation (NFC, plain spaces and lines)."""
    text = unicodedata.normalize("NFC", record["text"].replace("\r\n", "\n").replace("\xa0", " "))
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\u200b\ufeff]", "", text)
    text = re.sub(r"\n{4,}", "\n\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip("\n")
    return {"quality": WORTH.get(record.get("category"))} | record | {"text": text}


def finished(records: Iterable[Record], damaged: bool = True) -> Iterator[Record]:
    """Training texts capped by source, with crops and damaged copies; other parts whole, without crops."""
    count: Counter[tuple[str, ...]] = Counter()
    seen: set[str] = set()
    for record in sorted(records, key=lambda r: key_of(r["text"])):
        key, text = key_of(record["text"]), record["text"]
        group = (str(record["source"]), str(record["category"]), str(record.get("kind")))
        if len(text.strip()) < 4 or key + str(record["category"]) in seen:
            continue
        seen.add(key + str(record["category"]))
        train = record["split"] == "train" if damaged else False
        count[group] += train
        if train and count[group] > CAP and not record.get("added"):
            continue
        draw = random.Random(key)
        if train and record["category"] == "exam":
            text = text[-ASKED:]
        for _ in range(record.get("times", 1) if train else 1):
            yield record | {"text": crop(text, draw, LONGEST) if train else text}
        if train and record["category"] and len(text) > 600 and draw.random() < CROPPED:
            yield record | {"text": crop(text, draw, draw.randint(60, 400))}
        if damaged and record["quality"] == 1.0 and record["category"] != "code" and draw.random() < DAMAGED:
            fault, broken = damage(text, record["lang"], key)
            if len(broken.strip()) >= 8:
                about = {"category": None, "quality": 0.0, "kind": f"damaged: {fault}"}
                yield record | about | {"text": broken}


def crop(text: str, draw: random.Random, size: int) -> str:
    """At most `size` characters: of a longer text the head, or half the time from where a sentence begins."""
    if len(text) <= size:
        return text
    starts = [m.end() for m in re.finditer(r"[。！？.!?\n]\s*", text[:-size])] or [0]
    start = 0 if draw.random() < 0.5 else draw.choice(starts)
    return text[start : start + size].strip() or text[:size]


def table(permitted: list[Record], added: list[Record], other: list[Record]) -> str:
    """The card's list: source, licence, languages, categories, number of texts."""
    lines = ["| texts | source | licence | used for |", "| ---: | --- | --- | --- |"]
    for records, use in (
        (permitted, "training and test"),
        (added, "training"),
        (other, "transfer test only"),
    ):
        count: Counter[tuple[str, str]] = Counter()
        kinds: dict[tuple[str, str], set[str]] = {}
        for record in records:
            group = (re.split(r" (?:scrapinghub|magic_html|wcxb)/", record["source"])[0], record["licence"])
            count[group] += 1
            kinds.setdefault(group, set()).add(
                f"{record['lang']} {record['category'] or record.get('kind') or 'quality'}"
            )
        for group, number in sorted(count.items()):
            lines.append(
                f"| {number} | {group[0]} ({', '.join(sorted(kinds[group]))}) | {group[1]} | {use} |"
            )
    return "\n".join(lines) + "\n"


def _away(record: Record) -> Record:
    if AWAY.search(record["source"]):
        return record | {"split": "test"}
    return record | {"split": "train" if record["split"] == "test" else record["split"]}


def key_of(text: str) -> str:
    """The same for copies of a text, whatever their case and white space."""
    return hashlib.blake2b(
        "".join(text.casefold().split()).encode(errors="replace"), digest_size=8
    ).hexdigest()


def lines(path: Path) -> Iterator[Record]:
    """Records of a JSONL file, gzipped or not. Raises ValueError."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing: name the folder that holds the labelled sets") from error


def _save(path: Path, records: Iterable[Record]) -> None:
    names = ("id", "text", "lang", "category", "quality", "source", "licence", "split", "kind")
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            kept = {name: record[name] for name in names if record.get(name) is not None}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
