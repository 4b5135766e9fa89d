"""sentences on real zh and en texts with planted frames: what is found, what is lost, and what it costs.

Documents of some 5 kB are dealt out to hosts of different sizes. Each host has frames of its own around its
texts: lines at the head and the foot of most pages, a sentence at the end of a paragraph, a notice on a fifth
of the pages. Passages of three sentences stand on pages of many hosts, and a common sentence, which is
to stay, on one of a hundred. What the sources repeat themselves (some are pages with their buttons) is not
counted as good text. All that is planted was written here; documents come in any order, in batches
of 250.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts import Document
from services.runtime import Emit, Resources, Settings
from services.runtime.settings import RedisSettings
from services.sentences import SentencesConfig, build
from services.sentences.bucket import SLOTS
from services.sentences.recount import rebuild
from tests.benchmarks import corpus
from tests.benchmarks.figures import Figure, cpu_seconds
from tests.servers import RedisServer

NUMBER, BATCH = 3600, 250
HOSTS = {"zh": 12, "en": 12}
PLACE = ("topic", 0)
RECALL, LOST = 0.95, 0.001

_FRAMES = {
    "zh": (
        ("{host}是本地居民自己办的读书网站，欢迎投稿和指正。", 0.95, "head"),
        ("未经{host}编辑部书面同意，任何单位和个人都不能转载本页内容。", 0.95, "foot"),
        ("本页观点只代表作者自己，和{host}没有关系。如有侵权请写信给我们，我们三天以内处理。", 0.9, "foot"),
        ("想看更多这样的文章，请把{host}加到您的书签里。", 0.5, "in"),
        ("【{host}提示】本栏目的文章都经过两位编辑校对，错字请在页尾指出。", 0.2, "head"),
    ),
    "en": (
        ("You are reading {host}, a site that the readers of this town keep up themselves.", 0.95, "head"),
        ("No part of this page may be reprinted without a letter from the editors of {host}.", 0.95, "foot"),
        ("What is said here is the author's own view and not that of {host}. Write to our desk if a picture "
         "is yours. We answer within three working days.", 0.9, "foot"),
        ("If you would like more of these, keep {host} among your bookmarks and come back.", 0.5, "in"),
        ("Editors' note from {host}: two of us have read this column before it was put up.", 0.2, "head"),
    ),
}  # fmt: skip
_ENDS = (".", "!", "?", "。", "！", "？")
_SAID = re.compile(r"(?<=[.!?。！？\n])(?=\s*\S)")
_PASSAGES = {
    "zh": "记者昨天从渔政部门获悉，今年的休渔期比去年晚了一个星期。\n"
    "各港口的渔船已经全部回港，正在检修机器和渔网。\n"
    "有关负责人说，休渔期间市场供应以养殖和冷冻海产品为主。\n",
    "en": "The harbour office said on Monday that the closed season will begin a week later than last year.\n"
    "All boats are back in port and their engines are being looked after.\n"
    "Until then, an official said, most of what the market sells will come out of cold stores.\n",
}
_COMMON = {
    "zh": "祝大家新年快乐，身体健康，万事如意，阖家幸福安康！\n",
    "en": "Thank you very much for your help, and have a very nice day everybody.\n",
}


@dataclass
class Page:
    """A document, and which stretches of its text are planted: by kind, (start, end)."""

    document: Document
    planted: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def run() -> Iterator[Figure]:
    """Recall, good text that is lost, CPU and bytes."""
    pages = made()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), "--appendonly", "no")
        try:
            yield from _figures(pages, server)
        finally:
            server.stop()
        empty = RedisServer(Path(folder) / "empty", "--appendonly", "no")
        try:
            yield from _room(empty)
        finally:
            empty.stop()


def made(seed: int = 0) -> list[Page]:
    """The documents, in the order in which they come."""
    draw = random.Random(seed)
    found = []
    for number, row in enumerate(corpus.documents(NUMBER, seed)):
        if row["language"] == "code":
            document = Document(text=row["text"], format="code", language="und")
            found.append(Page(document))
            host = "code.example"
        else:
            host = f"{row['language']}{int(HOSTS[row['language']] * draw.random() ** 2)}.example"
            found.append(_page(row["text"], row["language"], host, draw))
        found[-1].document.uid = number + 1
        found[-1].document.metadata["url"] = f"https://{host}/{number}"
        found[-1].document.position.topic_id, found[-1].document.position.partition = PLACE
        found[-1].document.position.offset = number
    _mark_repeats(found)
    return found


def _mark_repeats(pages: Sequence[Page]) -> None:
    """What the sources repeat themselves, in four documents of a language or more, is no good text."""
    standing = [{said.strip() for said in _SAID.split(page.document.text)} for page in pages]
    number = Counter(said for each in standing for said in each)
    for page in pages:
        at = 0
        for said in _SAID.split(page.document.text):
            if number[said.strip()] >= 4 and said.strip():
                page.planted.setdefault("there", []).append((at, at + len(said)))
            at += len(said)


def _page(text: str, language: str, host: str, draw: random.Random) -> Page:
    """The text in its host's frames."""
    pieces: list[tuple[str, str]] = [(line, "") for line in text.rstrip("\n").splitlines(keepends=True)]
    pieces[-1] = (pieces[-1][0].rstrip("\n") + "\n", "")
    heads, feet = [], []
    for frame, share, where in _FRAMES[language]:
        if draw.random() < share:
            said = frame.format(host=host.partition(".")[0].capitalize())
            if where == "in":
                ends = [n for n, (line, _) in enumerate(pieces) if line.rstrip().endswith(_ENDS)]
                if not ends:  # a list, or cut in the middle of a sentence
                    continue
                at = draw.choice(ends)
                before = pieces[at][0].rstrip("\n")
                pieces[at : at + 1] = [(before, ""), (f" {said}", "frame"), ("\n", "")]
            else:
                (heads if where == "head" else feet).append((f"{said}\n", "frame"))
    for kind, said, share in (("passage", _PASSAGES, 0.08), ("common", _COMMON, 0.01)):
        if draw.random() < share:
            at = draw.randrange(len(pieces) + 1)
            while at and not pieces[at - 1][0].endswith("\n"):
                at -= 1
            pieces.insert(at, (said[language], kind))
    page, length, parts = Page(Document(format="prose", language=language)), 0, []
    for said, kind in [*heads, *pieces, *feet]:
        if kind:
            page.planted.setdefault(kind, []).append((length, length + len(said)))
        parts.append(said)
        length += len(said)
    page.document.text = "".join(parts)
    return page


