"""What `mix` brings over from the pools of one river into those of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from contracts import Control, Document, Forget, Quarantine, Retraction, Tally
from services.cli.carry import Carried, Pools, arrived, bring, check, message
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, ObjectStore, load_settings, topics
from services.runtime.loops.transaction import Produce, Transactions
from tests.memory_broker import MemoryBroker

LANES, OURS, FORMER = 2, "aa", "bb"
BY_LENGTH = Recipe.model_validate(
    {
        "buckets": {"long": "num_tokens > 10", "short": 'language == "en"'},
        "phases": [{"name": "only", "weights": {"long": 1, "short": 1}}],
    }
)


def _document(uid: int, bucket: str = "en", tokens: int = 5, tokenizer: str = OURS) -> Document:
    ids = np.arange(uid, uid + tokens, dtype="<u4").tobytes()
    return Document(
        id=f"d{uid}", uid=uid, language=bucket, bucket=bucket, recipe="former", use=1, num_tokens=tokens,
        token_ids=ids, tokenizer=tokenizer, features={"cluster_size": 2.0}, metadata={"title": f"t{uid}"},
    )  # fmt: skip


class River:
    """Pools in memory. A transaction a call."""

    def __init__(self, store: ObjectStore, buckets: Sequence[str], lanes: int = LANES) -> None:
        self.store = store
        self.broker = MemoryBroker(load_settings())
        for name in (topics.CONTROL, *(topics.POOL + bucket for bucket in buckets)):
            self.broker.create_topic(name, lanes)
        self.broker.create_topic(topics.TALLY)
        self._transactions = Transactions(load_settings(), "test", "test", self.broker)

    def put(self, *documents: Document, limit: int = 900_000) -> None:
        self._commit(arrived([message(document, self.store, limit) for document in documents]))

    def say(self, topic: str, uid: int, value: bytes | None) -> None:
        self._transactions.commit([Produce(topic, value, uid.to_bytes(8, "big"), spread=uid)], {}, None)

    def tell(self, uid: int, told: Control) -> None:
        self.say(topics.CONTROL, uid, told.SerializeToString())

    def mix_from(self, other: River, recipe: Recipe = BY_LENGTH) -> Carried:
        say = partial(message, store=self.store, limit=900_000)
        with other.broker.log() as here, self.broker.log() as there:
            pools = Pools(here, other.store, OURS)
            return bring(pools, there, recipe, say=say, commit=self._commit, lanes=LANES)

    def _commit(self, said: Sequence[Produce]) -> None:
        self._transactions.commit(said, {}, None)

    def pooled(self) -> list[Document]:
        return sorted(self._documents(), key=lambda document: document.uid)

    def _documents(self) -> Iterator[Document]:
        with self.broker.log() as log:
            pools = sorted(n for n in log.topics() if n.startswith(topics.POOL) and n != topics.CONTROL)
            for record in log.read_all(*pools):
                document = Document.FromString(record.value)
                assert record.topic == topics.POOL + document.bucket
                assert record.key == document.uid.to_bytes(8, "big")
                assert record.partition == document.uid % LANES
                yield document

    def came(self) -> list[int]:
        with self.broker.log() as log:
            told = [Tally.FromString(record.value) for record in log.read_all(topics.TALLY)]
        assert {entry.outcome for one in told for entry in one.entries} <= {Tally.CAME}
        return sorted(uid for one in told for entry in one.entries for uid in entry.uids)

    def told(self) -> list[int]:
        with self.broker.log() as log:
            return [Control.FromString(r.value).quarantine.uid for r in log.read_all(topics.CONTROL)]


@pytest.fixture
def old(tmp_path: Path) -> River:
    return River(ObjectStore((tmp_path / "old").as_uri()), ["en", "zh"])


@pytest.fixture
def new(tmp_path: Path) -> River:
    return River(ObjectStore((tmp_path / "new").as_uri()), ["long", "short"])


def test_each_document_goes_once_with_its_tokens_to_the_bucket_of_the_new_recipe(
    old: River, new: River
) -> None:
    """Prevents: a use that is counted twice, tokens that are lost, a document of no bucket that stops all."""
    old.put(*(_document(uid) for uid in range(1, 5)), _document(5, "zh", tokens=20), _document(6, "zh"))
    old.put(_document(2))  # sorted anew: it went to the end of its pool
    done = new.mix_from(old)
    found = new.pooled()
    assert [(one.uid, one.bucket, one.use) for one in found] == [
        (1, "short", 0), (2, "short", 0), (3, "short", 0), (4, "short", 0), (5, "long", 0),
    ]  # fmt: skip
    assert all(one.token_ids == _document(one.uid, tokens=one.num_tokens).token_ids for one in found)
    assert found[0].recipe == BY_LENGTH.routing("short")
    assert (found[0].features["cluster_size"], found[0].metadata["title"]) == (2.0, "t1")
    assert new.came() == [1, 2, 3, 4, 5]
    assert (done.documents, done.left) == ({"short": 4, "long": 1}, {"of no bucket of this recipe": 1})


def test_who_must_not_be_mixed_stays_behind(old: River, new: River) -> None:
    """Prevents: a duplicate, a guilty or a forgotten document that comes back by way of another mix."""
    old.put(*(_document(uid) for uid in range(1, 6)), _document(6, tokenizer=FORMER))
    old.tell(1, Control(retraction=Retraction(uid=1, superseded_by=2)))
    old.tell(3, Control(quarantine=Quarantine(uid=3, why="spoils the loss")))
    old.tell(4, Control(forget=Forget(uid=4, why="asked for")))
    old.say("pool.en", 4, None)
    done = new.mix_from(old)
    assert [one.uid for one in new.pooled()] == [2, 5]
    assert done.left == {"superseded, quarantined or forgotten": 3}


def test_another_call_brings_what_is_new_and_withdraws_what_has_left(old: River, new: River) -> None:
    """Prevents: documents that are doubled by a second call, or that stay when the river has dropped them."""
    old.put(*(_document(uid) for uid in range(1, 5)))
    assert new.mix_from(old).documents == {"short": 4}
    old.put(_document(7))
    old.tell(2, Control(retraction=Retraction(uid=2, superseded_by=7)))
    old.say("pool.en", 3, None)  # dropped by a change of the recipe there
    done = new.mix_from(old)
    assert (done.documents, done.withdrawn) == ({"short": 1}, 2)
    assert [one.uid for one in new.pooled()] == [1, 2, 3, 4, 7]
    assert sorted(new.told()) == [2, 3]
    again = new.mix_from(old)
    assert (again.documents, again.withdrawn) == ({}, 0)
    assert new.came() == [1, 2, 3, 4, 7]


def test_tokens_that_lie_in_the_store_come_along(old: River, new: River) -> None:
    old.put(_document(1, tokens=3000), limit=10_000)
    with old.broker.log() as log:
        [record] = log.read_all("pool.en")
    assert Document.FromString(record.value).references
    new.mix_from(old)
    [found] = new.pooled()
    assert found.token_ids == _document(1, tokens=3000).token_ids
    assert not found.references


def test_tokens_that_are_gone_from_the_store_are_told(old: River, new: River) -> None:
    old.put(_document(1, tokens=3000), _document(2), limit=10_000)
    old.store.delete(list(old.store.list("bodies/")))
    done = new.mix_from(old)
    assert [one.uid for one in new.pooled()] == [2]
    assert done.left == {"tokens that are not in the store any more": 1}


def test_a_bucket_may_not_ask_for_what_pools_do_not_hold() -> None:
    asked = {"buckets": {"law": 'text.contains("law")'}, "phases": [{"name": "a", "weights": {"law": 1}}]}
    with pytest.raises(ConfigurationError, match="bucket law asks for text"):
        check(Recipe.model_validate(asked))
    for recipe in (BY_LENGTH, Recipe.load("zh-en-code-442"), Recipe.load("en-heavy")):
        check(recipe)
