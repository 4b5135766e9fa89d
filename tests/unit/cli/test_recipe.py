"""`recipe`: check, list, simulate and plot, as a person asks for them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts import Document
from services.mixer import presets
from services.mixer.recipe import Recipe
from services.runtime import Message, ObjectStore, Vocabularies, VocabularyCard
from services.sink import SinkConfig
from services.sink.manifest import Manifest, part_key
from services.sink.parts import repack
from tests.e2e.commands import ask

SUPPLY = "zh=4e6,en=4_000_000,code=1e6,sft=0"
LENGTHS = {"zh": [30, 20, 10, 40], "en": [50, 25, 25], "code": [10] * 5, "fr": [7, 7]}


def buckets(out: str) -> dict[str, Any]:
    """Of the first phase, without those that have nothing to do there."""
    found = json.loads(out)["phases"][0]["buckets"]
    return {name: use for name, use in found.items() if use["target"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run leaves: a part of each bucket's documents, and a report with what waits in a pool."""
    store = ObjectStore(tmp_path.as_uri())
    vocabulary = VocabularyCard("ab", 9, 0, "<end>")
    vocabulary.keep(store, b"")
    named = [(bucket, length) for bucket, known in LENGTHS.items() for length in known]
    messages = [
        Message(
            "docs.mixed",
            0,
            offset,
            None,
            Document(
                uid=offset + 1,
                id=str(offset),
                bucket=bucket,
                num_tokens=length,
                token_ids=np.ones(length, "<u4").tobytes(),
                tokenizer="ab",
                phase="stable",
                use=1,
            ),
            0,
        )
        for offset, (bucket, length) in enumerate(named)
    ]
    part = repack(messages, 0, SinkConfig(sequence_length=64), Vocabularies(store))
    assert part is not None
    for suffix, data in part.files.items():
        store.put(part_key(part.announcement.name, suffix), data)
    Manifest(store, 0).add(part.announcement)
    (tmp_path / "report.json").write_text(json.dumps({"waiting": {"later": 3}}))
    return tmp_path


def test_list_has_the_presets_with_their_shares_and_what_they_are_for() -> None:
    done = ask("recipe", "list")
    assert done.code == 0
    assert "zh-en-code-442 (default): zh 40.0%, en 40.0%, code 20.0%; zh 30.0%" in done.out
    assert "domain-continued: domain 45.0%, service 30.0%" in done.out
    assert "en-heavy: en 70.0%, zh 10.0%, code 20.0%" in done.out
    assert "English, Chinese and code in 7 : 1 : 2" in done.out


def test_check_shows_what_a_recipe_says() -> None:
    done = ask("recipe", "check")
    assert (done.code, done.err) == (0, "")
    assert f"recipe zh-en-code-442, digest {Recipe.load().digest}" in done.out
    assert 'code  format == "code"' in done.out
    assert "stable, 900,000,000,000 tokens: zh 40.0%, en 40.0%, code 20.0%" in done.out
    assert "code: where rank >= 0.5, up to 2 uses" in done.out
    assert "sft: up to 4 uses" in done.out
    assert "wait for it" in done.out
    assert "warning" not in done.out
    set_ = ask("recipe", "check", settings={"CORPUSWORKS_RECIPE": "en-heavy"})
    assert f"recipe en-heavy, digest {Recipe.load('en-heavy').digest}" in set_.out


def test_check_warns_and_does_not_refuse(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        """buckets: {all: 'true', zh: 'language == "zh"', rest: 'format == "code"'}
phases: [{name: a, weights: {all: 1, zh: 1}, tokens: 10}]
"""
    )
    done = ask("recipe", "check", path)
    assert done.code == 0
    warnings = [line for line in done.out.splitlines() if line.startswith("warning: ")]
    assert [warning.split()[1:3] for warning in warnings] == [
        ["bucket", "rest"],
        ["phase", "a"],
        ["bucket", "zh"],
        ["bucket", "rest"],
    ]


def test_check_tells_every_fault_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("buckets: {zh: 'langauge == \"zh\"'}\nphases:\n- {name: a, weigths: {zh: 1}}\n")
    done = ask("recipe", "check", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"corpusworks: recipe {path}:1: buckets.zh: ")
    assert re.findall(r"mine\.yaml:(\d+): ", done.err) == ["1", "3", "3"]
    assert "did you mean language?" in done.err
    assert "did you mean weights?" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "command", [["recipe", "check", "en-havy"], ["run", ".", "--out", "x", "--recipe", "en-havy"]]
)
def test_a_wrong_preset_is_told_with_the_nearest(command: list[str]) -> None:
    done = ask(*command)
    assert done.code == 2
    assert "did you mean en-heavy? (presets: zh-en-code-442, domain-continued, en-heavy)" in done.err


def test_simulate_says_what_is_dry_first_and_what_is_left() -> None:
    done = ask("recipe", "simulate", "--supply", SUPPLY, "--length", "zh=500,en=1000")
    assert done.code == 0, done.err
    assert "code is dry first, at token 5," in done.out
    assert "code: 1,000,000 tokens, 100.0% used, 0 left over" in done.out
    assert "40.0" in done.out
    found = buckets(ask("recipe", "simulate", "--supply", SUPPLY, "--json").out)
    assert found["code"]["epochs"] == 1.0
    assert found["code"]["starved"] == pytest.approx(5e6, abs=5000)
    assert found["zh"]["share"] == pytest.approx(0.4, abs=0.001)
    flushed = buckets(ask("recipe", "simulate", "--supply", SUPPLY, "--json", "--flush").out)
    assert {name: use["tokens"] for name, use in flushed.items()} == {"zh": 4e6, "en": 4e6, "code": 1e6}


