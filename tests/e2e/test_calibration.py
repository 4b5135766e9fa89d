"""The scorer's table in a whole river: made of what came in, taken up at a start; verdicts as alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.ledger import scored
from services.local.run import attached
from services.scorer import Calibration, ScorerConfig, chosen
from services.scorer.calibration import Standing
from tests.corpus import documents
from tests.e2e.commands import ask, corpusworks
from tests.e2e.home import topology

pytestmark = pytest.mark.stack

KEEP = {"CORPUSWORKS_UNITS__SCORER__KEEP": '[{"share": 0.7}]'}
TABLE = "CORPUSWORKS_UNITS__SCORER__CALIBRATION"
LEAST = 60  # documents of a group, so that the test is short


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text)
    return text


def _outdated(table: Calibration) -> Calibration:
    """As of a time whose documents were worse: each score stands lower by it, and less is kept."""
    return Calibration(
        {
            group: replace(one, standings=tuple(Standing(low**3, high**3) for low, high in one.standings))
            for group, one in table.groups.items()
        }
    )


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_table_made_of_a_river_is_taken_up_at_a_start(tmp_path: Path) -> None:
    """Prevents: a share that is missed in silence; a new table that reaches some documents and not others,
    or none; verdicts in a river that are not those of the same units alone."""
    out, made, former = tmp_path / "out", tmp_path / "table.json", tmp_path / "former.json"
    outdated = _outdated(chosen(ScorerConfig()))
    former.write_bytes(outdated.data)
    rows = list(documents(1300, seed=3, duplicates=0))
    _lines(tmp_path / "first.jsonl", rows[:1000])
    second = _lines(tmp_path / "second.jsonl", rows[1000:])

    settings = {**KEEP, TABLE: str(former)}
    before = corpusworks("run", tmp_path / "first.jsonl", "--out", out, settings=settings, timeout_s=240)
    assert before.code == 0, before.err[-3000:]
    shares = json.loads((out / "report.json").read_text())["shares"]
    (off,) = (row for row in shares if row["off"])
    assert off["format"] == "code", "which alone is enough to tell from chance"
    assert off["kept"] < 0.5
    assert "judge calibrate --out" in " ".join(before.out.split())

    asked = ask("judge", "calibrate", "--out", out, "--to", made, "--least", str(LEAST), settings=settings)
    assert asked.code == 0, asked.err[-3000:]
    table = Calibration.load(made)
    assert table.groups.keys() >= outdated.groups.keys(), "what did not come in stays as it was"
    assert f"calibration {table.version}" in asked.err
    assert "zh/prose/" in asked.out

    settings = {**KEEP, TABLE: str(made)}
    after = corpusworks("run", tmp_path / "second.jsonl", "--out", out, settings=settings, timeout_s=240)
    assert after.code == 0, after.err[-3000:]
    with attached(out) as servers:
        judged = {document.id: document for document in scored(servers, topology())}
    assert {judged[row["id"]].calibration for row in rows[:1000] if row["id"] in judged} == {outdated.version}
    assert {judged[row["id"]].calibration for row in rows[1000:] if row["id"] in judged} == {table.version}
    report = json.loads((out / "report.json").read_text())
    seen: Counter[bool] = Counter()
    for row in report["shares"]:
        if row["target"] < 1 and row["documents"] >= LEAST:
            assert row["kept"] == pytest.approx(0.7, abs=0.2)
            seen[row["off"]] += 1
    assert seen
    assert not seen[True]

    alone = ask("apply", "rules", "classifier", "scorer", settings=settings, given=second).rows
    assert sum(row["reason"] == "low_rank" for row in alone) == report["dropped"]["scorer"]["low_rank"]
    for row in alone:
        if "rank" in row:
            assert row["rank"] == pytest.approx(judged[row["id"]].rank, abs=1e-3)


def test_a_table_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    """Prevents a river that starts, and processes of it that die one after another for a slip in a path."""
    _lines(tmp_path / "one.jsonl", list(documents(1, seed=1)))
    settings = {TABLE: str(tmp_path / "no.json")}
    done = ask("run", tmp_path / "one.jsonl", "--out", tmp_path / "out", settings=settings)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "no.json cannot be read" in done.err
    assert not (tmp_path / "out").exists()
