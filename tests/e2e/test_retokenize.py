"""A river whose pools get another vocabulary: parts are read by it, uses go on, nothing is lost or twice."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from services.local.run import attached
from services.runtime import agreement
from services.tokenizer import Vocabulary
from tests.corpus import documents, write_jsonl
from tests.e2e.commands import ask, corpusworks, left_running, run, start

pytestmark = [pytest.mark.soak, pytest.mark.stack]

NUMBER = 60
# The budgets end the mix in the middle of the second use; the third is for who comes after.
RECIPE = """
buckets: {zh: language == "zh", en: language == "en", code: format == "code"}
phases:
  - {name: stable, weights: {zh: 1, en: 1}, tokens: 6000}
  - {name: anneal, weights: {zh: 1, en: 1}, max_uses: 3, tokens: ANNEAL}
"""


def _recipe(folder: Path, anneal: int) -> Path:
    path = folder / f"{anneal}.yaml"
    path.write_text(RECIPE.replace("ANNEAL", str(anneal)))
    return path


def _by(vocabulary: Path) -> dict[str, str]:
    return {
        "CORPUSWORKS_UNITS__TOKENIZER__VOCABULARY": str(vocabulary),
        "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "3",
    }


def _lines(out: Path) -> list[dict[str, Any]]:
    """Of all parts: first what is said of the part, then its records."""
    return [json.loads(line) for path in sorted(out.glob("parts/lane-*/*.jsonl")) for line in path.open()]


def _records(out: Path) -> list[dict[str, Any]]:
    return [row for row in _lines(out) if "uid" in row]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder with documents, and two vocabularies learned from others."""
    folder = tmp_path_factory.mktemp("retokenize")
    more = write_jsonl(folder / "more.jsonl", 150, seed=7)
    paths = []
    for name, size in (("small", 700), ("large", 1100)):
        paths.append(folder / f"{name}.tiktoken")
        done = ask("tokenizer", "train", more, "--size", str(size), "--out", paths[-1])
        assert done.code == 0, done.err
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "made.jsonl", NUMBER, duplicates=0)
    return folder / "in", paths[0], paths[1]


def test_another_vocabulary_in_the_middle_of_a_second_use(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Prevents: a river that must begin anew, or ids of two vocabularies under one, exit 0."""
    source, former, new = made
    out, short, long = tmp_path / "out", _recipe(tmp_path, 12_000), _recipe(tmp_path, 30_000)
    run(out, source, "--recipe", short, settings=_by(former))
    before = _records(out)
    assert max(record["use"] for record in before) >= 2
    refused = corpusworks("run", source, "--out", out, settings=_by(new))
    assert refused.code == 2
    assert "corpusworks pool retokenize" in refused.err

    killed = start("pool", "retokenize", "--out", out, settings=_by(new))
    assert killed.stderr is not None
    said = next(line for line in killed.stderr if "encoding" in line or killed.poll() is not None)
    assert "encoding" in said
    killed.kill()
    killed.communicate(timeout=30)
    old, now = Vocabulary.load(former), Vocabulary.load(new)
    with attached(out) as settings:  # as a later kill would leave it
        agreement.begin_vocabulary(settings, now.digest)
    refused = corpusworks("run", source, "--out", out, settings=_by(former))
    assert (refused.code, "interrupted on its way to" in refused.err) == (2, True), refused.err

    done = corpusworks("pool", "retokenize", "--out", out, "--json", settings=_by(new))
    assert done.code == 0, done.err
    [found] = done.rows
    assert found["vocabulary"] == now.digest
    assert 0 < found["tokens_after"] < found["tokens_before"]
    again = corpusworks("pool", "retokenize", "--out", out, settings=_by(new))
    assert (again.code, "nothing in the pools" in again.out) == (0, True), again.err
    assert ask("reconcile", "--out", out).code == 0

    run(out, source, "--recipe", long, settings=_by(new))
    assert ask("reconcile", "--out", out).code == 0
    assert ask("parts", "verify", out).code == 0
    uses = defaultdict(list)
    for record in _records(out):
        uses[record["uid"]].append(record["use"])
    assert len(_records(out)) > len(before)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in uses.values())
    texts = {row["id"]: row["text"].strip() for row in documents(NUMBER, duplicates=0)}
    seen = {old.digest: 0, now.digest: 0}
    listed = {row["name"]: row["tokenizer"] for row in _lines(out) if "name" in row}
    for row in ask("parts", "decode", out / "parts").rows:
        assert row["text"] == texts[row["id"]]
        seen[listed[row["part"]]] += 1
    assert seen == {old.digest: len(before), now.digest: len(_records(out)) - len(before)}
    assert left_running(out) == []
