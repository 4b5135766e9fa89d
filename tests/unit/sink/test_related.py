"""Packing by topic: contexts of one topic, adjacent ones of any; threads whole, copies apart."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from contracts import Document, Flush
from services.runtime import ObjectStore
from services.sink import related as module
from services.sink.gist import NORM, gists
from services.sink.packing import best_fit, shuffled
from services.sink.related import neighbours
from services.sink.strategies import STRATEGIES, Window
from tests.unit.sink.test_packing import check
from tests.unit.sink.test_sink import document, known, lane, parts, sealed

TEXTS = Path(__file__).parents[4] / "shared/data/text/categories.jsonl.gz"
NAME = "lane-000/part-000-00000000-000000000000-000000000999"


def related(window, sequence_length):
    return STRATEGIES["related"](window, sequence_length)


def made(seed, count, topics=20):
    """Tokens of documents, and the topic of each: half of the tokens are of a vocabulary of its own."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, topics, count)
    sizes = np.maximum(4, rng.lognormal(4, 0.8, count)).astype(int)
    tokens = [
        np.append(rng.integers(0, 300, n - n // 2), 1000 * (t + 1) + rng.integers(0, 100, n // 2))
        for t, n in zip(topic, sizes.tolist(), strict=True)
    ]
    return tokens, topic


def contexts(layout):
    """The documents of each sequence, as they lie there."""
    found = defaultdict(list)
    for at in np.lexsort((layout.offset, layout.sequence)).tolist():
        found[int(layout.sequence[at])].append(int(layout.document[at]))
    return [found[number] for number in range(layout.num_sequences)]


def within(groups, alike):
    """The mean of a matrix over pairs of documents of one context."""
    pairs = [(a, b) for group in groups for a in set(group) for b in set(group) if a < b]
    return float(np.mean([alike[a, b] for a, b in pairs]))


def between(groups, alike, gap):
    """The same over documents of contexts that are so far from each other."""
    return float(
        np.mean([alike[np.ix_(one, other)].mean() for one, other in zip(groups, groups[gap:], strict=False)])
    )


def test_contexts_are_of_one_topic_and_neighbours_are_not():
    """Nineteen pairs in twenty would be of two topics by chance."""
    tokens, topic = made(1, 1500)
    lengths = np.array([len(each) for each in tokens])
    layout = shuffled(related(Window(tokens), 512), NAME)
    check(lengths, layout, 512)
    same = (topic[:, None] == topic).astype(float)
    groups = contexts(layout)
    assert within(contexts(best_fit(lengths, 512)), same) < 0.1
    assert within(groups, same) > 0.65
    assert between(groups, same, 1) < 0.1
    assert lengths.sum() / (layout.num_sequences * 512) > 0.97


@pytest.mark.skipif(not TEXTS.exists(), reason="the labelled texts are not beside the checkout")
def test_real_texts():
    """1,200 texts of 250 kinds, judged by their labels and by all their words, which the packer does not see.

    Of 4,000 the likeness was 0.10, by chance 0.03; of one kind were 38 pairs in 100, by chance 12; adjacent
    contexts were alike as any are (0.0310, 0.0313); padding was 1.0 %.
    """
    from services.tokenizer import Vocabulary

    rows, alike, kind = _real(1200)
    tokens = Vocabulary.load().encode_batch([row["text"][:20_000] for row in rows])
    lengths = np.array([len(each) for each in tokens])
    layout = shuffled(related(Window(tokens), 2048), NAME)
    check(lengths, layout, 2048)
    assert (np.bincount(layout.document) == -(-lengths // 2048)).all(), "what fits a sequence is not cut"
    groups, chance = contexts(layout), contexts(best_fit(lengths, 2048))
    padding = 1 - lengths.sum() / (layout.num_sequences * 2048)
    far = float(np.mean([between(groups, alike, gap) for gap in range(2, 30)]))
    print(
        f"\nlikeness within {within(groups, alike):.4f}, by chance {within(chance, alike):.4f}; "
        f"of one kind {within(groups, kind):.3f}, {within(chance, kind):.3f}; "
        f"adjacent {between(groups, alike, 1):.5f}, others {far:.5f}; padding {padding:.2%}"
    )
    assert within(groups, alike) > 2 * within(chance, alike)
    assert within(groups, kind) > 2 * within(chance, kind)
    assert between(groups, alike, 1) < 1.2 * far
    assert padding < 0.03


def _real(count):
    """Rows, the cosine of every two by TF-IDF over words and Chinese characters, and who are of a kind."""
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if len(row["text"]) > 200]
    rows = [rows[at] for at in np.random.RandomState(0).permutation(len(rows))[:count]]
    words, found_in = {}, []
    for row in rows:
        said = set(re.findall(r"[a-z]+|[^\W\d_]", row["text"].lower()))
        found_in.append([words.setdefault(word, len(words)) for word in said])
    times = np.bincount(np.concatenate(found_in))
    weight = np.where(times > 1, np.log(count / times), 0)
    table = np.zeros((count, len(words)), np.float32)
    for row, own in zip(table, found_in, strict=True):
        row[own] = weight[own]
    table = table[:, times > 1]
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-6)
    label = np.unique([f"{r['lang']} {r['category']} {r['sub']}" for r in rows], return_inverse=True)[1]
    return rows, table @ table.T, (label[:, None] == label).astype(float)


class TestThreads:
    """Documents of one thread."""

    def test_lie_together_in_their_order(self):
        """Prevents an answer before its question, or in another context."""
        rng = np.random.default_rng(2)
        tokens = [rng.integers(0, 5000, rng.integers(5, 40)) for _ in range(300)]
        threads = [f"t{at % 30}" if at % 2 else "" for at in range(300)]
        layout = related(Window(tokens, threads), 512)
        check([len(each) for each in tokens], layout, 512)
        place = {}
        for number, group in enumerate(contexts(layout)):
            place |= {at: (number, turn) for turn, at in enumerate(group)}
        for thread in set(threads) - {""}:
            own = [place[at] for at in range(300) if threads[at] == thread]
            assert len(own) == 10
            assert {number for number, _ in own} == {own[0][0]}, "in one context"
            turns = [turn for _, turn in own]
            assert turns == list(range(turns[0], turns[0] + 10)), "one after the other, with nothing between"

    def test_longer_than_a_sequence_are_cut_between_documents(self):
        """Prevents a message that is cut in two where it would have fitted."""
        tokens = [np.full(size, 3) for size in [30, 30, 30, 30, 30, 150, 10]]
        layout = related(Window(tokens, ["a"] * 7), 64)
        check([len(each) for each in tokens], layout, 64)
        groups = sorted(contexts(layout))
        assert groups == [[0, 1], [2, 3], [4, 5, 6], [5], [5]]

    def test_nothing_else_is_bound(self):
        """Prevents documents without a thread from being taken for one."""
        tokens = [np.arange(at * 50, at * 50 + 40) for at in range(10)]
        assert related(Window(tokens, [""] * 10), 100).num_sequences == 5


def test_copies_are_kept_apart():
    """Two uses of one document are more alike than any others, and would lie side by side."""
    tokens, _ = made(3, 400)
    twice = [*tokens, *tokens]
    together = []
    for copies in ([*range(400)] * 2, ()):
        groups = contexts(related(Window(twice, (), copies), 1024))
        together.append(sum(at + 400 in group for group in groups for at in group))
    assert together[0] < 20, "6 by chance"
    assert together[1] > 200


def test_many_documents_are_looked_up_block_by_block(monkeypatch):
    """Prevents a part of 100,000 short documents from taking minutes; blocks of any size pack as they do."""
    tokens, topic = made(4, 700)
    window = Window(tokens)
    monkeypatch.setattr(module, "_BLOCK", 128)
    monkeypatch.setattr(module, "_ROWS", 50)
    near = neighbours(gists(tokens, np.arange(700)))
    assert near.shape == (700, module.NEIGHBOURS)
    size = -(-700 // 6)
    assert (near // size == np.arange(700)[:, None] // size).all(), "of its own block"
    assert (topic[near[:, 0]] == topic).mean() > 0.8
    check([len(each) for each in tokens], related(window, 512), 512)


@pytest.mark.parametrize("count", [1, 2, 31, 33, 200])
def test_neighbours_are_the_nearest(count):
    """By whole numbers, added in any order; of equals the one that came first; itself stands for none."""
    tokens, _ = made(5, count)
    tokens[-1] = np.array([999_999])  # like no other
    found = gists(tokens, np.arange(count))
    assert (found == found.astype(np.int64)).all()
    assert abs(np.linalg.norm(found[:-1].astype(float), axis=1) - NORM).max(initial=0) < 20 or count < 3
    alike = found.astype(np.int64) @ found.astype(np.int64).T >> 5
    near = neighbours(found)
    for row in range(count):
        ranked = sorted((-alike[row, at], at) for at in range(count) if at != row and alike[row, at] >= 0)
        best = [at for likeness, at in ranked if likeness < 0][: min(32, count)]
        assert near[row, : len(best)].tolist() == best
    if count > 1:
        assert found[-1].max() == 0
        assert set(near[-1].tolist()) == {count - 1}


def test_the_layout_is_the_same_in_every_release():
    """Prevents another numpy, or another machine, from writing another part in its place."""
    rng = np.random.RandomState(1)
    tokens = [rng.randint(100 * (at % 3), 100 * (at % 3) + 60, rng.randint(5, 30)) for at in range(24)]
    layout = related(Window(tokens), 64)
    assert contexts(layout) == [
        [15, 18, 3],
        [2, 23, 5],
        [8, 17, 20],
        [14, 19, 22],
        [4, 6, 13],
        [7, 11, 16],
        [1, 9, 10, 12, 21],
        [0],
    ]


def test_a_part_of_threads_and_uses_is_sealed_and_verified(tmp_path):
    """The whole way from the metadata of a message to the places of its tokens."""
    store = known(ObjectStore(f"file://{tmp_path}"))
    river = lane(store, packing="related", sequence_length=64, seal_tokens=4000)
    for at in range(200):
        one = document(at + 1, 20)
        if at % 4 == 0:
            one.metadata["thread"] = f"t{at % 20}"
        river.put("docs.mixed", one)
    river.put("docs.mixed", Flush())
    river.run()
    assert parts.verify(store) == []
    assert {part.packing for part in sealed(river)} == {"related, shuffled"}
    given = [m.value for m in river.topics["docs.mixed"] if isinstance(m.value, Document)]
    thread = {one.uid: one.metadata.get("thread", "") for one in given}
    for part in parts.list_parts(store):
        records = list(parts.read_records(store, part))
        bound = defaultdict(list)
        for record in records:
            bound[thread[record.uid]].append(record.spans[0].start)
        for name in set(bound) - {""}:
            starts = bound[name]
            assert len({start // 64 for start in starts}) == -(-len(starts) // 3)
            assert all(b == a + 20 for a, b in zip(starts[::3], starts[1::3], strict=False))
