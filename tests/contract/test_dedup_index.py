"""One contract, held by the index in memory and by the one in a real Redis or Valkey; then what only a
server can do: be shared, be killed, be away, be full.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from contracts import Document
from services.dedup import DedupConfig, Deduplicator, fine_sketch
from services.dedup import entry as entries
from services.dedup.entry import Entry, Order
from services.dedup.index import NEXT, Death, Growth, Index, MemoryIndex, Seat, Table
from services.dedup.met import BEST, FOUNDERS, Met
from services.dedup.odd_sketch import Shingles
from services.dedup.page import Page
from services.dedup.redis_index import Gone, RedisIndex
from services.dedup.scripts import Script
from services.dedup.shingles import Words
from services.runtime import ConfigurationError, DependencyDown, Drop, Verdict
from services.runtime.state import MemoryMarks, RedisMarks, Server
from tests.near_duplicates import (
    chain,
    commit,
    corpus,
    document,
    least_kin,
    redis_judge,
    standing,
    survivors,
)
from tests.near_duplicates import (
    keys as final_keys,
)
from tests.servers import RedisServer
from tests.template_pages import crowd

WORKERS = 8


@pytest.fixture(params=["memory", "redis", "three shards"])
def index(request: pytest.FixtureRequest) -> Index:
    if request.param == "memory":
        return MemoryIndex()
    shards = 3 if request.param == "three shards" else 1
    return redis_index(request.getfixturevalue("empty_server"), DedupConfig(shards=shards))


def redis_index(server: RedisServer, config: DedupConfig | None = None) -> RedisIndex:
    config = config or DedupConfig()
    connected = Server(server.client(), config)
    marks = RedisMarks(connected, config)
    marks.begin({})
    return RedisIndex(connected, config, marks.generation)


def order(uid: int, rank: float = 0.5) -> Order:
    return (rank, 7, uid)


def keys(*rows: list[int]) -> Words:
    return np.array(rows, np.uint64)


def link(index: Index, orders: list[Order], bands: Words, table: Table = "bands") -> list[Met]:
    """Once they are put, as the contract wants it."""
    index.put([entry(uid, rank) for rank, _, uid in orders])
    return index.link(orders, bands, table)


def quiet(met: Met) -> set[int]:
    """Whom a document met, all of them where there was no crowd."""
    assert met.quiet == met.uids
    assert met.missed == 0
    return met.uids


def entry(uid: int, rank: float = 0.5) -> Entry:
    return Entry(uid, rank, 7, 160, b"somewh", bytes([uid % 256] * 48), bytes([uid % 251] * fine_sketch.SIZE))


def some_uids(count: int, seed: int = 0) -> list[int]:
    rng = random.Random(seed)
    return [rng.getrandbits(64) | 1 for _ in range(count)]


class TestContract:
    def test_the_first_entry_stands(self, index: Index) -> None:
        """What was stored at first sight decides for ever, or a replay would change the past."""
        assert index.put([entry(1), entry(2), entry(1, 0.9)]) == [None, None, entry(1)]
        assert index.put([entry(2, 0.1)]) == [entry(2)]
        assert index.fetch({1, 2, 3}) == {1: entry(1).pack(), 2: entry(2).pack()}

    def test_the_best_holds_an_exact_text(self, index: Index) -> None:
        """Rank first, then seniority, then uid, over the whole range of each."""
        big, bigger = 2**63, 2**64 - 1
        best, last = (0.5, 7, 3), (0.0, 7, 1)
        assert index.hold([7, 7, 8], [best, (0.25, 7, bigger), last]) == [best, best, last]
        assert index.hold([9, 9], [(0.5, 7, bigger), (0.5, 2**32 - 1, 1)])[1] == (0.5, 2**32 - 1, 1)
        assert index.hold([9], [(0.5, 2**31, bigger)]) == [(0.5, 2**32 - 1, 1)]
        assert index.hold([7], [(0.5, 7, big)]) == [(0.5, 7, big)]
        assert index.hold([7], [(0.5, 7, big - 1)]) == [(0.5, 7, big)]
        assert index.hold([7], [(0.5, 7, 3)]) == [(0.5, 7, big)]
        assert index.hold([7], [(1.0, 7, 1)]) == [(1.0, 7, 1)]

    def test_each_meets_those_before_it(self, index: Index) -> None:
        """Of two in one band at least one must see the other, in one call or in two."""
        bands = keys([1, 2], [3, 2], [4, 2**48 - 1])
        assert [quiet(met) for met in link(index, [order(11), order(12), order(13)], bands)] == [
            set(),
            {11},
            set(),
        ]
        (met,) = link(index, [order(14)], keys([3, 2**48 - 1]))
        assert (quiet(met), met.most) == ({12, 13}, 1)
        assert link(index, [order(11)], bands[:1])[0].uids == {12}
        assert [met.uids for met in link(index, [order(11), order(11)], bands[[0, 0]])] == [{12}, {12}]
        (met,) = link(index, [order(15)], keys([2, 1]))
        assert (met.most, met.uids, met.likeliest(1, ())) == (2, {11, 12}, [11])

    def test_the_tables_and_the_bits_of_a_key_are_kept_apart(self, index: Index) -> None:
        """All 48 bits count: each of those that differ in one of them is a stranger. And 0 is no key."""
        assert link(index, [order(1)], keys([5]), "rare")[0].uids == set()
        assert link(index, [order(2)], keys([5]))[0].uids == set()
        assert link(index, [order(3)], keys([5]), "rare")[0].uids == {1}
        near = [2**bit for bit in range(48)]
        assert [met.uids for met in link(index, [order(uid) for uid in range(10, 58)], keys(near).T)] == [
            set()
        ] * 48
        assert [m.uids for m in link(index, [order(7), order(8)], keys([0, 0], [0, 0]))] == [set(), set()]

    def test_the_first_death_stands(self, index: Index) -> None:
        """Exactly one is responsible for a retraction, also when its verdict was lost."""
        asked = [(1, Death(5, True)), (2, Death(6, False)), (1, Death(6, False))]
        assert index.bury(asked) == [Death(5, True), Death(6, False), Death(5, True)]
        assert index.bury([(1, Death(7, False)), (3, Death(7, True))]) == [Death(5, True), Death(7, True)]
        assert index.deaths({1, 2, 3, 4}) == {1: Death(5, True), 2: Death(6, False), 3: Death(7, True)}
        assert index.fetch({1}) == {}  # a death is no entry

    def test_the_first_parent_stands(self, index: Index) -> None:
        """A link that another replica made is built upon, and who made it is known."""
        big = 2**64 - 1
        assert index.join([(7, 1), (big, 2**63), (7, 2)]) == [(1, True), (2**63, True), (1, False)]
        assert index.join([(7, 3), (3, big)]) == [(1, False), (big, True)]
        assert index.parents({7, 1, 3, big}) == {7: 1, 3: big, big: 2**63}
        assert index.fetch({7}) == {}  # it is no entry, and no death
        assert index.deaths({7}) == {}

    def test_members_are_numbered_in_their_order(self, index: Index) -> None:
        """Each once, whatever it is asked again; the founder is 1 without being told."""
        big = 2**64 - 1
        asked = [(1, Seat(7, NEXT)), (2, Seat(7, NEXT)), (big, Seat(big - 1, NEXT)), (1, Seat(7, NEXT))]
        assert index.number(asked) == [2, 3, 2, 2]
        assert index.number([(4, Seat(7, 0)), (5, Seat(7, NEXT)), (2, Seat(7, 0))]) == [0, 4, 3]
        assert index.number([(2, Seat(7, NEXT)), (4, Seat(7, NEXT))]) == [3, 5]
        assert index.parents({1, 2, 7}) == {}, "a count is no link"

    def test_clusters_that_become_one_are_counted_together(self, index: Index) -> None:
        """Prevents a cluster of hundreds whose next member is the second, since its id has changed."""
        index.number([(uid, Seat(7, NEXT)) for uid in (1, 2)])
        assert index.counts({7, 9}) == {7: 3}
        assert index.add([Growth(5, True, 3), Growth(5, True, 1)]) == [4, 5]
        assert index.number([(3, Seat(5, NEXT))]) == [6], "1 of 5, 3 of 7, 1 of 9, and itself"
        assert index.add([Growth(4, False, 6)]) == [6]
        assert index.number([(6, Seat(4, NEXT))]) == [7], "a newcomer whose uid is less than all"
        index.raise_counts([(8, 7), (4, 3)])
        assert index.number([(10, Seat(8, NEXT)), (11, Seat(4, NEXT))]) == [8, 8]

    def test_a_number_that_is_given_stands_and_is_gone_on_from(self, index: Index) -> None:
        """A log is read in any order."""
        given = [(1, Seat(7, 300)), (2, Seat(7, 70_000)), (3, Seat(7, 2)), (4, Seat(8, 2))]
        assert index.number(given) == [300, 70_000, 2, 2]
        assert index.number([(5, Seat(7, NEXT)), (6, Seat(8, NEXT))]) == [70_001, 3]
        assert index.number([(1, Seat(7, NEXT)), (3, Seat(7, 9))]) == [300, 2]

    def test_the_first_page_stands(self, index: Index) -> None:
        """Else a document that is judged again would say other rare keys than those that it is under."""
        sketch = Shingles("a page of its own, and some more of it").sketch()
        pages = {1: Page(sketch, (1, 2, 2**48 - 1)), 2: Page(sketch)}
        assert index.open_pages(pages) == pages
        other = {2: Page(Shingles("another").sketch(), (9,)), 3: Page(sketch, (7,))}
        assert index.open_pages(other) == {2: pages[2], 3: other[3]}
        assert index.fetch_sketches({1, 2, 3, 4}) == {
            uid: each.sketch for uid, each in {**pages, 3: other[3]}.items()
        }

    def test_a_crowded_band_keeps_its_founders_and_its_best(self, index: Index) -> None:
        """Boilerplate puts thousands into one band: each costs no more, and what that hides is known."""
        uids = some_uids(300)
        orders = [order(uid, number % 97 / 97) for number, uid in enumerate(uids)]
        met = link(index, orders, keys([42]).repeat(len(uids), 0))
        for number, found in enumerate(met):
            later = sorted(orders[FOUNDERS:number])
            assert found.uids == {*uids[: min(FOUNDERS, number)], *(each[2] for each in later[-BEST:])}
            assert found.most == number
            assert found.missed == max(0, number - FOUNDERS - BEST)
            assert found.quiet == (found.uids if number < FOUNDERS else set())
            assert found.late == (set() if number < FOUNDERS else {42})
        again = link(index, orders[: FOUNDERS + 1], keys([41, 42]).repeat(FOUNDERS + 1, 0))
        assert [found.late for found in again] == [set()] * FOUNDERS + [{41, 42}]

    def test_asking_whom_one_would_meet_enters_nothing(self, index: Index) -> None:
        """`dedup explain` looks up documents that are no part of the corpus, too."""
        asked = order(90, 0.9)
        assert index.meet([asked], keys([5, 6]))[0].keys == []
        link(index, [order(uid) for uid in range(1, FOUNDERS + 3)], keys(*[[5, 7]] * (FOUNDERS + 2)))
        (met,) = index.meet([asked], keys([5, 6]))
        (linked,) = link(index, [asked], keys([5, 6]))
        assert met.uids == linked.uids == set(range(1, FOUNDERS + 3))
        assert met.most == linked.most
        assert index.meet([asked], keys([6, 6]))[0].uids == set()  # itself alone

    def test_what_a_band_keeps_does_not_depend_on_the_order(self, index: Index) -> None:
        """Past its founders: these are members for good, and the best are the best of all that came."""
        uids = some_uids(120)
        founders, rest = uids[:FOUNDERS], [order(uid, uid % 11 / 11) for uid in uids[FOUNDERS:]]
        kept = []
        for key in range(1, 5):
            link(index, [order(uid) for uid in founders], keys([key]).repeat(FOUNDERS, 0))
            random.Random(key).shuffle(rest)
            for start in range(0, len(rest), 30):
                part = rest[start : start + 30]
                link(index, part, keys([key]).repeat(len(part), 0))
            link(index, rest[:20], keys([key]).repeat(20, 0))  # a replay
            kept.append(link(index, [order(1)], keys([key]))[0].uids)
        assert kept == [{*founders, *(each[2] for each in sorted(rest)[-BEST:])}] * 4

    def test_below_the_bound_all_meet(self, index: Index) -> None:
        uids = some_uids(FOUNDERS + BEST)
        link(index, [order(uid) for uid in uids], keys([3]).repeat(len(uids), 0))
        met = link(index, [order(uid) for uid in uids], keys([3]).repeat(len(uids), 0))
        assert [found.uids for found in met] == [set(uids) - {uid} for uid in uids]
        assert {found.missed for found in met} == {0}

    def test_growth_loses_nothing(self, index: Index) -> None:
        """The tables split as they grow: each record must stay where its address is looked for."""
        uids = some_uids(16_000)
        # odd, so all keys differ
        bands = (np.arange(len(uids) * 6, dtype=np.uint64) * np.uint64(0x9E3779B97F4B)).reshape(-1, 6)
        bands = (bands & np.uint64(2**48 - 1)) + np.uint64(1)
        for start in range(0, len(uids), 700):
            part = slice(start, start + 700)
            assert index.put([entry(uid) for uid in uids[part]]) == [None] * len(uids[part])
            index.hold(uids[part], [order(uid) for uid in uids[part]])
            link(index, [order(uid) for uid in uids[part]], bands[part])
        index.bury([(uid, Death(99, True)) for uid in uids[::3]])
        links = [(uid, uid ^ 1 + at % 5) for at, uid in enumerate(uids)]
        assert index.join(links) == [(parent, True) for _, parent in links]
        assert index.join([(uid, 5) for uid in uids]) == [(parent, False) for _, parent in links]
        seats = [(uid, Seat(uid ^ 6, NEXT)) for uid in uids]
        assert index.number(seats) == index.number(seats) == [2] * len(uids)
        assert index.put([entry(uid, 0.9) for uid in uids]) == [entry(uid) for uid in uids]
        assert index.hold(uids, [(0.0, 7, 1)] * len(uids)) == [order(uid) for uid in uids]
        assert [met.uids for met in link(index, [order(5)] * len(uids), bands)] == [{uid} for uid in uids]
        assert index.bury([(uid, Death(98, True)) for uid in uids[::3]]) == [Death(99, True)] * len(uids[::3])

    def test_nothing_asked_nothing_answered(self, index: Index) -> None:
        assert index.put([]) == []
        assert index.hold([], []) == []
        assert index.link([], np.empty((0, 18), np.uint64)) == []
        assert index.fetch(set()) == {}
        assert index.open_pages({}) == {}
        assert index.fetch_sketches(set()) == {}
        assert index.bury([]) == []
        assert index.deaths(set()) == {}
        assert index.join([]) == []
        assert index.parents(set()) == {}
        assert index.number([]) == []
        assert index.counts(set()) == {}
        assert index.add([]) == []
        index.close()

    @pytest.mark.parametrize("seed", [1, 2])
    def test_the_survivors_are_those_of_the_rule(self, index: Index, seed: int) -> None:
        """The judgement does not depend on which index is under it."""
        documents = corpus(seed)
        judge = Deduplicator(index, MemoryMarks(DedupConfig()), DedupConfig())
        outcomes = [
            pair
            for start in range(0, len(documents), 17)
            for batch in [documents[start : start + 17]]
            for pair in zip(batch, judge(batch), strict=True)
        ]
        assert standing(outcomes) == survivors(documents, DedupConfig())


def test_who_leaves_a_crowd_is_met_no_more(empty_server: RedisServer) -> None:
    """Prevents a copy of what is gone, and one that becomes a founder and stays among the best."""
    index = redis_index(empty_server)
    uids = some_uids(FOUNDERS + BEST + 1)
    link(index, [order(uid, at / 100) for at, uid in enumerate(uids)], keys([42]).repeat(len(uids), 0))
    gone = uids[-1], uids[0], uids[-3]  # the best of all, a founder, one of the rest
    for uid in gone:
        index.remove([Gone(uid, uid, [42], [])])
    (met,) = index.meet([order(5)], keys([42]))
    assert sorted(met.keys[0].kept) == sorted({*uids[:FOUNDERS], *uids[-BEST:]} - {*gone})


def test_where_the_name_of_a_string_tells_two_bytes_of_a_key(
    empty_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 65,536 strings on, of three million keys, records get shorter; and longer again as it shrinks."""
    index = redis_index(empty_server)
    source = index.scripts.by_name["bands.lua"].source
    few = source.replace("LOAD, FEWEST = 64, 256", "LOAD, FEWEST = 1, 32768")
    assert few != source
    monkeypatch.setitem(index.scripts.by_name, "bands.lua", Script(few))
    uids = some_uids(1700)
    near = np.arange(1, 18, dtype=np.uint64) << np.uint64(16)  # keys that differ in few of their bytes
    bands = np.random.default_rng(1).integers(0, 2**16, (len(uids), 1), np.uint64) + near
    bands = np.concatenate([bands, bands + np.uint64(2**40)], axis=1)
    orders = [order(uid) for uid in uids]
    met = link(index, orders, bands)
    twins = {uid for each in met for uid in each.uids}
    assert 0 < len(twins) < 40  # of the same lowest bytes
    assert int(empty_server.client().get("dedup{0}:bands:n") or 0) > 32768 + 20_000
    found = [each.uids | {uid} for each, uid in zip(index.meet(orders, bands), uids, strict=True)]
    assert [each.uids for each in index.meet([order(5)] * len(uids), bands)] == found
    gone = {uid for at, uid in enumerate(uids) if at % 8}
    index.remove(
        [Gone(uid, uid, row, []) for uid, row in zip(uids, bands.tolist(), strict=True) if uid in gone]
    )
    assert int(empty_server.client().get("dedup{0}:bands:n") or 0) < 32768
    left = [each - gone for each in found]
    assert [each.uids for each in index.meet([order(5)] * len(uids), bands)] == left