@dataclass
class Share:
    """part: characters of `whole`, white space left out."""

    part: int = 0
    whole: int = 0

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 0.0


def _figures(pages: Sequence[Page], server: RedisServer) -> Iterator[Figure]:
    config = SentencesConfig(of=("*",), entries=1 << 20, durable=False)
    resources = Resources(Settings(redis=RedisSettings(url=server.url)))
    before = server.client().info("cpu")
    judge = build(config, resources)
    judge.begin({})  # type: ignore[attr-defined]
    first = list[Document]()
    client = cpu_seconds(lambda: first.extend(_judged(judge, pages)), repeat=1)
    after = server.client().info("cpu")
    served = sum(float(after[name]) - float(before[name]) for name in ("used_cpu_user", "used_cpu_sys"))
    texts = len([page for page in pages if page.document.format == "prose"])
    yield from _told(pages, first, "first run")
    yield from _hosts(pages, first)
    rebuild(first, {}, resources, config)
    again = build(replace(config, learn=False), resources)
    again.begin({})  # type: ignore[attr-defined]
    again_pages = [Page(Document.FromString(p.document.SerializeToString()), p.planted) for p in pages]
    for page in again_pages:
        page.document.position.topic_id = "another"
    yield from _told(pages, _judged(again, again_pages), "second run, counts kept")
    size = sum(len(p.document.text.encode()) for p in pages if p.document.format == "prose") / texts
    yield Figure(f"sentences, a document of {size / 1000:.1f} kB", 1000 * client / texts, "ms CPU")
    yield Figure("sentences, the same, Redis", 1000 * served / texts, "ms CPU")
    off = build(SentencesConfig(), resources)
    idle = cpu_seconds(lambda: off([page.document for page in pages]))
    yield Figure("sentences switched off", 1e6 * idle / len(pages), "us CPU a document")
    resources.close()


