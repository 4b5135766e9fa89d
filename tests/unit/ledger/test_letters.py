"""Which dead letters are meant, and which of them can go back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from contracts import Document
from services.ledger.letters import Letter, Selection, document_of
from services.ledger.redrive import Outcome, _able, _messages
from services.runtime import Settings
from services.runtime.process.frames import REDRIVEN_HEADER, first_place

DIED = {"topic": "docs.raw", "topic.id": "abc", "partition": "3", "offset": "17", "stage": "parse",
        "exception.message": "ValueError: a Broken page"}  # fmt: skip
UNREADABLE = {"topic": "file:///notes.jsonl", "stage": "ingest", "exception.message": "line 7 is no record"}


def letter(
    said: Mapping[str, str] = DIED, topic: str = "docs.raw.dlq", redriven_ms: int | None = None
) -> Letter:
    value = Document(uid=9, id="doc").SerializeToString()
    return Letter(topic, 1, 5, 1_000, said, value, document_of(value), redriven_ms)


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        (Selection(), True),
        (Selection(ids=("docs.raw.dlq/1/5",)), True),
        (Selection(ids=("docs.raw.dlq/1/6", "docs.raw.dlq/0/5")), False),
        (Selection(stage="parse"), True),
        (Selection(stage="rules"), False),
        (Selection(error="broken"), True),
        (Selection(error="memory"), False),
        (Selection(stage="parse", error="memory"), False),
    ],
)
def test_every_word_of_a_selection_must_hold(wanted: Selection, meant: bool) -> None:
    """Prevents `redrive --stage parse --error broken` from putting back what nobody looked at."""
    assert wanted.holds(letter()) == meant


@pytest.mark.parametrize(
    ("one", "again", "why"),
    [
        (letter(), False, None),
        (letter(redriven_ms=7), True, None),
        (letter(UNREADABLE), True, "file:///notes.jsonl never became a document: mend it"),
        (letter(topic="pool.gone.dlq"), False, "the topic pool.gone is no more"),
    ],
)
def test_what_cannot_go_back_stays_and_says_why(one: Letter, again: bool, why: str | None) -> None:
    """Prevents a piece of a file in a topic of documents, and a document that is there twice by accident."""
    if one.said is UNREADABLE:
        one = Letter(one.topic, 1, 5, 0, UNREADABLE, b"{", None, None)
    outcome = Outcome()
    able = list(_able(iter([one]), {"docs.raw", "docs.raw.dlq"}, outcome, again=again))
    assert len(able) == (why is None)
    assert [name for name, _ in outcome.left] == [one.id] * (why is not None)
    assert all(str(why) in told for _, told in outcome.left)


def test_those_that_were_put_back_before_are_counted() -> None:
    """Prevents a line for each of a thousand that nobody asked about, by `redrive --all`."""
    outcome = Outcome()
    assert not list(_able(iter([letter(redriven_ms=7)] * 3), {"docs.raw"}, outcome, again=False))
    assert (outcome.before, outcome.left) == (3, [])


def test_the_message_says_where_it_was_first_read() -> None:
    """Prevents dedup from taking it for a copy of itself; and an answer in another lane."""
    back, mark = _messages(letter(), {}, Settings())
    assert (back.topic, back.value, back.spread) == ("docs.raw", letter().value, 3)
    assert first_place(dict(back.headers)[REDRIVEN_HEADER].decode()) == ("abc", 3, 17)
    assert (mark.topic, mark.key) == ("dlq.redriven", b"docs.raw.dlq/1/5")
