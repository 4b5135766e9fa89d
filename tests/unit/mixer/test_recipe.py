"""The recipe: closed schema, errors that say where and what was meant, presets, and the digest of the mix."""

from __future__ import annotations

import pytest

from contracts import Document
from services.dedup.handed_on import split
from services.mixer import presets, router
from services.mixer.phase import Terms
from services.mixer.readings import meets
from services.mixer.recipe import Recipe, agrees, bucket_names
from services.runtime import ConfigurationError, Settings, load_settings

GOOD = """
buckets:
  code: format == "code"
  zh: language == "zh"
phases:
  - {name: stable, weights: {zh: 4, code: 2}, tokens: 1000}
  - {name: anneal, weights: {zh: 1}}
starvation: relax
relax_after_s: 5
"""


def load(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return Recipe.load(path)


def test_the_default_recipe_is_zh_en_code_in_4_4_2():
    recipe = Recipe.load()
    assert recipe.phases[0].shares == {"zh": 0.4, "en": 0.4, "code": 0.2}
    assert recipe.starvation == "wait"
    assert bucket_names() == tuple(recipe.buckets) == ("sft", "code", "zh", "en")


@pytest.mark.parametrize("name", ["zh-en-code-442", "en-heavy"])
def test_a_preset_of_two_phases_anneals_over_a_tenth_with_more_code_and_what_was_used_before(name):
    recipe = Recipe.load(name)
    stable, anneal = recipe.phases
    assert anneal.tokens == (stable.tokens + anneal.tokens) / 10
    assert anneal.shares["code"] > stable.shares["code"]
    assert (recipe.terms(stable, "zh"), recipe.terms(anneal, "code").max_uses) == (Terms("", 1), 2)


CHAT = {"template": "chat.3", "thread": "7"}


@pytest.mark.parametrize(
    ("name", "document", "bucket"),
    [
        ("zh-en-code-442", Document(language="zh", category="math"), "zh"),
        ("zh-en-code-442", Document(language="en", format="code"), "code"),
        ("zh-en-code-442", Document(language="en", format="code", metadata=CHAT), "sft"),
        ("zh-en-code-442", Document(language="en", metadata={"template": "landing page"}), "en"),
        ("zh-en-code-442", Document(language="en", metadata={"thread": "7"}), "en"),
        ("domain-continued", Document(language="zh", metadata=CHAT), "service"),
        ("domain-continued", Document(language="zh", metadata={"customer_id": "7"}), "service"),
        ("domain-continued", Document(language="zh", source="file:///a/domain/manual.pdf"), "domain"),
        ("domain-continued", Document(language="zh", source="file:///a/web.jsonl#3"), "zh"),
        ("domain-continued", Document(language="fr"), ""),
    ],
)
def test_presets_put_documents_where_they_belong_and_pools_are_sorted_alike(name, document, bucket):
    """Prevents a re-sorted pool, which knows less of its documents, from moving them elsewhere."""
    document.id = document.text = "x"
    router.choose(document, router.tests(Recipe.load(name)))
    assert document.bucket == bucket
    pooled, _ = split(document)
    router.choose(pooled, router.tests(Recipe.load(name)))
    assert pooled.bucket == bucket


def test_the_anneal_takes_the_better_documents_and_most_of_mathematics():
    recipe = Recipe.load()
    where = recipe.terms(recipe.phases[1], "en").where
    taken = [(0.9, "news"), (0.3, "math")]
    left = [(0.7, "news"), (0.1, "math"), (None, "math")]
    assert all(meets(where, Document(rank=rank, category=category)) for rank, category in taken)
    assert not any(meets(where, Document(rank=rank, category=category)) for rank, category in left)


def test_bucket_names_of_a_file_are_those_of_its_recipe(tmp_path):
    """The topology's topics would otherwise differ from those that the mixer reads."""
    recipe = load(tmp_path, GOOD)
    assert bucket_names(tmp_path / "recipe.yaml") == tuple(recipe.buckets) == ("code", "zh")


# What is changed in GOOD, the line and the key that the error names, and what it says.
FAULTS = [
    (
        "starvation:",
        "starvaton:",
        8,
        "starvaton",
        "no such key; did you mean starvation? (there are: buckets",
    ),
    ("weights: {zh: 4", "weigths: {zh: 4", 6, "phases.0.weigths", "no such key; did you mean weights?"),
    ("weights: {zh: 4", "weigths: {zh: 4", 6, "phases.0.weights", "is missing"),
    ("zh: 4,", "zh: 4, fr: 1,", 6, "phases.0.weights.fr", "no such bucket (there are: code, zh)"),
    ("zh: 4, code", "zh: 4, cod", 6, "phases.0.weights.cod", "no such bucket; did you mean code?"),
    ("zh: 4, code", "zh: 4, CODE", 6, "phases.0.weights.CODE", "no such bucket; did you mean code?"),
    ("zh: 4,", "zh: -4,", 6, "phases.0.weights.zh", "greater than or equal to 0, and is -4"),
    ("zh: 4,", "zh: '4',", 6, "phases.0.weights.zh", "should be a valid number, and is '4'"),
    ("zh: 4,", "zh: true,", 6, "phases.0.weights.zh", "should be a valid number, and is True"),
    ("zh: 4,", "zh: .nan,", 6, "phases.0.weights.zh", "finite number"),
    ("zh: 4,", "zh: .inf,", 6, "phases.0.weights.zh", "and is inf"),
    ("zh: 4,", f"zh: {10**400},", 6, "phases.0.weights.zh", "larger than any corpus"),
    ("zh: 4,", f"zh: 0x{'f' * 9000},", 6, "phases.0.weights.zh", "larger than any corpus"),
    ("zh: 4, code: 2", "zh: 0, code: 0", 6, "phases.0.weights", "every bucket has the weight 0"),
    ("weights: {zh: 1}", "weights: {}", 7, "phases.1.weights", "every bucket has the weight 0"),
    (
        "weights: {zh: 1}",
        "weights: [zh]",
        7,
        "phases.1.weights",
        "should be a mapping, and is a list",
    ),
    ("name: anneal", "name: stable", 7, "phases.1.name", "stable is phase 0 already"),
    ("name: anneal", "name: 'An neal'", 7, "phases.1.name", "and is 'An neal'"),
    ("  zh: language", "  ZH: language", 4, "buckets.ZH", "a-z, 0-9, _ and -"),
    ("  zh: language", "  中文: language", 4, "buckets.中文", "a-z, 0-9, _ and -"),
    ("  zh: language", "  no: language", 4, "buckets.no", "is no word to YAML, which wants it in quotes"),
    ("starvation:", "1: 2\nstarvation:", 8, "1", "is no word to YAML, which wants it in quotes"),
    ("  zh: language", "  code: language", 4, "buckets.code", "is there twice, first in line 3"),
    ("name: stable, ", "name: stable, name: other, ", 6, "phases.0.name", "is there twice, first in line 6"),
    ("tokens: 1000", "tokens: 0", 6, "phases.0.tokens", "greater than or equal to 1, and is 0"),
    ("tokens: 1000", "tokens: 1.5", 6, "phases.0.tokens", "and is 1.5"),
    ("tokens: 1000", "tokens: true", 6, "phases.0.tokens", "should be a number, and is True"),
    ("tokens: 1000", "tokens: 1e9", 6, "phases.0.tokens", "write 1.0e+9 or 1_000_000_000"),
    ("tokens: 1000", f"tokens: {10**30}", 6, "phases.0.tokens", "larger than any corpus"),
    (", tokens: 1000", "", 6, "phases.0.tokens", "only the last phase may do without"),
    ("relax_after_s: 5", "relax_after_s: -5", 9, "relax_after_s", "and is -5"),
    ("relax_after_s: 5", "relax_after_s: soon", 9, "relax_after_s", "and is 'soon'"),
    ("relax", "sometimes", 8, "starvation", "'wait', 'relax' or 'reuse', and is 'sometimes'"),
    ('format == "code"', 'format == "code', 3, "buckets.code", '`format == "code` is no CEL: at letter 11'),
    ('format == "code"', 'format = "code"', 3, "buckets.code", "(equal is ==)"),
    ('language == "zh"', 'langauge == "zh"', 4, "buckets.zh", "langauge; did you mean language? (a document"),
    ('format == "code"', "format", 3, "buckets.code", "must be true or false"),
    ('format == "code"', "format > 1", 3, "buckets.code", "compares different types"),
    ('format == "code"', "shout(format)", 3, "buckets.code", "shout"),
    ('format == "code"', 'language == "zh" && shout(format)', 3, "buckets.code", "shout"),
    ('format == "code"', "''", 3, "buckets.code", ""),
    ('format == "code"', "7", 3, "buckets.code", "should be a valid string, and is 7"),
    ("buckets:", "pools:", 2, "pools", "no such key"),
    ("starvation:", "phases: 5\nstarvation:", 8, "phases", "should be a list, and is 5"),
    ("relax_after_s: 5", "phases: []", 9, "phases", "is empty; there must be at least one"),
    ("buckets:", "pools:", 2, "buckets", "is missing"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "told"), FAULTS)
def test_a_wrong_recipe_is_refused_and_the_error_names_the_place(tmp_path, old, new, line, key, told):
    assert old in GOOD
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, GOOD.replace(old, new, 1))
    place = f"recipe {tmp_path / 'recipe.yaml'}:{line}: {key}: "
    assert [said for said in str(error.value).splitlines() if said.startswith(place) and told in said], str(
        error.value
    )


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(tmp_path):
    """One at a time, a recipe with five mistakes takes six runs."""
    wrong = GOOD
    for old, new in [
        ('format == "code"', 'formt == "code"'),
        ("zh: 4, code: 2", "zhh: 4, code: x"),
        ("{zh: 1}", "{zh: 0}"),
        ("starvation: relax", "starvation: relaxx\nstarvation: wait"),
        ("relax_after_s", "relax_after"),
    ]:
        wrong = wrong.replace(old, new, 1)
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, wrong)
    found = [
        line.removeprefix(f"recipe {tmp_path / 'recipe.yaml'}:") for line in str(error.value).splitlines()
    ]
    assert [line.split(": ")[:2] for line in found] == [
        ["3", "buckets.code"],
        ["6", "phases.0.weights.code"],
        ["6", "phases.0.weights.zhh"],
        ["7", "phases.1.weights"],
        ["9", "starvation"],
        ["10", "relax_after"],
    ]


