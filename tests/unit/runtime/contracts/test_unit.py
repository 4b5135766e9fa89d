"""A unit's config out of settings: from the environment everything is a string."""

from __future__ import annotations

import pytest

from contracts import Document
from services.runtime import ConfigurationError, Count, Drop, Emit, Unit, configure
from services.runtime.contracts.unit import verdicts_of
from tests.units import NoConfig, ThresholdConfig


def test_values_from_the_environment_become_what_the_config_says() -> None:
    """Prevents a threshold that is a string: '9' > 10 and every document goes."""
    config = configure("wordy", ThresholdConfig, {"min_words": "9", "share": "0.25", "strict": "true"})
    assert config == ThresholdConfig(9, 0.25, True)
    assert [type(v) for v in (config.min_words, config.share, config.strict)] == [int, float, bool]


def test_values_from_a_file_and_defaults() -> None:
    """Prevents settings from YAML from being treated otherwise than those of the environment."""
    assert configure("wordy", ThresholdConfig, {}) == ThresholdConfig()
    assert configure("wordy", ThresholdConfig, {"words": ["a", "b"], "min_words": 1}).words == ("a", "b")
    assert configure("echo", NoConfig, {}) == NoConfig()


def test_a_list_from_the_environment_is_json() -> None:
    """Prevents a list of words from being a setting that only a file can hold."""
    assert configure("wordy", ThresholdConfig, {"words": '["a", "b"]'}).words == ("a", "b")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"min_word": "9"},
            "no setting min_word; did you mean min_words? (it has: min_words, share, strict, words)",
        ),
        ({"min_words": "nine"}, "min_words"),
        ({"min_words": "9.5"}, "min_words"),
        ({"strict": "perhaps"}, "strict"),
        ({"share": "1.5"}, "share is 1.5, not between 0 and 1"),
        ({"words": "a"}, "words"),
        ({"words": "[a"}, "words"),
        ({"words": '["a"]', "share": "1.5"}, "share is 1.5"),
    ],
)
def test_a_wrong_setting_names_the_unit_and_the_field(values: dict[str, object], says: str) -> None:
    """Prevents a wrong threshold from being passed over, or shown without saying where."""
    with pytest.raises(ConfigurationError) as caught:
        configure("wordy", ThresholdConfig, values)
    assert says in str(caught.value)
    assert "wordy" in str(caught.value)


def test_only_what_is_declared_is_counted() -> None:
    """Prevents a batch that is judged and can't be accounted for, again and again."""
    unit = Unit("wordy", NoConfig, lambda config, resources: list, drop_reasons=frozenset({"few"}))  # type: ignore[arg-type, return-value]
    document = Document(uid=1)
    for verdict in (
        Emit(document, counted=[Count("nothing", ("zh",))]),
        Drop("few", counted=[Count("nothing", ())]),
    ):
        with pytest.raises(ValueError, match=r"wordy counted \['nothing'\], not in metrics.COUNTED"):
            verdicts_of(unit, lambda documents, said=verdict: [said], [document])
    fine = Emit(document, counted=[Count("mixed_tokens", ("zh",))])
    assert verdicts_of(unit, lambda documents: [fine], [document]) == [fine]
