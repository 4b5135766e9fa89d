"""Weights by language: the most of the texts that has them."""

from __future__ import annotations

import pytest

from services.tokenizer.mix import mix

TEXTS = [("en", f"{n:09} ") for n in range(400)] + [("zh", f"{n:04}河水") for n in range(50)]


def test_the_most_that_has_the_weights() -> None:
    """A vocabulary of the language that happens to have most text; text thrown away without need."""
    made = mix(TEXTS, {"en": 2, "zh": 1})
    assert made.found == {"en": 4000, "zh": 500}
    assert made.chosen == {"en": 1000, "zh": 500}
    assert sum(len(text.encode()) for text in made.texts) == 1500


def test_the_same_in_any_order() -> None:
    """A vocabulary that depends on the order of files."""
    one, other = mix(TEXTS, {"en": 3, "zh": 7}), mix(TEXTS[::-1], {"en": 3, "zh": 7})
    assert sorted(one.texts) == sorted(other.texts)
    assert one.chosen == other.chosen


def test_a_language_without_weight_is_left_out() -> None:
    assert set(mix(TEXTS, {"zh": 0.1}).texts) == {text for language, text in TEXTS if language == "zh"}


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"en": 0}, "above 0"),
        ({"en": -1}, "above 0"),
        ({"en": float("nan")}, "above 0"),
        ({"ja": 1}, "en, zh"),
    ],
)
def test_weights_that_cannot_be(weights: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        mix(TEXTS, weights)
