"""What is said of a document under judgement is what was decided, and asking changes nothing."""

from __future__ import annotations

from services.dedup import DedupConfig, Deduplicator
from services.dedup.explain import explain, jaccard, shared
from services.dedup.index import MemoryIndex
from services.runtime.state import MemoryMarks
from tests.near_duplicates import chain, document, prose

CONFIG = DedupConfig(index="memory")
A, B, C = chain(9, 3, 0.06)


def judged() -> tuple[MemoryIndex, Deduplicator]:
    index = MemoryIndex()
    judge = Deduplicator(index, MemoryMarks(CONFIG), CONFIG)
    judge.begin({})
    return index, judge


def test_a_drop_is_explained_by_the_better_one_and_the_one_that_lives() -> None:
    """c dropped for b, and b for a, which is not like c: all three are told, the likest first."""
    index, judge = judged()
    batch = [document(0xA, A, 0.9), document(0xB, B, 0.6), document(0xC, C, 0.3)]
    judge(batch)
    said = explain(index, CONFIG, batch[2])
    assert said.known
    assert said.death is not None
    assert (said.death.killer, said.lives) == (0xB, 0xA)
    best = said.candidates[0]
    assert (best.uid, best.near, best.better) == (0xB, True, True)
    assert best.bands > 0
    assert best.death is not None
    assert abs(best.likeness - jaccard(B, C)) < 0.04
    assert [each.near for each in said.candidates if each.uid == 0xA] in ([False], [])
    assert explain(index, CONFIG, batch[0]).death is None


def test_asking_enters_nothing() -> None:
    """Else a document that was only asked about would drop those that come after it."""
    index, judge = judged()
    judge([document(1, " ".join(prose(1)))])
    asked = document(2, A, 0.9)
    said = explain(index, CONFIG, asked)
    assert (said.known, said.candidates) == (False, [])
    assert explain(index, CONFIG, document(3, A, 0.1)).candidates == []


def test_an_exact_copy_names_whose_text_it_has() -> None:
    """Such a one is in no band, so the bands alone would not show the other."""
    index, judge = judged()
    judge([document(1, A, 0.9)])
    judge([copy := document(2, A, 0.1)])
    said = explain(index, CONFIG, copy)
    assert [(each.uid, each.likeness) for each in said.candidates] == [(1, 1.0)]


def test_what_both_have_is_told_from_what_one_has() -> None:
    one, other = "the river runs on and on", "the river sang on and on"
    pieces = list(shared(one, other))
    assert "".join(piece for piece, _ in pieces) == one
    assert [piece for piece, both in pieces if not both] == ["runs"]
    assert list(shared("", "abc")) == []
    assert list(shared("ab", "ab")) == [("ab", True)]
    assert list(shared("abc", "xyz")) == [("abc", False)]
