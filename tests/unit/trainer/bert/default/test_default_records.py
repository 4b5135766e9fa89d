"""The texts of the default judge: what may be learnt from, what is held out, what is made."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from trainer.bert.default import composed, junk, pages, readers, records, sources, talks
from trainer.bert.default.clone import Clone

CLEAN = {
    "zh": "河边的老槐树又开花了。村里的孩子每天放学都从树下走过，捡起花瓣。奶奶说，这棵树比她还要老。" * 6,
    "en": "The old mill by the river has stood empty for years. Children say that its wheel turns at night. "
    * 6,
}


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "Apache-2.0",
        "CC-BY-SA-4.0",
        "CC-BY-4.0 (UCI)",
        "public domain text",
        "LPPL/GFDL per file",
        "made here",
        "public corpus (FERC release)",
        "public research corpus",
        "MIT/Apache-2.0",
        "CC0 (a set)",
        "AppStream metadata (permissive by its specification)",
    ],
)
def test_permissive_licences_may_train(licence: str) -> None:
    assert records.may_train(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "none stated",
        "CLUE, none stated in repository (research use)",
        "MIT (repository); THUCNews: research use",
        "Apache-2.0 (repository); pages belong to their sites",
        "non-commercial use",
        "papers by their authors",
        "none stated; publishers keep rights, research use",
        "NPS: non-commercial",
        "",
        "none stated; text CC-BY-SA",
    ],
)
def test_other_licences_never_train(licence: str) -> None:
    """A shipped model must not learn from what may not be given on."""
    assert not records.may_train(licence)


def labelled(folder: Path) -> Path:
    """The three labelled sets, tiny, of our own texts."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for number in range(60):
        about = {"lang": "en", "source": "ours", "licence": "MIT"}
        rows.append({"text": f"{CLEAN['en']} It is tale {number}.", "category": "book"} | about)
        rows.append(
            {"text": f"Our kettle number {number} boils fast.", "category": "app_description"} | about
        )
    rows.append(
        {
            "text": "A story nobody may copy.",
            "category": "book",
            "lang": "en",
            "source": "x",
            "licence": "none stated",
        }
    )
    quality = [
        {
            "text": "Win a prize now",
            "lang": "en",
            "label": "bad",
            "kind": "spam",
            "source": "q",
            "licence": "MIT",
        }
    ]
    toxic = [
        {"text": "你真好", "label": 0, "source": "t", "licence": "MIT"},
        {"text": "滚开", "label": 1, "source": "t", "licence": "MIT"},
    ]
    for name, lines in (("categories", rows), ("quality", quality), ("toxicity", toxic)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return folder


def written(tmp_path: Path, gathered: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    data = labelled(tmp_path / "data")
    (tmp_path / "gathered.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gathered))
    records.write(data, tmp_path / "gathered.jsonl", tmp_path / "out")
    names = ("train", "transfer", "away")
    return {n: [json.loads(line) for line in (tmp_path / "out" / f"{n}.jsonl").open()] for n in names}


def test_what_is_forbidden_is_only_ever_measured_on(tmp_path: Path) -> None:
    found = written(tmp_path, [])
    assert not [r for r in found["train"] + found["away"] if "nobody may copy" in r["text"]]
    assert [r["split"] for r in found["transfer"]] == ["test"]


def test_a_gathered_copy_of_a_held_out_text_is_left_out(tmp_path: Path) -> None:
    """Public sources hold the same texts as the labelled sets: trained on, they would make the test a lie."""
    copy = {
        "text": "A STORY  nobody may copy.",
        "lang": "en",
        "category": "book",
        "source": "g",
        "licence": "MIT",
    }
    new = {
        "text": "A text of the gathered kind.",
        "lang": "en",
        "category": "book",
        "source": "g",
        "licence": "MIT",
    }
    found = written(tmp_path, [copy, new])
    gathered = [r for r in found["train"] if r["source"] == "g" and "kind" not in r]
    assert [r["text"] for r in gathered] == [new["text"]]
    assert gathered[0]["split"] == "train"


def test_parts_share_no_text_and_made_texts_are_never_measured_on(tmp_path: Path) -> None:
    rows = written(tmp_path, [])["train"]
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["split"], set()).add(row["text"])
    assert all(parts[name] for name in ("train", "validation", "test"))
    assert not parts["train"] & parts["test"]
    assert {(r["source"], r["split"]) for r in rows if r["licence"] == "made here"} == {
        ("composed", "train"),
        ("own texts", "train"),
    }


def test_damaged_copies_stay_in_the_part_of_their_text(tmp_path: Path) -> None:
    """A damaged copy of a test text in training would show the test text."""
    rows = written(tmp_path, [])["train"]
    damaged = [r for r in rows if r.get("kind", "").startswith("damaged")]
    assert {"train", "test"} <= {r["split"] for r in damaged}
    assert all(r["quality"] == 0 and "category" not in r for r in damaged)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the folder that holds the labelled sets"):
        records.write(tmp_path, tmp_path / "none.jsonl", tmp_path / "out")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("fault", sorted(junk.FAULTS))
def test_each_fault_damages_and_is_repeatable(fault: str, lang: str) -> None:
    texts = {junk.FAULTS[fault](CLEAN[lang], lang, random.Random("a key")) for _ in range(2)}
    (broken,) = texts
    assert broken.strip()
    assert broken != CLEAN[lang]


def test_damage_takes_very_short_texts() -> None:
    for number in range(40):
        name, broken = junk.damage("好", "zh", str(number))
        assert name in junk.FAULTS
        assert isinstance(broken, str)


def test_composed_texts_are_filled_repeatable_and_varied() -> None:
    """An unfilled {blank} would be learnt as the mark of a class."""
    made = list(composed.compose())
    assert made == list(composed.compose())
    assert not [r for r in made if "{" in r["text"] or "}" in r["text"]]
    assert len({r["text"] for r in made}) > 0.8 * len(made)


def test_crops_are_pieces_of_the_text() -> None:
    for number in range(50):
        piece = records.crop(CLEAN["en"], random.Random(number), 100)
        assert 0 < len(piece) <= 100
        assert piece in CLEAN["en"]


def test_draw_is_the_same_whatever_the_order() -> None:
    texts = [f"text number {number}" for number in range(100)]
    assert sources.draw(texts, 10) == sources.draw(reversed(texts), 10)
    assert len(sources.draw([*texts, *texts], 1000)) == 100


def test_sources_read_a_clone(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "news").mkdir(parents=True)
    contents = "# 节目\n本期节目主要内容：\n\n1.【专题】我们的村庄修好了新路；\n\n（1）果园里的苹果熟了；\n"
    contents += "\n## 正文\n3.这里不算\n"
    (work / "news" / "1.md").write_text(contents, encoding="utf-8")
    git = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    assert list(readers.bulletin(Clone(work))) == ["我们的村庄修好了新路", "果园里的苹果熟了"]


def test_no_clone_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="git clone"):
        list(sources.gather(tmp_path))


def test_a_pickle_that_would_run_something_is_refused() -> None:
    import io
    import pickle

    with pytest.raises(pickle.UnpicklingError, match="not plain data"):
        readers._Plain(io.BytesIO(pickle.dumps(subprocess.run))).load()


def test_pages_are_put_together_of_training_texts_only_and_repeatably() -> None:
    """Prevents a held-out text from being learnt inside a thread, and a run from differing from the next."""
    about = {"lang": "en", "category": "forum_qa", "licence": "CC-BY-SA-4.0", "source": "x EWT answers"}
    known = [
        about | {"text": f"Why does kettle {n} whistle?\n\nIt boils.", "split": "train"} for n in range(40)
    ]
    known += [about | {"text": "A secret held out of all threads.", "split": "test"}]
    found = list(pages.compose(known, seed=3))
    assert len(found) == pages.THREADS
    assert found == list(pages.compose(known, seed=3))
    texts = [page["text"] for page in found]
    assert not any("secret" in text or "{" in text for text in texts)
    assert all("whistle" in text or "boils" in text for text in texts)
    assert len(set(texts)) > 0.95 * len(texts)


def test_articles_are_put_together_of_reports_alone() -> None:
    """Prevents headlines, and what is held out, from standing between a byline and its paper's words."""
    report = {"lang": "zh", "category": "news", "source": "x UD_Chinese-PUD", "split": "train"}
    known = [report | {"text": f"第{n}座桥今天通车。"} for n in range(40)]
    known += [
        report | {"text": "考试用的句子。", "split": "test"},
        report | {"text": "河边花开", "source": "y"},
    ]
    found = list(pages.compose(known, seed=3))
    assert len(found) == pages.ARTICLES
    assert all(records.may_train(page["licence"]) and page["category"] == "news" for page in found)
    texts = [page["text"] for page in found]
    assert all("座桥今天通车" in text for text in texts)
    assert not any(word in text for text in texts for word in ("考试", "花开", "{"))
    bare = sum(text.startswith("第") for text in texts)
    assert 0.25 < bare / len(texts) < 0.42


def test_documentation_is_read_as_a_river_reads_it(tmp_path: Path) -> None:
    """Prevents menus from being learnt, and what parse makes of a page from being new to a judge."""
    said = (
        "A boiler holds water that a fire turns into steam, and the steam drives the pump of the mill.",
        "Its safety valve opens when the pressure rises above two bar, and closes again at one and a half.",
        "Never tie the lever down: an engine whose valve cannot open has killed more people than any fire.",
        "Test it once a week by hand, with gloves, while the gauge shows less than half of what is allowed.",
        "A fusible plug is the last guard: it melts when the water is so low that its crown is dry.",
        "Write down every test with its date, the pressure at which the valve opened and who saw it.",
        "A feed pump that fails is the usual cause of that, so look at the glass before the gauge.",
        "Scale on the seat keeps a valve from closing; take it off with vinegar, not with a chisel.",
    )
    body = "".join(f"<p>{each}</p>" for each in said)
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/login'>Log in</a></li></ul></nav>"
    page = f"<html lang=en><body>{menu}<main><h1>Boilers</h1><h2>Valves</h2>{body}</main></body></html>"
    page += f"<!-- {'of the tool that made it ' * 40} -->"
    (tmp_path / "boilers.html").write_text(page)
    (tmp_path / "short.html").write_text("<p>too short</p>")
    (text,) = readers.pages(".html")(Clone(tmp_path))
    assert "a chisel" in text
    assert text.startswith("# Boilers\n")
    assert "Log in" not in text


def test_threads_of_a_treebank_keep_their_paragraphs(tmp_path: Path) -> None:
    """Prevents the posts of a thread from running into one."""
    lines = [
        "# newpar id = 1",
        "# text = Why does it leak?",
        "# text = It is new.",
        "# newpar id = 2",
        "# text = Rust.",
    ]
    folder = tmp_path / "not-to-release" / "sources" / "answers"
    folder.mkdir(parents=True)
    (folder / "a.conllu").write_text("\n".join(lines) + "\n# newpar id = 3\n# text = " + "Good. " * 80)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    (thread,) = readers.ewt("answers")(Clone(tmp_path))
    assert thread.splitlines()[:2] == ["Why does it leak? It is new.", "Rust."]


def cloned(folder: Path, files: dict[str, str]) -> Clone:
    """A clone with one commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    return Clone(folder)


def test_posts_and_talks_are_parted_and_their_words_closed_up(tmp_path: Path) -> None:
    """Prevents an answer from being learnt as a post, and blanks between words as the mark of a class."""
    long, short = ["今 天 的 晚 霞 真 是 好 看 极 了 大 家 快 看", "是 的"], ["早", "早", "吃 了 吗", "吃 了"]
    clone = cloned(tmp_path, {"data/toy_data.json": json.dumps({"train": [long, short, ["短"]]})})
    assert sources.draw(talks.exchanges(talks.post)(clone), 9) == ["今天的晚霞真是好看极了大家快看"]
    assert sources.draw(talks.exchanges(talks.talk)(clone), 9) == ["早\n早\n吃了吗\n吃了"]


def test_tales_begin_where_numbers_do(tmp_path: Path) -> None:
    """Prevents two tales from becoming one, and the mark of a missing word from meaning a book."""
    tale = "".join(f"{n} ||| 小 熊 在 XXXXX 林 里 走 了 很 久 很 久 才 找 到 家 {n}\n" for n in range(1, 12))
    with zipfile.ZipFile(tmp_path / "cft.zip", "w") as archive:
        archive.writestr("a/cft.test.human", tale + tale.replace("熊", "鹿") + "1 ||| 太 短\n")
    (tmp_path / "children_fairy_tale").mkdir()
    (tmp_path / "cft.zip").rename(tmp_path / "children_fairy_tale" / "cft.zip")
    found = list(talks.tales(cloned(tmp_path, {})))
    assert [text[:8] for text in found] == ["小熊在林里走了很", "小鹿在林里走了很"]


def test_a_channel_without_its_frame(tmp_path: Path) -> None:
    """Prevents a judge from knowing chat by its times and names only."""
    lines = [f"[10:0{n}] <ann> is it warm, {n}?" for n in range(6)] + ["=== bob has joined #x"]
    (block,) = talks.bare(lambda _: iter(["\n".join(lines), "[10:00] <ann> alone"]))(Clone(tmp_path))
    assert block.splitlines() == [f"is it warm, {n}?" for n in range(6)]


def test_a_feed_gives_each_article_once_and_no_agencys(tmp_path: Path) -> None:
    """Prevents an article that stands in a feed for days from being many, and an agency's from being one."""

    def day(*articles: tuple[str, str, str]) -> str:
        named = [dict(zip(("source", "link", "content"), each, strict=True)) for each in articles]
        return json.dumps({"articles": [each | {"title": "题\r\n副题"} for each in named]})

    ours, longer = ("voa", "/1", "早报。" * 40), ("voa", "/2", "晚报。" * 200)
    clone = cloned(tmp_path, {"daily-news.json": day(ours, ("un", "/3", "公报。" * 40))})
    cloned(tmp_path, {"daily-news.json": day(ours, longer, ("voa", "/4", "电。" * 40 + "（美联社）"))})
    found = list(talks.articles("voa")(clone))
    assert [(text[:5], text.count("报。")) for text in found] == [
        ("题\n\n早报", 40),
        ("题\n\n晚报", 140),
        ("晚报。晚报", 140),
    ]


def test_own_articles_are_taught_more_than_once() -> None:
    """Prevents a recipe that says so and a file in which each stands once."""
    article = {
        "text": "桥上的灯亮了。" * 9,
        "lang": "zh",
        "source": "own texts",
        "quality": 1.0,
        "split": "train",
    }
    rows = list(records.finished([article | {"category": "news", "added": True, "times": 3}]))
    assert [row["text"] for row in rows if row["category"]] == [article["text"]] * 3
