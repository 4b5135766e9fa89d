"""Extension on real texts, where they are at hand: what it gains on a zh domain, and costs elsewhere."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from services.tokenizer import Vocabulary
from services.tokenizer.extend import Extension, extend
from services.tokenizer.report import ALL, LANGUAGE, Report
from tests.benchmarks.figures import SHARED

TEXTS = SHARED / "data" / "text" / "categories.jsonl.gz"
GPT2 = SHARED / "data" / "vocab" / "huggingface_gpt2_vocab.txt"
pytestmark = pytest.mark.skipif(not (TEXTS.exists() and GPT2.exists()), reason=f"{TEXTS} is not here")

DOMAIN = ("zh", "tech_doc")
NUM_TOKENS = 8192
HELD_OUT = 5  # every fifth text of the domain is only measured


def gpt2() -> Vocabulary:
    names = GPT2.read_text(encoding="utf-8").splitlines()
    lines = GPT2.with_name("huggingface_gpt2_merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    vocabulary = {name: index for index, name in enumerate(names)}
    merges = [(left, right) for left, right in (line.split(" ") for line in lines if line)]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return Vocabulary(tokenizer.to_str().encode(), "</s>")


@pytest.fixture(scope="module")
def texts() -> dict[tuple[str, str], list[str]]:
    """By language and category."""
    found = defaultdict(list)
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            found[record["lang"], record["category"]].append(record["text"])
    return dict(found)


@pytest.fixture(scope="module")
def extension(texts: dict[tuple[str, str], list[str]]) -> Extension:
    learned = [text for number, text in enumerate(texts[DOMAIN]) if number % HELD_OUT]
    return extend(gpt2(), learned, NUM_TOKENS)


@pytest.fixture(scope="module")
def report(texts: dict[tuple[str, str], list[str]], extension: Extension) -> Report:
    made = Report([extension.of, extension.vocabulary])
    for text in texts[DOMAIN][::HELD_OUT]:
        made.add(text, "zh", "held out")
    for (language, category), others in texts.items():
        if language != "zh":
            for text in others:
                made.add(text, language, category)
    return made


def test_domain_takes_a_third_fewer_tokens_and_the_rest_no_more(report: Report) -> None:
    """An extension that learned its texts by heart, or that changes how English and code are cut."""
    change = {row.name: row.change for row in report.rows() if row.kind == LANGUAGE}
    assert set(change) == {"zh", "en", "code"}
    assert change["zh"] is not None
    assert change["zh"] <= -0.3
    for language in ("en", "code"):
        assert change[language] is not None
        assert -0.2 < (change[language] or 0) <= 0.01


def test_every_text_comes_back(report: Report) -> None:
    assert report.broken == [0, 0]
    assert next(row for row in report.rows() if row.kind == ALL).documents > 5000


def test_new_tokens_are_used(report: Report) -> None:
    """Tokens that stand for one page of the texts they were learned on."""
    use = report.new_use()
    assert use is not None
    assert use.of == NUM_TOKENS
    assert use.unused_share < 0.5
