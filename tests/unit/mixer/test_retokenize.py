"""Pools that get the ids of another vocabulary: nothing lost or twice, uses go on, kills at any moment."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from contracts import Control, Document, Flush, Forget, MixerState, Quarantine
from services.mixer.config import MixerConfig
from services.mixer.gone import Gone
from services.mixer.pool import NOT
from services.mixer.retokenize import Retokenizer, Survey, Target, most_uses
from services.mixer.task import MIXER, Mixer
from services.runtime import Message
from tests.unit.mixer.lane import Lane
from tests.unit.mixer.test_reuse import INPUTS, document, lane, order, recipe, uses

TWICE = recipe(
    {"name": "stable", "weights": {"zh": 1, "en": 1}, "tokens": 400},
    {"name": "anneal", "weights": {"zh": 1, "en": 1}, "max_uses": 2},
    starvation="relax",  # so that all is used up in the end, whichever bucket has more
    relax_after_s=0,
)
POOLS = ["pool.zh", "pool.en"]
OLD, NEW = "a" * 64, "b" * 64
FLUSH = Control(flush=Flush(run="end"))


def put(river: Lane, *documents: Document, tokenizer: str = OLD, hole: bool = False) -> None:
    for one in documents:
        one.tokenizer, one.token_ids = tokenizer, b"\1\0\0\0" * one.num_tokens
        river.put(f"pool.{one.bucket}", one, key=one.uid.to_bytes(8, "big"), hole=hole)


def compact(river: Lane) -> None:
    """As the broker may do at any time: of each key the last message stays."""
    for topic in POOLS:
        last = {message.key: message.offset for message in river.topics[topic]}
        river.topics[topic] = [m for m in river.topics[topic] if last[m.key] == m.offset]


class Command:
    """The command, called again after each kill: it looks at the pools anew."""

    def __init__(self, river: Lane, given, lost: Counter | None = None, **config: int) -> None:
        self.river, self.given, self.config = river, given, config
        self.encoded: Counter[int] = Counter()
        self.empty = lost or Counter()

    def survey(self) -> Survey:
        states = [m.value for m in self.river.topics["pool.state"]]
        gone = Gone()
        for told in self.river.values("pool.control"):
            gone.add(told)
        state = states[-1] if states else MixerState()
        found = Survey(NEW, self.given, state, gone)
        for bucket in ("zh", "en"):
            for message in self.river.topics[f"pool.{bucket}"]:
                if isinstance(message.value, Document):
                    found.look(bucket, message.offset, message.value)
        return found

    def build(self) -> Retokenizer:
        compact(self.river)
        self.found = self.survey()
        self.todo = {0: self.found.todo}
        target = Target(NEW, self.encode, self.todo)
        return Retokenizer(target, MixerConfig(**self.config), self.given, 0, 1)

    def encode(self, one: Document) -> bool:
        assert one.uid in self.found.wanted, "its text was looked for"
        if one.uid in self.empty:
            return False
        self.encoded[one.uid] += 1
        one.tokenizer, one.num_tokens = NEW, one.num_tokens + 1
        one.token_ids = b"\2\0\0\0" * one.num_tokens
        return True

    def run(self, kill_share: float = 0.0) -> None:
        river, before = self.river, self.river._build
        river._build = self.build
        river.start()
        while any(self.todo.values()):
            river.feed()
            river.step(kill=river._random.random() < kill_share)
        river._build = before
        compact(river)
        river.start()


def alive(river: Lane) -> list[Message]:
    """What the lane's state does not call dead."""
    state = river.values("pool.state")[-1]
    return [
        m
        for topic in POOLS
        for m in river.topics[topic]
        if isinstance(m.value, Document) and m.offset >= state.pools[topic.removeprefix("pool.")].begin
    ]


@pytest.mark.parametrize("seed", range(25))
def test_uses_go_on_where_they_were_however_often_it_is_killed(seed: int) -> None:
    """Prevents: a document used once too often or never again, and ids of two vocabularies in a pool."""
    chance = random.Random(seed)
    river = lane(TWICE, seed, max_chunk=10, step_documents=2)
    uids = range(1, 121)
    put(river, *(document(uid, chance.choice(["zh", "en"])) for uid in uids[:90]), hole=seed % 2 == 0)
    for _ in range(seed * 3):
        river.feed()
        river.step(kill=chance.random() < 0.1)
    command = Command(river, TWICE, step_documents=7, buffer_documents=chance.choice([1, 5, 30]))
    mixed = order(river)
    command.run(kill_share=0.3)
    assert order(river) == mixed, "nothing was mixed meanwhile"
    assert not command.survey().todo
    assert {m.value.tokenizer for m in alive(river)} <= {NEW}
    assert Counter(m.value.uid for m in alive(river)).most_common(1)[0][1] == 1
    appended = (o.value for step in river.steps for o in step.outputs if o.topic in POOLS)
    found = Counter(one.uid for one in appended if isinstance(one, Document))
    assert set(found.values()) <= {1}, "none is appended in two transactions"
    state = river.values("pool.state")[-1]
    assert all(pool.sorting == NOT and pool.begin == pool.passes[0].offset for pool in state.pools.values())
    put(river, *(document(uid, chance.choice(["zh", "en"])) for uid in uids[90:]), tokenizer=NEW)
    river.put("pool.control", FLUSH)
    river.run(kill_share=0.1)
    river.run()  # the last kill may have come where nothing was left but to read again
    assert uses(river) == {uid: [1, 2] for uid in uids}
    after = [one for one in river.values("docs.mixed")[len(mixed) :] if isinstance(one, Document)]
    assert {one.tokenizer for one in after} == {NEW}
    assert not river.dropped