def test_check_tells_what_a_phase_takes_and_what_is_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        """buckets: {zh: 'language == "zh"'}
phases: [{name: a, weights: {zh: 1}, where: rank > 0.5, max_uses: 3, packing: related}]
starvation: reuse
spacing: 65536
limits: {host: 0.05}
"""
    )
    done = ask("recipe", "check", path)
    assert done.code == 0, done.err
    for told in (
        "zh: where rank > 0.5, up to 3 uses",
        "packing: related",
        "a dry bucket: read it again after 60 s",
        "documents that are nearly alike: 65,536 tokens apart",
        "of one host: at most 5.0% of any 1,048,576 tokens",
    ):
        assert told in done.out
    assert "warning" not in done.out


def test_each_preset_is_simulated_to_its_end_and_ends_dry_where_it_should() -> None:
    given = "zh=4e11,en=7e11,code=2e11,sft=5e9"
    for name in ("zh-en-code-442", "en-heavy"):
        done = ask("recipe", "simulate", name, "--supply", given, "--json")
        phases = json.loads(done.out)["phases"]
        assert [phase["tokens"] for phase in phases] == [900e9, 100e9]
        assert phases[1]["buckets"]["sft"]["epochs"] == pytest.approx(3, rel=0.01)
        assert not [
            use for phase in phases for use in phase["buckets"].values() if use["starved"] is not None
        ]
    domain = "domain=2e6,service=1e6,zh=1e7,en=1e7"
    found = buckets(ask("recipe", "simulate", "domain-continued", "--supply", domain, "--json").out)
    assert found["service"]["epochs"] == pytest.approx(4)
    assert found["service"]["starved"] == pytest.approx(4e6 / 0.3, rel=0.01)


def test_simulate_takes_a_recipe_by_name() -> None:
    found = buckets(
        ask("recipe", "simulate", "en-heavy", "--supply", "zh=1e9,en=1e10,code=1e9,sft=0", "--json").out
    )
    assert {name: use["target"] for name, use in found.items()} == {"code": 0.2, "zh": 0.1, "en": 0.7}
    assert found["code"]["starved"] == pytest.approx(5e9, rel=0.001)


def test_a_folder_that_is_finished_is_read_without_a_server(folder: Path) -> None:
    """Prevents a simulation that starts Kafka to count what lies in files, or leaves things out silently."""
    done = ask("recipe", "simulate", "--from", folder, "--json", "--flush")
    assert done.code == 0, done.err
    found = buckets(done.out)
    assert {name: use["tokens"] for name, use in found.items()} == {
        name: sum(LENGTHS[name]) for name in ("code", "zh", "en")
    }
    assert "2 documents of fr, which is no bucket of this recipe, are left out" in done.err
    assert "wait in the pools (3 of later)" in done.err
    assert not (folder / "state").exists()
    waits = buckets(ask("recipe", "simulate", "en-heavy", "--from", folder, "--json").out)
    assert waits["en"]["starved"] == pytest.approx(100 / 0.7, abs=50)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "say what there is"),
        (["--supply", SUPPLY, "--from", "x"], "one of them"),
        (["--supply", "zh=1e9,en=1e9"], "says nothing of sft, code; write sft=0"),
        (["--supply", SUPPLY + ",cod=1"], "no bucket cod; did you mean code?"),
        (["--supply", SUPPLY + ",zh=1"], "zh is there twice"),
        (["--supply", "zh"], "'zh' is not BUCKET=TOKENS"),
        (["--supply", "zh=many,en=1,code=1,sft=1"], "'many' is no number of tokens"),
        (["--supply", "zh=-1,en=1,code=1"], "'-1' is no number of tokens"),
        (["--supply", "zh=nan,en=1,code=1"], "'nan' is no number of tokens"),
        (["--supply", "zh=inf,en=1,code=1"], "'inf' is no number of tokens"),
        (["--supply", SUPPLY, "--length", "0"], "--length: '0' is no number of tokens of 1 or more"),
        (["--supply", SUPPLY, "--length", "zh=0.5"], "--length: zh: '0.5'"),
        (["--from", "/nowhere"], "/nowhere holds no parts"),
    ],
)
def test_a_supply_that_cannot_be_understood_is_refused(arguments: list[str], told: str) -> None:
    done = ask("recipe", "simulate", *arguments)
    assert done.code == 2
    assert told in done.err


def test_plot_writes_a_picture_and_refuses_another_kind(tmp_path: Path, folder: Path) -> None:
    done = ask("recipe", "plot", "en-heavy", "--supply", SUPPLY, "--out", tmp_path / "mix.svg")
    assert done.code == 0, done.err
    told = [text.text for text in ET.parse(tmp_path / "mix.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert "The mix by recipe en-heavy" in told
    assert ask("recipe", "plot", "--from", folder, "--out", tmp_path / "other.svg").code == 0
    wrong = ask("recipe", "plot", "--supply", SUPPLY, "--out", tmp_path / "mix.jpeg")
    assert wrong.code == 2
    assert "a picture is an .svg or a .png" in wrong.err


def test_the_presets_are_in_the_package() -> None:
    """Prevents a wheel whose default recipe is missing."""
    assert presets.find(None).parent == Path(presets.__file__).parent
