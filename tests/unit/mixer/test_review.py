"""Doubts about a recipe: each is told where it is there, and none about the presets."""

from __future__ import annotations

import pytest

from services.mixer import presets
from services.mixer.recipe import Recipe
from services.mixer.review import review

CODE, ZH, EN = 'format == "code"', 'language == "zh"', 'language == "en"'


def doubts(buckets, weights=None, tokens=None):
    phase = {"name": "only", "weights": weights or dict.fromkeys(buckets, 1), "tokens": tokens}
    return review(Recipe.model_validate({"buckets": buckets, "phases": [phase]}))


@pytest.mark.parametrize("name", presets.names())
def test_the_presets_raise_no_doubt(name):
    assert review(Recipe.load(name)) == []


def test_buckets_that_are_never_fed():
    assert doubts({"code": CODE, "zh": ZH}, {"zh": 1}) == [
        "bucket code has no weight in any phase: its documents wait in their pool and are never fed"
    ]
    [told] = doubts({"code": CODE, "zh": ZH}, {"zh": 1, "code": 0})
    assert told.startswith("bucket code has the weight 0 wherever it is named")


def test_a_phase_that_a_document_fills():
    [told] = doubts({"zh": ZH}, tokens=999)
    assert told.startswith("phase only ends after 999 tokens")
    assert doubts({"zh": ZH}, tokens=1000) == []


@pytest.mark.parametrize(
    ("buckets", "hidden", "by"),
    [
        ({"all": "true", "zh": ZH}, "zh", "all"),
        ({"zh": ZH, "best": f"{ZH} && rank > 0.9"}, "best", "zh"),
        ({"good": "rank >= 0.5", "best": "rank >= 0.9"}, "best", "good"),
        ({"long": "num_tokens > 10", "longer": "num_tokens > 100"}, "longer", "long"),
        ({"zh": ZH, "en": EN, "both": f"{ZH} || {EN}"}, "both", "en, zh"),
        ({"math": "features.math > 0.5", "maths": "features['math'] > 0.8"}, "maths", "math"),
        ({"most": "luck < 0.6", "few": "luck < 0.4"}, "few", "most"),
        ({"any": 'metadata.exists(k, k == "url")', "x": 'metadata.url == "x"'}, "x", "any"),
    ],
)
def test_a_bucket_behind_one_that_takes_all_of_it(buckets, hidden, by):
    [told] = doubts(buckets)
    assert told.startswith(f"bucket {hidden} is hidden")
    assert f"goes to {by}, which" in told
    assert doubts(dict(reversed(buckets.items()))) == [] or hidden == "both"


@pytest.mark.parametrize(
    "buckets",
    [
        {"code": CODE, "zh": ZH, "en": EN},
        {"best": "rank > 0.9", "good": "rank > 0.5", "rest": "true"},
        {"zh": ZH, "unknown": 'text.contains("never") && language == "zh"'},
        {"tenth": "luck < 0.1", "rest": "luck >= 0.1"},
        {"web": 'source.startsWith("https")', "maths": 'category == "math"'},
    ],
)
def test_no_doubt_where_a_bucket_has_documents_of_its_own_or_nothing_can_be_told(buckets):
    assert doubts(buckets) == []


@pytest.mark.parametrize("feature", ["features.cluster_size", "features['dedup_similarity']"])
def test_a_bucket_that_asks_for_what_is_not_known_yet(feature):
    """Its documents would all go to the next bucket, without a word."""
    [told] = doubts({"small": f"has(features.x) && {feature} < 4.0", "rest": "true"})
    assert told.startswith("bucket small asks for features.")
    assert told.endswith("ask for it in a phase's `where`")


def test_many_values_are_sampled():
    """A recipe of twenty sources must not cost the product of all its values."""
    buckets = {f"b{n}": f'source == "s{n}" && category == "c{n}" && language == "l{n}"' for n in range(30)}
    assert doubts(buckets | {"rest": "true"}) == []
