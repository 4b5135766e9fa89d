"""The router: the first bucket whose test holds, and a reason where none does."""

from __future__ import annotations

import pytest

from contracts import Document
from services.mixer.condition import FIELDS, Condition
from services.mixer.recipe import Recipe
from services.mixer.router import ROUTER
from services.mixer.task import MIXER
from services.runtime import Drop, Emit, Reject, Resources, Settings, VocabularyCard, configure


def judge(tmp_path, buckets):
    path = tmp_path / "recipe.yaml"
    lines = "\n".join(f"  {name}: '{test}'" for name, test in buckets.items())
    first = next(iter(buckets))
    path.write_text(f"buckets:\n{lines}\nphases: [{{name: only, weights: {{{first}: 1}}}}]\n")
    return ROUTER.build(ROUTER.config(tokens=False), Resources(Settings(recipe=path)))


def test_the_default_recipe_puts_code_before_its_language():
    """Code with English comments would otherwise count as English."""
    route = ROUTER.build(ROUTER.config(tokens=False), Resources(Settings()))
    documents = [
        Document(language="en", format="code"),
        Document(language="zh", format="markdown"),
        Document(language="en", format="prose"),
        Document(language="de", format="prose"),
        Document(),
    ]
    verdicts = route(documents)
    assert [v.document.bucket for v in verdicts[:3]] == ["code", "zh", "en"]
    assert verdicts[3] == Drop("no_bucket", detail="language de, format prose")
    assert verdicts[4] == Drop("no_bucket", detail="language not set, format not set")
    assert {v.reason for v in verdicts[3:]} == ROUTER.drop_reasons


def test_tests_may_ask_for_features_rank_and_metadata(tmp_path):
    route = judge(
        tmp_path,
        {
            "math": 'features.math > 0.5 || category == "math"',
            "best": "rank >= 0.9",
            "licensed": 'metadata.exists(key, key == "licence")',
            "long": "num_tokens > 1000 && size(text) > 3",
        },
    )
    documents = [
        Document(features={"math": 0.7}),
        Document(category="math"),
        Document(features={"other": 1}, rank=0.95),
        Document(rank=0.5, metadata={"licence": "CC0"}),
        Document(num_tokens=1001, text="四个字的"),
    ]
    assert [v.document.bucket for v in route(documents)] == ["math", "math", "best", "licensed", "long"]


def test_an_answer_that_is_remembered_is_that_of_the_same_values(monkeypatch):
    """Prevents a bucket that depends on the document that came before."""
    monkeypatch.setattr("services.mixer.condition._MOST", 3)
    condition = Condition('language == "en" && (format != "code" || category == "en")')
    values = ("en", "code", "")
    asked = [Document(language=a, format=b, category=c) for a in values for b in values for c in values]
    told = [(one.language == "en" and (one.format != "code" or one.category == "en")) for one in asked]
    for _ in range(2):
        assert [condition.holds(one) for one in asked] == told
    assert not Condition("num_tokens > 5").holds(Document(num_tokens=5))
    assert Condition("num_tokens > 5").holds(Document(num_tokens=6))


def test_a_test_that_cannot_be_answered_does_not_hold_and_the_drop_says_so(tmp_path):
    """A missing feature must neither crash the batch nor vanish: the drop names the bucket and the cause."""
    route = judge(tmp_path, {"math": "features.math > 0.5", "best": "rank > 0.5"})
    [verdict] = route([Document(language="en", format="prose")])
    assert isinstance(verdict, Drop)
    assert "math: `features.math > 0.5` cannot be answered" in verdict.detail
    assert "best: `rank > 0.5` cannot be answered" in verdict.detail
    assert isinstance(route([Document(rank=0.6)])[0], Emit)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_that_the_error_message_offers_can_be_read(field):
    assert Condition(f"{field} == {field}").holds(Document(score=1.0, rank=1.0))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('has(features.x) && features["x"] == 2.0', True),
        ("has(features.y) || features.x > 3.0", False),
        ('features["a.b"] + features.x == 3.0', True),
        ("size(features) == 2 && features.x == 2.0", True),
        ('features.exists(k, k == "a.b")', True),
        ('"x" in features && !("y" in features)', True),
        ('features["a." + "b"] == 1.0', True),
        ('metadata.url == "features.x" && has(metadata.url)', True),
    ],
)
def test_a_map_is_read_as_far_as_it_is_asked(expression, holds):
    """Only the keys that are named, and all of it where that is not all that is asked."""
    document = Document(features={"x": 2.0, "a.b": 1.0}, metadata={"url": "features.x"})
    assert Condition(expression).holds(document) is holds


def tokens(*ids):
    return b"".join(index.to_bytes(4, "little") for index in ids)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "no_tokens"),
        (
            {"token_ids": tokens(1, 2), "num_tokens": 3, "tokenizer": "ab"},
            "8 bytes of token ids for 3 tokens",
        ),
        ({"token_ids": tokens(1, 2), "num_tokens": 2}, "no_vocabulary"),
        ({"token_ids": tokens(1, 9), "num_tokens": 2, "tokenizer": "ab"}, "token 9; vocabulary ab has 9"),
    ],
)
def test_what_no_part_can_hold_is_refused_before_dedup(tmp_path, fields, told):
    """Behind dedup it would have cost its near-duplicates their place."""
    resources = Resources(Settings(store_url=f"file://{tmp_path}"))
    VocabularyCard("ab", 9, 0, "<end>").keep(resources.store, b"")
    route = ROUTER.build(ROUTER.config(), resources)
    good = Document(language="en", token_ids=tokens(1, 8), num_tokens=2, tokenizer="ab")
    verdicts = route([Document(language="en", **fields), good])
    assert isinstance(verdicts[0], Reject)
    assert told in verdicts[0].error
    assert verdicts[1] == Emit(good)


def test_apply_routes_texts_that_have_no_tokens():
    """`corpusworks apply router` is asked for a bucket, not for a part."""
    assert not configure("router", ROUTER.config, ROUTER.offline).tokens


def test_router_and_mixer_must_have_one_recipe(tmp_path):
    """A router of one recipe fills a pool that a mixer of another does not read."""
    (tmp_path / "recipe.yaml").write_text('buckets: {a: "true"}\nphases: [{name: only, weights: {a: 1}}]\n')
    told = [
        {tuple(unit.agrees(unit.config(), Settings(recipe=path)).items()) for unit in (ROUTER, MIXER)}
        for path in (None, tmp_path / "recipe.yaml")
    ]
    assert [len(values) for values in told] == [1, 1]
    assert told[0] != told[1]
    assert dict(*told[0])["recipe"] == Recipe.load().text