def test_what_is_wrong_between_values_is_told_where_others_are_of_a_wrong_type(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, GOOD.replace("tokens: 1000", "tokens: many").replace("{zh: 1}", "{en: 1}"))
    assert "phases.0.tokens" in str(error.value)
    assert "phases.1.weights.en" in str(error.value)


def test_a_recipe_may_repeat_itself_by_anchors(tmp_path):
    text = GOOD.replace("{zh: 4, code: 2}", "&mix {zh: 4, code: 2}").replace("{zh: 1}", "*mix")
    assert load(tmp_path, text).phases[1].weights == {"zh": 4, "code": 2}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "must be a mapping with `buckets` and `phases`, and is empty"),
        ("# nothing\n", 1, "and is empty"),
        ("- a list", 1, "and is a list"),
        ("\nfive", 2, "and is 'five'"),
        ("buckets: {", 1, "cannot be read"),
        ("buckets:\n\t- x", 2, "cannot be read"),
        ("buckets:\n  a: \x00", 2, "character #x0000 is not allowed"),
        ("a: 1\n---\nb: 2", 2, "cannot be read"),
        ("a: *b", 1, "cannot be read"),
        ("buckets: &b\n  b: *b", 1, "phases: is missing"),
        ("phases: &p [*p]", 1, "buckets: is missing"),
        ("[" * 2000, 1, "nested too deeply"),
        ("at: 2026-99-99", 1, "cannot be read"),
        ("? [a, b]\n: 1", 1, "cannot be read"),
        ("weights: " + "9" * 5000, 1, "cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, line, told):
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    found = str(error.value).splitlines()
    assert [
        said
        for said in found
        if said.startswith(f"recipe {tmp_path / 'recipe.yaml'}:{line}: ") and told in said
    ], error.value


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Recipe.load(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Recipe.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"buckets:\n  {a: '\xe9'}")
    with pytest.raises(ConfigurationError, match=r"latin.yaml:2: cannot be read: no UTF-8"):
        Recipe.load(tmp_path / "latin.yaml")


def test_the_digest_follows_the_mix_and_nothing_else(tmp_path):
    """A digest that missed a change would carry token counts over; one too eager would lose them."""
    digest = load(tmp_path, GOOD).digest
    same = [GOOD + "\n# a comment", GOOD.replace("relax_after_s: 5", "relax_after_s: 6")]
    same.append(GOOD.replace("zh: 4, code: 2", "code: 2, zh: 4"))
    assert {load(tmp_path, text).digest for text in same} == {digest}
    swapped = GOOD.replace(
        'code: format == "code"\n  zh: language == "zh"', 'zh: language == "zh"\n  code: format == "code"'
    )
    changed = [
        GOOD.replace("zh: 4", "zh: 5"),
        GOOD.replace("1000", "1001"),
        GOOD.replace('"zh"', '"en"'),
        swapped,
    ]
    assert len({load(tmp_path, text).digest for text in changed} | {digest}) == 5


def test_presets_are_found_by_name_and_the_first_is_the_default(tmp_path, monkeypatch):
    assert presets.names() == ["zh-en-code-442", "domain-continued", "en-heavy"]
    assert Recipe.load("zh-en-code-442") == Recipe.load()
    assert Recipe.load("en-heavy").phases[0].shares == {"en": 0.7, "zh": 0.1, "code": 0.2}
    assert "7 : 1 : 2" in presets.purpose("en-heavy")
    monkeypatch.setenv("CORPUSWORKS_RECIPE", "en-heavy")
    assert agrees(None, load_settings())["recipe"] == Recipe.load("en-heavy").text
    assert agrees(None, Settings(recipe=None)) == agrees(None, Settings(recipe="zh-en-code-442"))


def test_the_digest_does_not_depend_on_where_the_file_lies(tmp_path):
    """A river would count anew when its recipe is copied."""
    copy = tmp_path / "mine.yaml"
    copy.write_bytes(presets.find("en-heavy").read_bytes())
    assert Recipe.load(copy).digest == Recipe.load(str(copy)).digest == Recipe.load("en-heavy").digest
    assert Recipe.load("en-heavy").digest != Recipe.load().digest


def test_a_relaxed_recipe_is_the_same_mix_and_is_read_from_its_text():
    """Prevents a river that a crawl began from starting its counts anew when it is started without one."""
    found = Recipe.load(Recipe.load().relaxed().text)
    assert (found.starvation, found.digest) == ("relax", Recipe.load().digest)
    assert found.buckets == Recipe.load().buckets


@pytest.mark.parametrize(
    ("given", "near"),
    [("en-havy", "en-heavy"), ("zh-en-code-424", "zh-en-code-442"), ("zh-en", "zh-en-code-442")],
)
def test_a_wrong_name_lists_the_presets_and_the_nearest(given, near):
    with pytest.raises(ConfigurationError) as error:
        Recipe.load(given)
    told = f"nor is it a preset; did you mean {near}? (presets: zh-en-code-442, domain-continued, en-heavy)"
    assert told in str(error.value)


def test_a_file_of_a_presets_name_is_told_by_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en-heavy").write_text(GOOD)
    assert tuple(Recipe.load("./en-heavy").buckets) == ("code", "zh")
    assert presets.lasting("./en-heavy") == str(tmp_path / "en-heavy")
    assert presets.lasting("en-heavy") == "en-heavy"
