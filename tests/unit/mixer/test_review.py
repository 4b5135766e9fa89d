"""Doubts about a recipe: each is told where it is there, and none about the presets."""

from __future__ import annotations

import json

import pytest

from services.dedup.provenance import provenance
from services.mixer import presets
from services.mixer.change import check
from services.mixer.pooled import METADATA
from services.mixer.recipe import Recipe
from services.mixer.review import review
from services.runtime import ConfigurationError

CODE, ZH, EN = 'format == "code"', 'language == "zh"', 'language == "en"'


def doubts(buckets, weights=None, tokens=None):
    phase = {"name": "only", "weights": weights or dict.fromkeys(buckets, 1), "tokens": tokens}
    return review(Recipe.model_validate({"buckets": buckets, "phases": [phase]}))


@pytest.mark.parametrize("name", presets.names())
def test_the_presets_raise_no_doubt(name):
    assert review(Recipe.load(name)) == []


def doubts_of_phases(*phases, **more):
    named = [{"name": f"p{n}", "weights": {"zh": 1, "code": 1}} | phase for n, phase in enumerate(phases)]
    for phase in named[:-1]:
        phase.setdefault("tokens", 10_000)
    return review(Recipe.model_validate({"buckets": {"code": CODE, "zh": ZH}, "phases": named} | more))


@pytest.mark.parametrize(
    ("where", "met"),
    [
        (EN, False),
        ('format == "code"', False),
        ('language == "zh" && rank > 1.0 && rank < 0.5', False),
        ("rank >= 0.5", True),
        ("rank >= 2.0", True),  # that a rank ends at 1 is not known here
        ('category == "math" || rank > 0.9', True),
        ('metadata.thread == "7"', True),
        ("features.fertility > 2.0", True),
        ('source.startsWith("s3://")', True),
    ],
)
def test_a_where_that_no_document_of_its_bucket_meets(where, met):
    told = doubts_of_phases({"where": {"zh": where}})
    assert (told == []) is met or "no trial document that goes to zh" in told[0]
    assert len(told) == (0 if met else 1)


def test_a_where_for_metadata_that_pools_do_not_hold():
    """It would be true of nothing, and nobody would be told."""
    asked = 'metadata["licence"] == "CC0" && metadata.shelf == "3"'
    recipe = {"buckets": {"zh": "true"}, "phases": [{"name": "p", "weights": {"zh": 1}, "where": asked}]}
    with pytest.raises(ConfigurationError, match=r"asks for metadata\.shelf, which the pools do not hold"):
        Recipe.load(json.dumps(recipe))
    recipe["buckets"], recipe["phases"][0]["where"] = {"zh": asked}, 'metadata.title == "x"'
    assert Recipe.load(json.dumps(recipe)).phases, "the router has all of a document"
    named = dict.fromkeys((*METADATA, "license", "customer", "shelf", "text"), "x")
    assert set(provenance(named)) == METADATA


@pytest.mark.parametrize("asked", ["size(text) > 9", 'metadata["shelf"] == "3"'])
def test_a_change_by_what_pools_do_not_hold_is_refused_unless_it_stands_behind(asked):
    """Sorted anew, all that waits would go where it does not belong."""

    def made(**buckets):
        return Recipe.model_validate({"buckets": buckets, "phases": [{"name": "p", "weights": {"zh": 1}}]})

    former = made(zh="true")
    check(former, made(zh="true", new=asked))
    check(former, made(new='language == "fr"', zh="true"))
    with pytest.raises(ConfigurationError, match="documents that wait in zh would have to be sorted anew"):
        check(former, made(new=asked, zh="true"))


def test_what_is_said_of_a_bucket_that_is_not_taken_from():
    [told] = doubts_of_phases({"weights": {"zh": 1}, "max_uses": {"code": 4}}, {})
    assert told.startswith("phase p0 says max_uses of code and gives no weight")
    [told] = doubts_of_phases({"weights": {"zh": 1, "code": 0}, "where": {"code": "rank > 0.5"}}, {})
    assert told.startswith("phase p0 says where of code and gives no weight")
    assert (
        doubts_of_phases({"weights": {"zh": 1}, "max_uses": 4, "where": "rank > 0.5"}, {"max_uses": 4}) == []
    )


def test_fewer_uses_than_before():
    [told] = doubts_of_phases({"max_uses": {"zh": 2}}, {})
    assert told.startswith("phase p1 allows 1 uses of zh and one before it 2")
    assert doubts_of_phases({}, {"max_uses": 2}) == []
    assert doubts_of_phases({"max_uses": 4}, {"max_uses": 4}) == []


def test_spacing_that_cannot_be_kept_by_looking_so_few_documents_ahead():
    [told] = doubts_of_phases({}, spacing=1 << 24)
    assert "spacing 16,777,216 is some 8,389 documents of" in told
    assert "where more than 3.1% of them" in told
    assert doubts_of_phases({}, spacing=1 << 20) == []


def test_a_limit_below_one_document():
    [told] = doubts_of_phases({}, limits={"host": 0.0005})
    assert told.startswith("limits.host 0.0005 of a window of 1,048,576 tokens is less than one document")
    assert doubts_of_phases({}, limits={"host": 0.01, "source": 0.5}) == []


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
