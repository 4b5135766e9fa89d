"""The closing report: its sums, and that a hole in them shows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from contracts import PartSealed
from services.ledger import Account, mostly_dead, report
from services.ledger.files import Files

TARGETS = {"stable": {"zh": 0.4, "en": 0.4, "code": 0.2}}


def full() -> Account:
    """Ten documents and one piece that could not be read, one of every end."""
    return Account(
        raw=Counter(dict.fromkeys(range(1, 9), 1) | {9: 2}),
        rejected={
            1: [("rules", "too_short")],
            2: [("rules", "repetition")],
            3: [("dedup", "near_duplicate")],
            4: [("mixer", "superseded")],
            9: [("dedup", "already_seen")],
        },
        dead=Counter({5: 1}),
        unreadable=1,
        waiting={6: "code"},
        in_flight=Counter({7: 1}),
        parts=Counter({(8, "stable", 1): 1, (9, "stable", 1): 1}),
        tokens=Counter({"zh": 300, "en": 100}),
        sealed=[PartSealed(name="part-1"), PartSealed(name="part-2")],
    )


def made(account: Account, carried_over: int = 0) -> dict[str, Any]:
    return report(account, carried_over, TARGETS, 12.3456, {"rules": 1.239})


def test_the_sums_agree() -> None:
    """Prevents a document from being counted where it enters and nowhere else."""
    found = made(full())
    assert found["documents_in"] == 11
    assert found["kept"] == 2
    assert found["dropped"] == {"rules": {"repetition": 1, "too_short": 1}}
    assert found["duplicates"] == 3
    assert found["duplicates_by_reason"] == {"already_seen": 1, "near_duplicate": 1, "superseded": 1}
    assert found["dead_letters"] == 2, "the unreadable piece is one"
    assert found["waiting"] == {"(in flight)": 1, "code": 1}
    assert found["unaccounted"] == 0
    dropped = sum(sum(reasons.values()) for reasons in found["dropped"].values())
    ends = (
        found["kept"] + dropped + found["duplicates"] + found["dead_letters"] + sum(found["waiting"].values())
    )
    assert ends == found["documents_in"]


def test_a_document_that_is_used_again_is_kept_once() -> None:
    """Prevents a run that reuses its documents from reporting more of them than came in."""
    account = full()
    account.parts.update({(8, "anneal", 2): 1, (8, "anneal", 3): 1, (77, "anneal", 2): 1})
    found = made(account)
    assert (found["kept"], found["unaccounted"]) == (2, 0)


@pytest.mark.parametrize(
    ("change", "unaccounted"),
    [
        (lambda a: a.raw.update({99: 1}), 1),
        (lambda a: a.waiting.clear(), 1),
        (lambda a: a.dead.clear(), 1),
        (lambda a: a.in_flight.clear(), 1),
        (lambda a: a.rejected.pop(3), 1),
        (lambda a: a.parts.update({(8, "stable", 1): 1}), -1),
    ],
)
def test_a_hole_in_the_sums_shows(change: Any, unaccounted: int) -> None:
    """Prevents a lost document, or one that is there twice, from leaving the report clean."""
    account = full()
    change(account)
    assert made(account)["unaccounted"] == unaccounted


def test_what_an_earlier_run_left_under_way_is_counted_in() -> None:
    """Prevents a run that finishes the work of the one before from having more ends than documents."""
    account = full()
    account.parts[50, "stable", 1] = 1
    assert made(account)["unaccounted"] == -1
    found = made(account, carried_over=1)
    assert (found["unaccounted"], found["carried_over"], found["documents_in"]) == (0, 1, 12)


def test_a_letter_that_was_put_back_meanwhile_is_counted_in() -> None:
    """Prevents a redrive during a run from giving it more ends than documents."""
    account = full()
    account.parts[50, "stable", 1] = 1
    account.returned = 1
    found = made(account)
    assert (found["unaccounted"], found["carried_over"], found["documents_in"]) == (0, 1, 12)


def test_the_mix_against_its_target() -> None:
    """Prevents a bucket that got nothing from being left out of the report."""
    mix = made(full())["mix"]
    assert mix["zh"] == {"target": 0.4, "actual": 0.75, "tokens": 300}
    assert mix["en"]["actual"] == 0.25
    assert mix["code"] == {"target": 0.2, "actual": 0.0, "tokens": 0}
    assert made(full())["tokens"] == 400
    assert made(full())["parts"] == 2


def test_a_run_without_documents_has_a_report() -> None:
    """Prevents a division by nothing."""
    found = made(Account())
    assert found["documents_in"] == found["unaccounted"] == found["tokens"] == 0
    assert found["mix"]["zh"]["actual"] == 0.0


def test_the_report_is_what_scripts_read() -> None:
    """Prevents a key that scripts rely on from being renamed, and a value that JSON does not know."""
    found = json.loads(json.dumps(made(full())))
    assert set(found) >= {
        "documents_in", "kept", "dropped", "duplicates", "dead_letters", "waiting", "tokens", "parts", "mix",
        "seconds", "cpu_seconds",
    }  # fmt: skip
    assert (found["seconds"], found["cpu_seconds"]) == (12.35, {"rules": 1.24})


def test_more_phases_than_one() -> None:
    """Prevents the tokens of one phase from being compared with the weights of another."""
    account = Account(
        mixed=Counter(
            {("stable", "zh"): 600, ("stable", "en"): 200, ("anneal", "sft"): 200, ("old", "x"): 5}
        ),
        tokens=Counter({"zh": 600, "en": 200, "sft": 200, "x": 5}),
    )
    targets = {"stable": {"zh": 0.75, "en": 0.25}, "anneal": {"en": 0.5, "sft": 0.5}}
    found = report(account, 0, targets, 1.0, {})
    assert found["mix"]["sft"] == {"target": 0.1, "actual": 0.199, "tokens": 200}
    assert found["mix"]["zh"]["target"] == 0.6
    assert found["mix"]["en"]["target"] == 0.3
    stable, anneal, old = found["phases"]
    assert (stable["phase"], stable["tokens"]) == ("stable", 800)
    assert stable["mix"]["zh"] == {"target": 0.75, "actual": 0.75, "tokens": 600}
    assert anneal["mix"]["sft"] == {"target": 0.5, "actual": 1.0, "tokens": 200}
    assert anneal["mix"]["en"] == {"target": 0.5, "actual": 0.0, "tokens": 0}
    assert old["mix"] == {"x": {"target": None, "actual": 1.0, "tokens": 5}}


def test_a_source_that_mostly_died() -> None:
    """Prevents 553 of 593 dead records from passing as a success, and a few of many from failing a run."""
    files = Files()
    for number in range(593):
        files.came["file:///in/bad.jsonl"] += 1
        if number < 553:
            files.letter(f"file:///in/bad.jsonl#{number}", document=True)
    for number in range(10):
        files.letter(f"file:///in/torn.jsonl#{number}", document=False)
    files.came["file:///in/torn.jsonl"] = 30
    files.letter("file:///in/lost.jsonl#1", document=False)
    assert mostly_dead(files, 0.5, ["/in/lost.jsonl"]) == {"/in/bad.jsonl": (553, 593)}
    assert mostly_dead(files, 0.2, ["/in"]) == {}
    assert mostly_dead(files, 0.2, []) == {
        "/in/bad.jsonl": (553, 593),
        "/in/torn.jsonl": (10, 40),
        "/in/lost.jsonl": (1, 1),
    }
