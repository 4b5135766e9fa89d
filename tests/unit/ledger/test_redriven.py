"""The account of a dead letter that was put back: it came in once, and it ends once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from contracts import Document, Redriven, Rejection
from services.ledger import reconcile, report
from services.ledger.account import Account, read_account
from services.runtime.process.frames import REDRIVEN_HEADER
from tests.unit.ledger.test_interrupted import Place, River

UID = 7


class Moving(River):
    """One document that is a dead letter; something happens to it when a topic is read."""

    def __init__(self, at: str = "", happens: Callable[[Moving], None] = lambda river: None) -> None:
        super().__init__(0)
        self.ingest([UID], "file:///a")
        self.die()
        self.at, self.happens = at, happens

    def settled_ends(self, topics: Sequence[str]) -> dict[Place, int]:
        if self.at in topics:
            self.at = ""
            self.happens(self)
        return super().settled_ends(topics)

    def die(self) -> None:
        record = self.log["docs.raw"][-1]
        self.groups["parse"]["docs.raw"] = record.offset + 1
        self.send("docs.raw.dlq", record.value, topic="docs.raw", offset="0")

    def put_back(self) -> None:
        letter = self.log["docs.raw.dlq"][-1]
        back = SimpleNamespace(
            topic="docs.raw", partition=0, offset=len(self.log["docs.raw"]), key=b"", value=letter.value,
            headers=[(REDRIVEN_HEADER, b"id/0/0")],
        )  # fmt: skip
        self.log["docs.raw"].append(back)
        mark = Redriven(topic="docs.raw.dlq", partition=0, offset=letter.offset, at_ms=1)
        self.send("dlq.redriven", mark.SerializeToString())

    def end(self) -> None:
        record = self.log["docs.raw"][-1]
        self.groups["parse"]["docs.raw"] = record.offset + 1
        self._reject(Document.FromString(record.value), "rules", "too_short")


def account_of(river: River, since: dict[Place, int] | None = None) -> Account:
    return read_account(river, river, river, river.topology, since)  # type: ignore[arg-type]


def put_back(river: Moving) -> None:
    river.put_back()


def put_back_and_end(river: Moving) -> None:
    river.put_back()
    river.end()


def put_back_and_die(river: Moving) -> None:
    river.put_back()
    river.die()


@pytest.mark.parametrize(
    ("happens", "stands"),
    [
        (lambda river: None, "dead"),
        (put_back, "in_flight"),
        (put_back_and_end, "rejected"),
        (put_back_and_die, "dead"),
    ],
)
def test_it_stands_in_one_place(happens: Callable[[Moving], None], stands: str) -> None:
    """Prevents a document that came in twice, was lost, or is dead and in a part as well."""
    river = Moving()
    happens(river)
    account = account_of(river)
    assert account.raw == {UID: 1}
    places = {"dead": account.dead, "in_flight": account.in_flight, "rejected": account.rejected}
    assert {name for name, found in places.items() if found} == {stands}
    assert not reconcile(account)
    assert report(account, 0, {}, 0, {})["unaccounted"] == 0


@pytest.mark.parametrize("at", ["docs.raw", "docs.raw.dlq", "docs.rejected", "shards.sealed"])
@pytest.mark.parametrize("happens", [put_back, put_back_and_end, put_back_and_die])
def test_a_redrive_while_the_account_is_read_is_no_discrepancy(
    at: str, happens: Callable[[Moving], None]
) -> None:
    """Prevents an alarm in a river that runs."""
    assert not reconcile(account_of(Moving(at, happens)))


def test_a_letter_from_before_the_moment_is_carried_over() -> None:
    """Prevents a run during which a person redrives from having one end too many."""
    river = Moving()
    since = river.settled_ends(list(river.topology.topics()))
    put_back_and_end(river)
    found = report(account_of(river, since), 0, {}, 0, {})
    assert (found["documents_in"], found["carried_over"], found["unaccounted"]) == (1, 1, 0)


def put_drop_back(river: Moving) -> None:
    """The last drop, as `rejudge` does."""
    drop = river.log["docs.rejected"][-1]
    back = SimpleNamespace(
        topic="docs.raw", partition=0, offset=len(river.log["docs.raw"]), key=b"",
        value=Rejection.FromString(drop.value).document.SerializeToString(),
        headers=[(REDRIVEN_HEADER, b"id/0/0")],
    )  # fmt: skip
    river.log["docs.raw"].append(back)
    mark = Redriven(topic="docs.rejected", partition=0, offset=drop.offset, at_ms=1)
    river.send("dlq.redriven", mark.SerializeToString())


def test_a_drop_that_is_judged_again_ends_once() -> None:
    """Prevents: a document that was dropped and is kept now, which --thorough would find twice."""
    river = Moving()
    put_back_and_end(river)
    assert len(account_of(river).rejected[UID]) == 1
    put_drop_back(river)
    account = account_of(river)
    assert (account.in_flight, account.rejected) == ({UID: 1}, {})
    river.end()
    account = account_of(river)
    assert (account.in_flight, len(account.rejected[UID]), account.raw) == ({}, 1, {UID: 1})
    assert not reconcile(account)
