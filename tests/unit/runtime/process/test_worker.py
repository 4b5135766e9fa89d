"""The path of a slice through a chain of units, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import Control, Document, Rejection
from services.runtime import DependencyDown, Resources, load_settings
from services.runtime.process.frames import Item, Outcome
from services.runtime.process.worker import Units
from services.runtime.topology import Topology
from services.runtime.wire import decode


def units(*names: str) -> tuple[Units, Resources]:
    settings = load_settings()
    topology = Topology.load(settings.topology, ["zh", "en"])
    resources = Resources(settings)
    return Units(topology.chain(names), topology.buckets, resources), resources


def judged(names: list[str], *documents: Document) -> list[Outcome]:
    judge, _ = units(*names)
    return judge.judge([Item(d.SerializeToString(), "docs.in", 2, 40 + n) for n, d in enumerate(documents)])


def test_a_document_goes_to_the_pool_of_its_bucket(river: Path) -> None:
    """Prevents documents from meeting in the wrong pool."""
    found = judged(["bucketed"], Document(uid=1, text="zh"), Document(uid=2, text="en"))
    assert [o.topic for o in found] == ["pool.zh", "pool.en"]


def test_a_bucket_that_the_recipe_does_not_have_fails_its_document(river: Path) -> None:
    """Prevents a transaction that can never commit: there is no topic of that name."""
    with pytest.raises(ValueError, match="bucket 'fr' is not one of en, zh"):
        judged(["bucketed"], Document(uid=1, text="fr"))


def test_a_document_that_no_message_can_hold_fails(river: Path) -> None:
    """Prevents a transaction that can never commit: the broker refuses the message each time."""
    huge = Document(uid=1, text="words of a document", metadata={"title": "x" * 1_000_000})
    with pytest.raises(ValueError, match="900,000"):
        judged(["echo"], huge)


def test_what_cannot_go_on_does_not_reach_a_judge_that_keeps_what_it_saw(river: Path) -> None:
    """Prevents a document from winning over its near-duplicates and then dying: here it is no error yet."""
    large = Document(uid=3, bucket="zh", metadata={"title": "x" * 1_000_000})
    moved = Document(uid=4, bucket="zh", text="x" * 2_000_000, metadata={"title": "x" * 890_000})
    found = judged(["last"], Document(uid=1, bucket="zh"), Document(uid=2, bucket="fr"), large, moved)
    assert [o.outcome for o in found] == ["emit", "dead", "dead", "emit"]
    assert "bucket 'fr' is not one of en, zh" in found[1].error
    assert "beside body, text and tokens; a message may have 900,000" in found[2].error
    assert (found[1].unit, found[1].uid) == ("positioned", 2)


def test_a_large_document_is_dropped_with_its_text_kept(river: Path) -> None:
    """Prevents the text of a dropped document, kept for audit, from being cut off or too large to send."""
    judge, resources = units("wordy")
    text = "x" * 2_000_000
    document = Document(uid=1, id="long", text=text, token_ids=b"1234" * 100)
    (found,) = judge.judge([Item(document.SerializeToString(), "docs.clean", 0, 0)])
    assert (found.outcome, found.reason) == ("drop", "too_short")
    assert len(found.value) < 900_000
    rejection = Rejection.FromString(found.value)
    kept = decode(rejection.document.SerializeToString(), resources.store)
    assert (kept.text, kept.id, kept.token_ids) == (text, "long", b"")


def test_the_position_is_set_for_units_that_read_it_and_does_not_travel(river: Path) -> None:
    """Prevents dedup from taking a redelivery for a second copy."""
    found = judged(["positioned"], Document(uid=1, text="a"), Document(uid=2, text="b"))
    documents = [Document.FromString(o.value) for o in found]
    assert [d.features["offset"] for d in documents] == [40, 41]
    assert not any(d.HasField("position") for d in documents)


def test_a_place_is_known_by_the_topics_id_and_a_redriven_one_by_its_first(river: Path) -> None:
    """Prevents a topic made anew, or a redrive, from being taken for what was read before at that offset."""
    judge, resources = units("placed")
    resources.topic_ids = {"docs.in": "T1"}
    data = Document(uid=1, text="a").SerializeToString()
    found = judge.judge([Item(data, "docs.in", 2, 40), Item(data, "docs.in", 2, 41, "T0/1/5")])
    assert [Document.FromString(o.value).metadata["place"] for o in found] == [
        "docs.in T1 2 40 False",
        "docs.in T0 1 5 True",
    ]


def test_the_units_are_shown_where_the_group_stands(river: Path) -> None:
    """Prevents a store that forgot from being built on: the unit sees the offsets before any document."""
    judge, _ = units("placed")
    judge.begin({("T1", 0): 7})
    (found,) = judge.judge([Item(Document(uid=1).SerializeToString(), "docs.in", 0, 7)])
    assert Document.FromString(found.value).metadata["begun"] == "{('T1', 0): 7}"


def test_retractions_go_with_the_document_that_caused_them(river: Path) -> None:
    """Prevents a retraction from being lost when a later unit drops the document."""
    judge, _ = units("newest", "positioned")
    texts = ["same", "other", "same"]
    found = judge.judge(
        [
            Item(Document(uid=n + 1, text=t).SerializeToString(), "docs.scored", 0, n)
            for n, t in enumerate(texts)
        ]
    )
    assert [len(o.also) for o in found] == [0, 0, 1]
    (beside,) = found[2].also
    assert beside.spread == 1
    assert Control.FromString(beside.value or b"").retraction.superseded_by == 3


def test_a_body_that_is_gone_costs_its_document_and_a_store_that_is_down_does_not(
    river: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a lost object from blocking the partition, and a lost disk from losing documents."""
    judge, resources = units("echo")
    document = Document(uid=1)
    document.references.add(field="text", key="bodies/aa/gone", size=5)
    item = Item(document.SerializeToString(), "docs.raw", 0, 0)
    (found,) = judge.judge([item])
    assert found.outcome == "dead"
    assert "bodies/aa/gone" in found.error

    def down(key: str) -> bytes:
        raise DependencyDown("store", "no route to host")

    monkeypatch.setattr(resources.store, "get", down)
    with pytest.raises(DependencyDown):
        judge.judge([item])


def test_a_large_document_beside_another_is_moved_to_the_store(river: Path) -> None:
    """Prevents a transaction that can never commit, since what goes beside is as large as the document."""
    _, resources = units("echo")
    judge, _ = units("twice")
    text = "x" * 2_000_000
    (found,) = judge.judge([Item(Document(uid=1, text=text).SerializeToString(), "docs.in", 0, 0)])
    (beside,) = found.also
    assert max(len(found.value), len(beside.value or b"")) < 900_000
    for value in (found.value, beside.value or b""):
        assert decode(value, resources.store).text == text
