"""Like documents are kept apart, and no host takes more than its share, as far as the supply allows."""

from __future__ import annotations

import random

import pytest

from contracts import Control, Document
from contracts import Kin as Told
from services.mixer.gone import Gone
from services.mixer.kin import Kin
from services.mixer.recipe import Limits
from services.mixer.spacing import Apart, Recent
from tests.unit.mixer.test_reuse import lane, order, recipe

ONE = {"name": "one", "weights": {"zh": 1}}


def document(uid, tokens=10, cluster=0, url="", source="file:///a.jsonl#1"):
    metadata = {"url": url} if url else {}
    return Document(
        uid=uid, id=str(uid), num_tokens=tokens, cluster=cluster, source=source, metadata=metadata
    )


def allows(recent, one):
    """Whether it may come next."""
    return recent.free_at(one) <= recent.end


def distances(documents):
    """Tokens between the end of a document and the beginning of the next of its cluster."""
    ended, at, found = {}, 0, []
    for one in documents:
        key = one.cluster or one.uid
        if key in ended:
            found.append(at - ended[key])
        at += one.num_tokens
        ended[key] = at
    return found


def mixed(river):
    return [one for one in river.values("docs.mixed") if isinstance(one, Document)]


@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_is_kept_apart_where_the_supply_allows(seed):
    """In a part and in a batch near-duplicates would come together, as they do in a crawl."""
    rng = random.Random(seed)
    made = [
        document(uid, rng.randint(1, 60), rng.choice([0] * 20 + [9_001, 9_002])) for uid in range(1, 1001)
    ]
    apart, as_they_come = lane(recipe(ONE, spacing=400), seed=seed), lane(recipe(ONE), seed=seed)
    for river in (apart, as_they_come):
        river.put("pool.zh", *made)
        river.run(kill_share=0.05)
    assert min(distances(mixed(as_they_come))) < 100
    assert min(distances(mixed(apart)[:700])) >= 400, "towards the end there is nothing left to put between"
    assert sorted(order(apart)) == sorted(order(as_they_come))


def test_the_first_of_a_cluster_went_by_before_there_was_one():
    river = lane(recipe(ONE, spacing=25))
    river.put("pool.zh", document(7), document(8, cluster=7), *(document(n) for n in range(20, 24)))
    river.run()
    assert order(river) == [7, 20, 21, 22, 8, 23]


@pytest.mark.parametrize("seed", range(3))
def test_clusters_that_grew_together_are_kept_apart_as_one(seed):
    """A link that comes when documents have gone out under both ids must not be lost, whoever is killed."""
    rng = random.Random(seed)
    keys = [0] * 20 + [9_001, 9_002, 9_003]
    made = [document(uid, rng.randint(1, 60), rng.choice(keys)) for uid in range(1, 801)]
    made[0].uid = 9_000
    river = lane(recipe(ONE, spacing=400), seed=seed)
    links = [Control(kin=Told(key=9_003, into=9_001)), Control(kin=Told(key=9_001, into=9_000))]
    river.put("pool.control", *rng.sample(links, 2))
    river.put("pool.zh", *made)
    river.run(kill_share=0.05)
    out = mixed(river)
    assert {one.cluster for one in out} == {0, 9_000, 9_002}, "a part says what was known when it was mixed"
    assert min(distances(out[:400])) >= 400


def test_a_link_counts_for_what_was_mixed_before_it():
    """Else the two that it is about would come one after the other."""
    kin = Kin()
    recent = Recent(Apart(100, Limits()), kin)
    recent.add(document(7, cluster=5))
    assert allows(recent, document(3))
    recent.join(kin.join(5, 3))
    assert not allows(recent, document(3))
    assert recent.free_at(document(3)) == 110
    for uid in range(20, 30):
        recent.add(document(uid))
    assert allows(recent, document(3))


@pytest.mark.parametrize("seed", range(3))
def test_links_in_any_order_and_however_often_give_the_least_key(seed, monkeypatch):
    """Through packing and snapshots: a lane may be told again what it was told, and starts from the store."""
    monkeypatch.setattr("services.mixer.kin._PACK_AT", 16)
    rng = random.Random(seed)
    groups = [[rng.getrandbits(64) for _ in range(rng.randint(1, 9))] for _ in range(60)]
    links = [(rng.choice(group[: at + 1]), group[at + 1]) for group in groups for at in range(len(group) - 1)]
    gone, told = Gone(), links + rng.sample(links, len(links) // 2)
    rng.shuffle(told)
    for one, other in told:
        gone.kin.join(one, other)
        if rng.random() < 0.1:
            gone = Gone.restored(gone.snapshot())
    assert len(gone) == len(links)
    for group in groups:
        assert {gone.kin.find(key) for key in group} == {min(group)}


def test_where_all_are_near_the_first_goes():
    river = lane(recipe(ONE, spacing=1000), look_ahead=5)
    river.put(
        "pool.zh", *(document(n, cluster=9) for n in range(1, 11)), *(document(n) for n in range(20, 25))
    )
    river.run()
    assert order(river) == [1, 2, 3, 4, 5, 6, 20, 21, 22, 23, 24, 7, 8, 9, 10]


def test_it_looks_ahead_as_far_as_it_says_however_documents_arrive():
    """Else the order of a lane would follow the network."""
    for chunk in (1, 3, 100):
        river = lane(recipe(ONE, spacing=1000), look_ahead=4, max_chunk=chunk)
        river.put(
            "pool.zh", document(1, cluster=9), document(2, cluster=9), *(document(n) for n in range(3, 9))
        )
        river.run()
        assert order(river)[:3] == [1, 3, 4]


def test_a_host_takes_its_share_of_any_window():
    limits = Limits(host=0.2, window=1000)
    river = lane(recipe(ONE, limits=limits.model_dump(exclude_none=True)), max_chunk=500)
    rng = random.Random(1)
    hosts = ["big.example"] * 3 + [f"h{n}.example" for n in range(9)]
    river.put("pool.zh", *(document(n, 20, url=f"https://{rng.choice(hosts)}/{n}") for n in range(1, 901)))
    river.run(kill_share=0.05)
    out = mixed(river)[:600]
    for start in range(len(out) - 49):
        window = out[start : start + 49]
        assert sum(20 for one in window if "big.example" in one.metadata["url"]) <= 220
    assert sum("big.example" in one.metadata["url"] for one in out) > 100


def test_a_file_has_no_host_and_a_source_is_a_file():
    recent = Recent(Apart(0, Limits(host=0.1, source=0.5, window=100)), Kin())
    for uid in range(4):
        assert allows(recent, document(uid))
        recent.add(document(uid))
    assert allows(recent, document(5))
    recent.add(document(5))
    assert not allows(recent, document(6)), "a sixth document of the file is above half of the window"
    assert allows(recent, document(6, source="file:///b.jsonl#1"))


def test_what_is_packed_goes_on_as_it_was():
    rng = random.Random(2)
    apart = Apart(300, Limits(host=0.1, window=500))
    one = Recent(apart, Kin())
    for uid in range(1, 500):
        new = document(
            uid, rng.randint(1, 40), rng.choice([0, 1, 2, 3]), f"https://h{rng.randint(0, 5)}.org/"
        )
        other = Recent(apart, Kin())
        other.unpack(one.pack())
        probe = document(10_000, 10, rng.choice([1, 2, 3]), f"https://h{rng.randint(0, 5)}.org/")
        assert allows(one, probe) == allows(other, probe)
        one.add(new)
    assert len(one.pack()) <= 20 * 501