def work(
    judge: Deduplicator, documents: list[Document], seed: int, crash: float
) -> list[tuple[Document, Verdict]]:
    """A replica: batches of any size; by chance the verdicts of one are lost and it comes again."""
    rng = random.Random(seed)
    outcomes: list[tuple[Document, Verdict]] = []
    while documents:
        size = rng.randint(1, 15)
        batch, documents = documents[:size], documents[size:]
        while rng.random() < crash:
            judge([Document.FromString(each.SerializeToString()) for each in batch])
        outcomes += zip(batch, judge(batch), strict=True)
        last = batch[-1].position
        if rng.random() < 0.5:  # the runtime may die between the commit and saying so
            commit(judge, last.offset + 1, last.partition)
    return outcomes


def shuffled_copy(documents: list[Document], partition: int) -> list[Document]:
    """The same documents in another order, as partition `partition` holds them."""
    copies = [Document.FromString(each.SerializeToString()) for each in documents]
    random.Random(partition).shuffle(copies)
    for offset, each in enumerate(copies):
        each.position.partition, each.position.offset = partition, offset
    return copies


@pytest.mark.parametrize(("seed", "crash"), [(seed, crash) for seed in range(4) for crash in (0.0, 0.3)])
def test_racing_replicas_leave_the_survivors_of_the_rule(
    empty_server: RedisServer, seed: int, crash: float
) -> None:
    """Eight replicas over shuffled copies, chains included, dying and repeating: every time the same set."""
    documents = corpus(seed + 100)
    judges = [redis_judge(empty_server.client()) for _ in range(WORKERS)]
    copies = [shuffled_copy(documents, partition) for partition in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(work, judges, copies, range(WORKERS), [crash] * WORKERS))
    outcomes = [pair for result in results for pair in result]
    assert standing(outcomes) == survivors(documents, DedupConfig())
    expected = least_kin(documents, DedupConfig())
    assert all(key == expected[uid] for uid, key in final_keys([verdict for _, verdict in outcomes]).items())
    # and again from offset 0, on new replicas that know the index alone
    for partition, copy in enumerate(copies):
        judge = redis_judge(empty_server.client())
        commit(judge, len(copy), partition)
        again = judge(copy)
        assert all(isinstance(verdict, Drop) and verdict.reason == "already_seen" for verdict in again)
        judge.close()
    for judge in judges:
        judge.close()