def test_budgets_and_phases_stay_as_they_were_counted() -> None:
    """Prevents: a phase that begins anew because its documents have other lengths now."""
    river = lane(TWICE)
    put(river, *(document(uid, ("zh", "en")[uid % 2]) for uid in range(30)))
    river.run()
    before = river.values("pool.state")[-1]
    Command(river, TWICE).run()
    after = river.values("pool.state")[-1]
    for name in ("phase", "tokens", "base", "documents", "over", "recipe", "text"):
        assert getattr(after, name) == getattr(before, name), name


def test_what_cannot_be_used_again_is_left_behind_and_its_text_not_asked_for() -> None:
    """Prevents: a whole corpus encoded anew for a recipe that uses each document once."""
    once = recipe({"name": "stable", "weights": {"zh": 1}})
    river = lane(once)
    put(river, *(document(uid) for uid in range(1, 21)))
    river.run()
    put(river, *(document(uid, "en") for uid in range(21, 26)))  # waits: no phase asks for it yet
    command = Command(river, once)
    assert sorted(command.survey().wanted) == list(range(21, 26))
    command.run()
    assert sorted(command.encoded) == list(range(21, 26))
    assert [m.value.uid for m in alive(river)] == list(range(21, 26))
    assert most_uses("zh", once, TWICE) == 2
    assert most_uses("no such", once) == 1


def test_what_was_passed_over_comes_back_and_is_passed_over_again() -> None:
    """Prevents: a document that is in no column of the tallies, or aside twice."""
    best = recipe({"name": "best", "weights": {"zh": 1}, "where": {"zh": "rank > 0.8"}})
    river = lane(best)
    put(river, *(document(uid, rank=0.9 if uid % 2 else 0.1) for uid in range(1, 11)))
    river.run()
    poor = [2, 4, 6, 8, 10]
    assert sorted(uid for step in river.steps for uid in step.aside) == poor
    Command(river, best).run(kill_share=0.2)
    assert sorted(uid for step in river.steps for uid in step.resumed) == poor
    assert sorted((m.value.uid, m.value.use) for m in alive(river)) == [(uid, 0) for uid in poor]
    river.run()
    assert sorted(uid for step in river.steps for uid in step.aside) == sorted(poor * 2)
    assert order(river) == [1, 3, 5, 7, 9]


def test_who_is_gone_needs_no_text_and_leaves_for_its_reason() -> None:
    """Prevents: a quarantined document whose lost text stops everything, and a forgotten one in the drops."""
    river = lane(TWICE)
    put(river, document(1), document(2), document(3), document(4))
    river.put("pool.control", Control(quarantine=Quarantine(uid=2, why="its text is lost")))
    river.put("pool.control", Control(forget=Forget(uid=3, why="asked for")))
    command = Command(river, TWICE)
    command.run()
    assert sorted(command.encoded) == [1, 4]
    assert [(d.uid, reason, d.token_ids != b"") for d, reason, _ in river.dropped] == [
        (2, "quarantined", True),
        (3, "forgotten", False),
    ]
    assert sorted(m.value.uid for m in alive(river)) == [1, 4]


def test_a_text_without_tokens_is_dropped_as_the_tokenizer_drops_it() -> None:
    """Prevents: a document of an end token alone in a part."""
    river = lane(TWICE)
    put(river, document(1), document(2))
    command = Command(river, TWICE, Counter([2]))
    command.run()
    assert [(one.uid, reason) for one, reason, _ in river.dropped] == [(2, "empty")]
    assert [m.value.uid for m in alive(river)] == [1]


def test_a_flush_and_a_recipe_that_were_told_before_wait_for_the_mixer() -> None:
    """Prevents: a flush that is answered by who mixes nothing."""
    held = lane(TWICE, hold=True)
    put(held, document(1), document(2, "en"))
    held.put("pool.control", FLUSH)
    Command(held, TWICE).run()
    assert held.values("docs.mixed") == []
    assert held.committed["pool.control"] == 0
    held.run()
    assert sorted(order(held)) == [1, 1, 2, 2] or sorted(order(held)) == [1, 2]
    assert isinstance(held.values("docs.mixed")[-1], Flush)


def test_a_lane_in_which_nothing_was_ever_mixed() -> None:
    """Prevents: a lane without state that is passed by."""
    river = Lane(lambda: Mixer(MixerConfig(linger_s=0), TWICE, 0, 1), INPUTS, MIXER.logs, tails=MIXER.tails)
    put(river, document(1), document(2, "en"))
    command = Command(river, TWICE)
    assert command.survey().todo == {"zh", "en"}
    command.run()
    assert sorted(m.value.uid for m in alive(river)) == [1, 2]
    assert river.values("pool.state")[-1].text == TWICE.text