def _judged(judge: Callable[..., object], pages: Sequence[Page]) -> list[Document]:
    found = []
    for start in range(0, len(pages), BATCH):
        batch = [Document.FromString(p.document.SerializeToString()) for p in pages[start : start + BATCH]]
        for verdict in judge(batch):  # type: ignore[attr-defined]
            assert isinstance(verdict, Emit)
            found.append(verdict.document)
    return found


def _told(pages: Sequence[Page], found: Sequence[Document], when: str) -> Iterator[Figure]:
    for language in HOSTS:
        by = {kind: Share() for kind in ("frame", "passage", "common", "there", "good")}
        for page, document in zip(pages, found, strict=True):
            if page.document.language == language:
                _measure(page, document, by)
        for kind, name in (("frame", "frames found"), ("passage", "passages found")):
            target = RECALL if kind == "frame" or when != "first run" else None
            yield _figure(f"{name}, {language}, {when}", by[kind], target, least=True)
        yield _figure(f"good text lost, {language}, {when}", by["good"], LOST, least=False)
        yield _figure(f"common sentences lost, {language}, {when}", by["common"], None, least=False)


def _hosts(pages: Sequence[Page], found: Sequence[Document]) -> Iterator[Figure]:
    """The first ones of a host keep their frame, which is more of a small host."""
    hosts = dict[str, tuple[Share, list[Document]]]()
    for page, document in zip(pages, found, strict=True):
        if "frame" in page.planted:
            share, documents = hosts.setdefault(page.document.metadata["url"].split("/")[2], (Share(), []))
            documents.append(document)
            _measure(
                page,
                document,
                {"frame": share, **{k: Share() for k in ("passage", "common", "there", "good")}},
            )
    ordered = sorted(hosts.values(), key=lambda each: len(each[1]))
    for share, documents in (ordered[0], ordered[-1]):
        yield Figure(
            f"frames found, host of {len(documents)} documents, first run", share.value, "of letters"
        )


def _figure(name: str, share: Share, bound: float | None, *, least: bool) -> Figure:
    if bound is None:
        return Figure(name, share.value, "of letters")
    passed = share.value >= bound if least else share.value <= bound
    return Figure(name, share.value, "of letters", f"{'>=' if least else '<='} {bound:g}", passed)


def _measure(page: Page, document: Document, by: dict[str, Share]) -> None:
    """Character by character: what it is, and whether it was taken out."""
    kinds, text = ["good"] * len(page.document.text), page.document.text
    for kind, stretches in sorted(page.planted.items(), key=lambda each: each[0] != "there"):
        for start, end in stretches:
            kinds[start:end] = [kind] * (end - start)
    gone = bytearray(len(text))
    for cut in document.removed:
        gone[cut.at : cut.at + len(cut.text)] = b"\1" * len(cut.text)
    for character, kind, taken in zip(text, kinds, gone, strict=True):
        if not character.isspace():
            by[kind].whole += 1
            by[kind].part += taken


def _room(server: RedisServer) -> Iterator[Figure]:
    """Bytes of Redis for each entry of a table that is full, as the server counts its keys."""
    config = SentencesConfig(of=("*",), entries=512 * SLOTS, durable=False)
    resources = Resources(Settings(redis=RedisSettings(url=server.url)))
    judge = build(config, resources)
    judge.begin({})  # type: ignore[attr-defined]
    draw = random.Random(1)
    for number in range(150):
        own = [f"{draw.getrandbits(64):x} came by the harbour with a word of its own.\n" for _ in range(500)]
        document = Document(uid=number + 1, text="".join(own), format="prose", language="en")
        document.metadata["url"] = f"https://h.example/{number}"
        judge([document])
    client = server.client()
    size = sum(client.memory_usage(name) or 0 for name in client.scan_iter("*counts:*")) / config.entries
    yield Figure("sentences, room in Redis", size, "bytes a sentence", "<= 8", size <= 8)
    resources.close()