def test_the_race_test_can_fail(empty_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking without entering first is the mistake that the race test is there to find."""
    monkeypatch.setattr(RedisIndex, "link", lambda self, orders, *_: [Met() for _ in orders])
    documents = corpus(100)
    judge = redis_judge(empty_server.client())
    outcomes = work(judge, shuffled_copy(documents, 0), 0, 0.0)
    assert standing(outcomes) != survivors(documents, DedupConfig())


@pytest.mark.parametrize("shards", [1, 3])
def test_racing_replicas_give_each_member_one_number(empty_server: RedisServer, shards: int) -> None:
    """Prevents two that are both the 17th, or a member that is another one when it comes again."""
    config = DedupConfig(shards=shards)
    members = [(uid, Seat(7 + number % 3 << 60, NEXT)) for number, uid in enumerate(some_uids(900))]

    def join(seed: int) -> dict[int, int]:
        index, asked = redis_index(empty_server, config), random.Random(seed).sample(members, len(members))
        found: dict[int, int] = {}
        for at in range(0, len(asked), 7):
            part = asked[at : at + 7]
            found |= zip((uid for uid, _ in part), index.number(part), strict=True)
        index.close()
        return found

    redis_index(empty_server, config).close()
    with ThreadPoolExecutor(WORKERS) as pool:
        first, *others = pool.map(join, range(WORKERS))
    assert all(other == first for other in others)
    for cluster in {seat.cluster for _, seat in members}:
        of_it = [uid for uid, seat in members if seat.cluster == cluster]
        assert sorted(first[uid] for uid in of_it) == list(range(2, 302))


def test_a_number_costs_a_few_bytes(empty_server: RedisServer) -> None:
    """Of a member once more the uid, in a listpack, and two or three of the number."""
    client, index, uids = empty_server.client(), redis_index(empty_server), some_uids(30_000)
    used = []
    for step in ("link", "number"):
        for start in range(0, len(uids), 1000):
            links = [(uid, uid % 600 + 1) for uid in uids[start : start + 1000]]
            if step == "link":
                index.join(links)
            else:
                index.number([(uid, Seat(parent, NEXT)) for uid, parent in links])
        used.append(sum(client.memory_usage(name, samples=0) or 0 for name in client.scan_iter()) / len(uids))
    assert 15 < used[0] < 25
    assert 5 < used[1] - used[0] < 20


def test_the_index_stays_packed(empty_server: RedisServer) -> None:
    """Hashes that outgrow a listpack cost five times the memory, strings that Redis doubles twice that."""
    client = empty_server.client()
    index, bands = redis_index(empty_server), DedupConfig().bands
    before = client.info("memory")["used_memory_dataset"]
    uids, rng = some_uids(20_000), np.random.default_rng(0)
    for start in range(0, len(uids), 1000):
        part = uids[start : start + 1000]
        index.put([entry(uid) for uid in part])
        index.hold(part, [order(uid) for uid in part])
        link(index, [order(uid) for uid in part], rng.integers(1, 2**48, (len(part), bands), np.uint64))
    used = (client.info("memory")["used_memory_dataset"] - before) / len(uids)
    assert used < 400
    assert used - (entries.SIZE - entries.HEAD) < 235
    names = rng.permutation(list(client.scan_iter(match="dedup{0}:exact:[0-9]*")))[:200]
    assert {client.object("encoding", name) for name in names} == {b"listpack"}


def test_all_keys_of_a_call_share_a_slot(empty_server: RedisServer) -> None:
    """Redis Cluster refuses a script that touches another slot."""
    redis_judge(empty_server.client(), DedupConfig(shards=3))([*corpus(3), *crowd(1, 60, 0.72).pages])
    tags = {key[: key.index(b"}") + 1] for key in empty_server.client().scan_iter()}
    assert tags == {b"dedup{0}", b"dedup{1}", b"dedup{2}"}


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Kafka has committed what the judge returned; a Redis that forgets it would let duplicates through."""
    server = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    try:
        documents = corpus(9)
        judge = redis_judge(server.client())
        outcomes: list[tuple[Document, Verdict]] = []
        for start in range(0, len(documents), 10):
            batch = documents[start : start + 10]
            outcomes += zip(batch, judge(batch), strict=True)
            commit(judge, start + len(batch))
            if start % 30 == 0:
                server.kill()
                with pytest.raises(DependencyDown, match="redis"):
                    judge(documents[start + 10 : start + 20] or batch)
                server.start()
        assert standing(outcomes) == survivors(documents, DedupConfig())
        assert {verdict.reason for verdict in judge(documents) if isinstance(verdict, Drop)} == {
            "already_seen"
        }
    finally:
        server.stop()


def test_scripts_are_loaded_again(empty_server: RedisServer) -> None:
    """A restart or SCRIPT FLUSH takes the scripts away; that is not a fault of any document."""
    index = redis_index(empty_server)
    index.put([entry(1)])
    empty_server.client().script_flush()
    assert index.put([entry(1)]) == [entry(1)]


def fill_up(server: RedisServer) -> None:
    server.client().config_set("maxmemory", 1)


def make_read_only(server: RedisServer) -> None:
    server.client().replicaof("127.0.0.1", "1")


@pytest.mark.parametrize(
    ("trouble", "word"), [(fill_up, "OOM|maxmemory"), (make_read_only, "READONLY|read only")]
)
def test_a_server_that_cannot_write_is_down(
    empty_server: RedisServer, trouble: Callable[[RedisServer], None], word: str
) -> None:
    """A full or demoted server is waited for; no document is dropped or dead-lettered for it."""
    judge = redis_judge(empty_server.client())
    batch = [document(1, "before it was full", offset=0)]
    judge(batch)
    try:
        trouble(empty_server)
        with pytest.raises(DependencyDown, match=word):
            judge([document(2, "after it was full", offset=1)])
    finally:
        empty_server.client().replicaof("NO", "ONE")
        empty_server.client().config_set("maxmemory", 0)
    assert len(judge([document(2, "after it was full", offset=1)])) == 1


def test_a_server_that_is_away_is_down() -> None:
    """Nobody listens: a clear error from every step."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    server = Server(Redis(port=1, retry=Retry(NoBackoff(), 0)), DedupConfig())
    index = RedisIndex(server, DedupConfig(), lambda: b"any")
    steps: list[Callable[[], object]] = [
        lambda: index.put([entry(1)]),
        lambda: index.link([order(1)], keys([1])),
        lambda: index.deaths({1}),
    ]
    for step in steps:
        with pytest.raises(DependencyDown, match="redis does not answer"):
            step()


@pytest.mark.parametrize("steps", ["put", "fetch", "link"])
def test_an_index_of_another_generation_is_neither_read_nor_written(
    empty_server: RedisServer, steps: str
) -> None:
    """An emptied server that is filled again would let all that comes again pass again."""
    index, client = redis_index(empty_server), empty_server.client()
    index.put([entry(1)])
    client.flushall()
    ask: dict[str, Callable[[], object]] = {
        "put": lambda: index.put([entry(2)]),
        "fetch": lambda: index.fetch({3}),
        "link": lambda: index.link([order(2)], keys([1, 2])),
    }
    with pytest.raises(ConfigurationError, match="dedup rebuild"):
        ask[steps]()
    assert client.dbsize() == 0


def test_hundreds_of_near_duplicates_leave_the_best(empty_server: RedisServer) -> None:
    """A template used everywhere crowds its bands, and must neither be slow beyond use nor leak."""
    (text,) = chain(5, 1, 0.0)
    documents = [document(uid, f"{text} {uid}", (uid * 37 % 1000) / 1024, uid) for uid in range(1, 201)]
    judge = redis_judge(empty_server.client())
    outcomes = [
        pair
        for start in range(0, 200, 50)
        for batch in [documents[start : start + 50]]
        for pair in zip(batch, judge(batch), strict=True)
    ]
    assert standing(outcomes) == survivors(documents, DedupConfig())
