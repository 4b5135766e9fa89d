"""Small labelled texts in two languages, and a tiny model trained on them once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = {
    ("sea", "en"): ["harbour", "tide", "anchor", "gull", "sail", "rope", "keel", "wave", "pilot"],
    ("sea", "zh"): ["海港", "潮水", "铁锚", "海鸥", "风帆", "缆绳", "波浪", "水手", "甲板"],
    ("kitchen", "en"): ["butter", "oven", "flour", "onion", "spoon", "simmer", "pepper", "kettle", "dough"],
    ("kitchen", "zh"): ["黄油", "烤箱", "面粉", "洋葱", "汤勺", "慢炖", "胡椒", "水壶", "面团"],
    ("star", "en"): ["comet", "orbit", "lens", "planet", "dust", "eclipse", "nebula", "mirror", "moon"],
    ("star", "zh"): ["彗星", "轨道", "镜头", "行星", "尘埃", "日食", "星云", "镜子", "月亮"],
}
HEADS = {"topic": {"kind": "classes"}, "worth": {"kind": "score", "values": {"good": 1, "bad": 0}}}
TINY = {
    "heads": HEADS,
    "encoder": {"layers": 1, "width": 32, "heads": 2, "inner": 64, "vocabulary": 400, "every": 2},
    "max_length": 32,
    "fit": {"epochs": 4, "learning_rate": 3e-3, "batch_size": 16},
}


def made_records(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Records whose topic shows in the words, and whose worth in whether they repeat themselves."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        topic, lang = list(WORDS)[number % len(WORDS)]
        words = draw.choices(WORDS[topic, lang], k=draw.randint(6, 20))
        good = draw.random() < 0.5
        if not good:
            words = ["!!!", *words[:3], "$$$", "!!!"]
        text = (" " if lang == "en" else "，").join(words) + f" {number}"
        record = {"text": text, "lang": lang, "source": f"{topic}-{lang}", "licence": "made here"}
        if number % 5:
            record["topic"] = topic
        if number % 3 or not number % 5:
            record["worth"] = "good" if good else "bad"
        found.append(record)
    return found


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost a tiny model a hundred times what it computes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
        return path

    return write_jsonl


@pytest.fixture(scope="session")
def records() -> Callable[..., list[dict[str, Any]]]:
    return made_records


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    return TINY


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, write: Callable[..., Path]) -> Path:
    return write(tmp_path_factory.mktemp("data") / "data.jsonl", made_records(480))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """OUT of a run. Read only."""
    from trainer.bert.recipe import Recipe
    from trainer.bert.train import train

    out = tmp_path_factory.mktemp("run")
    train(Recipe.of(TINY), [data], out, device="cpu", log=lambda _: None)
    return out
