"""Drops that go back into the river: each once, with its mark and its tally."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from contracts import Document, Tally
from services.ledger.letters import redriven_at
from services.ledger.rejudge import Dropped, messages, put_back_by
from services.ledger.tallied import Tallied
from services.runtime import Fenced, ObjectStore, load_settings
from services.runtime.loops.transaction import Transactions
from services.runtime.process.frames import REDRIVEN_HEADER, first_place
from services.runtime.wire import decode
from tests.memory_broker import MemoryBroker


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(load_settings())
    for name in ("docs.parsed", "dlq.redriven", "river.tally"):
        made.create_topic(name)
    return made


def _drop(uid: int, text: str = "a text") -> Dropped:
    return Dropped(Document(uid=uid, id=f"d{uid}", text=text), (0, uid), "rules", "too_short")


def _put_back(broker: MemoryBroker, store: ObjectStore, *drops: Dropped, limit: int = 900_000) -> int:
    make = partial(messages, "docs.parsed", "topic-id", store, limit)
    with broker.log() as log:
        return put_back_by(log, _transactions(broker), make, drops)


def _transactions(broker: MemoryBroker) -> Transactions:
    return Transactions(load_settings(), "redrive", "redrive", broker)


def test_each_drop_goes_once(broker: MemoryBroker, tmp_path: Path) -> None:
    """Prevents: a document that is doubled by a second call, or lost from what adds up."""
    store = ObjectStore(tmp_path.as_uri())
    assert _put_back(broker, store, _drop(1), _drop(2)) == 2
    assert _put_back(broker, store, _drop(1), _drop(2), _drop(3)) == 1
    with broker.log() as log:
        found = list(log.read_all("docs.parsed"))
        assert redriven_at(log).keys() == {f"docs.rejected/0/{uid}" for uid in (1, 2, 3)}
        tallied = Tallied()
        tallied.read(log, log.settled_ends(["river.tally"]))
    assert [Document.FromString(record.value).uid for record in found] == [1, 2, 3]
    places = [first_place(dict(record.headers)[REDRIVEN_HEADER].decode()) for record in found]
    assert places == [("topic-id", 0, 1), ("topic-id", 0, 2), ("topic-id", 0, 3)]
    assert tallied.number(Tally.Outcome.Name(Tally.REVIVED)) == 3
    assert tallied.rejudged == {("rules", "too_short"): 3}


def test_a_long_text_goes_by_the_store(broker: MemoryBroker, tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    _put_back(broker, store, _drop(1, "long " * 4000), limit=10_000)
    with broker.log() as log:
        [record] = log.read_all("docs.parsed")
    assert len(record.value) < 10_000
    assert decode(record.value, store).text == "long " * 4000


def test_of_two_at_a_time_the_earlier_one_ends(broker: MemoryBroker, tmp_path: Path) -> None:
    """Prevents: two calls that send the same drops."""
    first = _transactions(broker)
    first.open()
    store = ObjectStore(tmp_path.as_uri())
    assert _put_back(broker, store, _drop(1)) == 1
    make = partial(messages, "docs.parsed", "topic-id", store, 900_000)
    with pytest.raises(Fenced):
        first.commit(make([_drop(1)]), {}, None)
