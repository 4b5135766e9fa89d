"""What teaches the head junk: both sides of each genre, licences, parts, texts as the rules leave them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from trainer.bert.default import spam
from trainer.bert.default.records import may_train


def put(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("data")
    about = {"lang": "en", "source": "set", "licence": "MIT"}
    closed = about | {"licence": "research use"}
    mails = [("email_spam", "bad", about), ("email_ham", "ordinary", about), ("email_spam", "bad", closed)]
    put(folder, "quality", [
        of | {"kind": kind, "label": label, "text": f"{kind} of {of['licence']}: call 07700 900123, {n}"}
        for kind, label, of in mails for n in range(20)
    ])  # fmt: skip
    put(folder, "categories", [
        of | {"category": "news", "text": f"The council of {of['licence']} met for the {n}th time on Monday."}
        for of in (about, closed) for n in range(20)
    ])  # fmt: skip
    put(folder, "toxicity", [])
    spam.write(folder, folder, folder / "none.jsonl", folder / "out")
    read = [(folder / "out" / name).read_text().splitlines() for name in ("junk.jsonl", "good.jsonl")]
    return [json.loads(line) for line in read[0]], [json.loads(line) for line in read[1]]


def test_only_what_is_permitted_teaches(made: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Prevents weights that ship from being learnt of texts that may not be passed on."""
    taught = [row for row in made[0] if row["split"] == "train"]
    assert all(may_train(row["licence"]) for row in taught)
    assert not any("email_spam of research" in row["text"] for row in made[0])
    assert any("council of research" in row["text"] for row in made[1])
    assert not any("spam" in row["text"] for row in made[1])


def test_no_text_is_in_two_parts(made: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Prevents a limit, or a figure, of texts that were taught."""
    parts: dict[str, set[str]] = {}
    for row in made[0]:
        parts.setdefault(row["split"], set()).add(row["text"].replace("<PHONE_1>", "07700 900123"))
    assert parts["train"] & parts["test"] == parts["train"] & parts["validation"] == set()
    assert not {row["text"] for row in made[1]} & (parts["train"] | parts["test"])


def test_texts_are_taught_as_sent_and_as_the_rules_leave_them(
    made: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    """Prevents a head that knows junk by the numbers that the river masks before it asks."""
    mails = [row for row in made[0] if row["genre"] == "mail" and row["source"] == "set"]
    masked = ["<PHONE_1>" in row["text"] for row in mails if row["split"] == "train"]
    assert masked.count(True) == masked.count(False) > 0
    assert all("<PHONE_1>" in row["text"] for row in mails if row["split"] != "train")


def test_our_own_texts_have_both_sides_of_every_genre() -> None:
    """Prevents a pattern whose blank no word fills, and a genre that is junk whatever it says."""
    written = list(spam.written())
    assert not any("{" in row["text"] for row in written)
    sides: dict[tuple[str, str], set[int]] = {}
    for row in written:
        sides.setdefault((row["lang"], row["genre"]), set()).add(row["junk"])
    assert {lang for lang, _ in sides} == {"zh", "en"}
    assert all(of == {0, 1} for of in sides.values())


def test_a_torn_mail_is_mended() -> None:
    torn = "i don ' t know . see http : / / x . com , ( page 4 ) or call at 5 . 30 !"
    assert spam.mended(torn).startswith("I don't know. See http")
    assert "(page 4) or call at 5.30!" in spam.mended(torn)
