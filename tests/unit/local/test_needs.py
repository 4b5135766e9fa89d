"""What units are told to use and is not there is told before a server is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local.needs import need_named
from services.runtime import ConfigurationError, Settings
from services.runtime.topology import DEFAULT, Topology


@pytest.mark.parametrize(
    ("unit", "told", "said"),
    [
        ("rules", {"ner": "nothere:lac"}, "No module named 'nothere'"),
        ("rules", {"ner": "services.rules.pii.lac:lack"}, "no attribute 'lack'"),
        ("rules", {"keyword_files": ["store:words.txt", "{there}/words.txt"]}, "words.txt cannot be read"),
        ("classifier", {"model": "judgy"}, "there is no model judgy"),
        ("scorer", {"model": "judgy"}, "there is no model judgy"),
        ("scorer", {"calibration": "{there}/table.json"}, "table.json"),
        ("tokenizer", {"vocabulary": "{there}/vocabulary.json"}, "vocabulary.json cannot be used"),
        (
            "tokenizer",
            {"vocabulary": "{there}/own.json", "end_of_document": "<end>"},
            "did you mean <|end|>?",
        ),
        ("tokenizer", {"end_of_document": "<|end|>"}, "the default vocabulary has no token <|end|>"),
    ],
)
def test_what_is_not_there_is_told(unit: str, told: dict[str, object], said: str, tmp_path: Path) -> None:
    """Prevents: half a minute of servers and services for a path that was mistyped."""
    (tmp_path / "own.json").write_text(OWN)
    here = {
        name: [each.format(there=tmp_path) for each in value]
        if isinstance(value, list)
        else str(value).format(there=tmp_path)
        for name, value in told.items()
    }
    with pytest.raises(ConfigurationError) as refused:
        need_named(Topology.load(DEFAULT, ("zh",)), Settings(units={unit: here}))
    assert said in str(refused.value)


def test_what_is_there_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("casino\n")
    units = {
        "rules": {"keyword_files": [str(tmp_path / "words.txt"), "store:of the river.txt"]},
        "classifier": {"model": "judge"},
        "scorer": {"model": "judge"},
        "tokenizer": {"end_of_document": "<|endoftext|>"},
    }
    need_named(Topology.load(DEFAULT, ("zh",)), Settings(units=units))


OWN = """{"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
"pre_tokenizer": null, "post_processor": null, "decoder": null,
"added_tokens": [{"id": 1, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
"normalized": false, "special": true}],
"model": {"type": "WordLevel", "vocab": {"a": 0, "<|end|>": 1}, "unk_token": "a"}}"""
