from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trainer.bert import data
from trainer.bert.errors import JudgeError
from trainer.bert.recipe import HeadConfig, SplitConfig

HEADS = {
    "topic": HeadConfig("classes", labels=("sea", "star")),
    "worth": HeadConfig("score", field="mark", values={"good": 4}, low=0, high=5),
}


def read(path: Path, **split: Any) -> list[data.Example]:
    return data.read([path], HEADS, SplitConfig(**split))


def line(**fields: Any) -> str:
    return json.dumps({"text": "a gull over the harbour", **fields}) + "\n"


def test_labels_are_read_as_the_heads_say(tmp_path: Path) -> None:
    """Prevents a label in another field, scale or form from teaching something else."""
    path = tmp_path / "in.jsonl"
    path.write_text(
        line(topic="sea", mark=5)
        + "\n"
        + line(topic={"sea": 3, "star": 1}, mark=None, lang="en", source="s", licence="l")
        + line(mark="good")
    )
    first, second, third = read(path)
    assert first.labels == {"topic": {"sea": 1.0}, "worth": 1.0}
    assert second.labels == {"topic": {"sea": 0.75, "star": 0.25}}
    assert (second.lang, second.source, second.licence) == ("en", "s", "l")
    assert third.labels == {"worth": 0.8}
    assert third.lang == "und"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "in.jsonl:2: not JSON"),
        ("[1]", "in.jsonl:2: a record is an object"),
        ('{"topic": "sea"}', 'in.jsonl:2: the field "text"'),
        ('{"text": "  ", "topic": "sea"}', 'in.jsonl:2: the field "text"'),
        (line(), "in.jsonl:2: no label: a record has at least one of the fields topic, mark"),
        (line(topic="moon"), "in.jsonl:2: topic: moon is not in the recipe's labels"),
        (line(topic=["sea"]), "in.jsonl:2: topic: a class is a name"),
        (line(topic={"sea": "much"}), "in.jsonl:2: topic: probabilities"),
        (line(topic={"sea": 0}), "in.jsonl:2: topic: probabilities"),
        (line(mark=6), "in.jsonl:2: mark: a score is a number in 0"),
        (line(mark=True), "in.jsonl:2: mark: a score is a number"),
        (line(mark="fine"), "in.jsonl:2: mark: 'fine' is not a number, and the recipe's `values` lists good"),
        (line(mark=1).replace("1}", "NaN}"), "in.jsonl:2: mark: a score is a number"),
        (line(topic="sea", split="tset"), "in.jsonl:2: split is 'tset'; it may be train, test, validation"),
    ],
)
def test_a_bad_record_is_named_with_its_line(tmp_path: Path, content: str, says: str) -> None:
    """Prevents a search through a million lines for the one that is wrong."""
    path = tmp_path / "in.jsonl"
    path.write_text(line(topic="sea") + content)
    with pytest.raises(JudgeError) as caught:
        read(path)
    assert says in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Prevents training on what was readable of a broken file."""
    whole = gzip.compress((line(topic="sea") * 5000).encode())
    cut, empty, latin = tmp_path / "cut.jsonl.gz", tmp_path / "empty.jsonl", tmp_path / "latin.jsonl"
    cut.write_bytes(whole[: len(whole) // 2])
    empty.write_text("\n")
    latin.write_bytes('{"text": "café"}'.encode("latin-1"))
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole[:20] + bytes(20) + whole[40:])
    for path, says in (
        (cut, "cannot be read after line"),
        (empty, "holds no record"),
        (latin, "cannot be read"),
        (broken, "cannot be read"),
        (tmp_path / "none.jsonl", "No such file"),
    ):
        with pytest.raises(JudgeError, match=says):
            read(path)
    with pytest.raises(JudgeError, match="no data"):
        data.read([], HEADS, SplitConfig())


def test_packed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress((line(topic="sea") + line(topic="star")).encode()))
    assert [list(example.labels["topic"]) for example in read(path)] == [["sea"], ["star"]]


def test_the_split_is_the_same_everywhere_and_keeps_copies_together(tmp_path: Path) -> None:
    """Prevents a held-out text from having been learnt in another spelling or from another file."""
    split = SplitConfig(validation=0.2, test=0.1)
    parts = Counter(data.part_of(f"text {number}", split) for number in range(5000))
    assert abs(parts["test"] / 5000 - 0.1) < 0.02
    assert abs(parts["validation"] / 5000 - 0.2) < 0.02
    # Fixed: another hash would shuffle every user's held-out part.
    known = ["train", "test", "validation", "validation", "train", "train"]
    assert [data.part_of(f"text {number}", SplitConfig()) for number in range(6)] == known
    for number in range(200):
        assert data.part_of(f"Text {number}\n", split) == data.part_of(f"text  {number}", split)


def test_groups_and_named_parts_go_together(tmp_path: Path) -> None:
    """Prevents two pages of one site from standing on both sides of the split."""
    path = tmp_path / "in.jsonl"
    rows = [{"text": f"text {n}", "topic": "sea", "site": f"site {n % 20}"} for n in range(400)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = read(path, validation=0.4, test=0.2, group="site")
    by_site = {(row["site"], example.part) for row, example in zip(rows, examples, strict=True)}
    assert len(by_site) == 20
    assert len({example.part for example in examples}) == 3
    path.write_text("".join(line(topic="sea", split=name) for name in ("train", "dev", "valid", "test")))
    assert [example.part for example in read(path)] == ["train", "validation", "validation", "test"]


def test_classes_come_from_the_data_or_are_checked_against_it(tmp_path: Path) -> None:
    """Prevents an output whose columns depend on the order of the records."""
    path = tmp_path / "in.jsonl"
    path.write_text(line(topic="star") + line(topic="sea") + line(topic="star"))
    examples = read(path)
    assert data.labels_of("topic", HeadConfig("classes"), examples) == ("sea", "star")
    assert data.labels_of("topic", HeadConfig("classes", labels=("star", "sea")), examples) == ("star", "sea")
    with pytest.raises(JudgeError, match="does not list: star"):
        data.labels_of("topic", HeadConfig("classes", labels=("moon", "sea")), examples)
    with pytest.raises(JudgeError, match="no record has the field 'genre'"):
        data.labels_of("x", HeadConfig("classes", field="genre"), examples)
    with pytest.raises(JudgeError, match="at least two classes"):
        data.labels_of("topic", HeadConfig("classes"), examples[:1])


def test_a_lone_surrogate_does_not_break_the_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "gull \\ud800 tide", "topic": "sea"}\n')
    assert read(path)[0].text == "gull ? tide"
