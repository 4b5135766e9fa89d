"""Which documents explain a spike: exactly those that were spoilt, in a model that has learnt something."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.trainer import poison
from tests.unit.trainer.poison import BUCKETS, Corpus, Replay, Replayed, State, spoil, taken
from trainer.data.batch import Batch
from trainer.proof import Finding, prove

FIRST = 103  # of the spike; the checkpoint is that of step 100
STEPS = [taken(step) for step in range(101, FIRST + 3)]


@pytest.fixture(scope="module")
def state() -> State:
    return poison.learnt()


def proven(state: State, corpus: Corpus) -> tuple[Finding, Replay]:
    replay = Replay(state, corpus)
    loss, norm = state.detector.thresholds().tolist()
    thresholds = (loss, norm)
    return prove(
        replay, STEPS, FIRST, thresholds=thresholds, buckets=lambda: BUCKETS, gather=lambda mine: [mine]
    ), replay


def named(found: Finding) -> set[tuple[int, int]]:
    return {document.place for document in found.named}


@pytest.mark.parametrize("kind", ["random", "shifted"])
def test_exactly_the_spoilt_documents_are_named(state: State, kind: str) -> None:
    """Prevents innocents of the same batches, and of the same sequences, from being quarantined."""
    corpus = Corpus()
    for step in range(FIRST, FIRST + 3):
        corpus.spoilt |= spoil(step, kind, rows=[1, 4, 9, 12, 15], numbers=[0, 2])
    found, replay = proven(state, corpus)
    assert found.verdict == "proven"
    assert named(found) == set(corpus.spoilt)
    assert {document.uid for document in found.named} == {8 * i + n for i, n in corpus.spoilt}
    assert found.indices == sorted({index for index, _ in corpus.spoilt})
    assert any(point.skipped for point in found.with_all)
    assert not any(point.skipped for point in found.without)
    assert found.replays <= 16
    assert set(found.bucket_loss) == set(BUCKETS)
    assert replay.state.step == 100


def test_a_spoilt_part_is_named_whole(state: State) -> None:
    """Prevents the less conspicuous documents of a poisoned part from staying in the river."""
    corpus = Corpus()
    for step in range(FIRST, FIRST + 3):
        corpus.spoilt |= spoil(step, "shifted", rows=range(10), numbers=[0, 1, 2])
        corpus.parts |= {taken(step).indices[row]: "poisoned" for row in range(10)}
    found, _ = proven(state, corpus)
    assert found.verdict == "proven"
    assert {document.part for document in found.named} == {"poisoned"}
    assert named(found) == set(corpus.spoilt)


def test_a_suspect_that_does_no_harm_is_cleared(state: State) -> None:
    """Prevents a hard document from being punished for its loss: it is put back, and nothing spikes."""
    corpus = Corpus()
    for step in range(FIRST, FIRST + 3):
        corpus.spoilt |= spoil(step, "random", rows=[2, 3, 7, 11], numbers=[0, 1, 2])
        corpus.parts |= {taken(step).indices[row]: "poisoned" for row in (2, 3, 7, 11)}
    guilty = set(corpus.spoilt)
    corpus.spoilt |= spoil(101, "random", rows=[5], numbers=[1]) | spoil(
        FIRST, "random", rows=[13], numbers=[2]
    )
    found, _ = proven(state, corpus)
    assert named(found) == guilty
    assert {document.place for document in found.cleared} == set(corpus.spoilt) - guilty


def test_what_does_not_come_again_names_nobody(state: State) -> None:
    """Prevents a fault of the machine from being blamed on documents."""
    found, replay = proven(state, Corpus())
    assert (found.verdict, found.named, found.replays, replay.calls) == ("passing", (), 1, 1)


class Scripted:
    """Steps whose losses are ordinary, and that are skipped while a culprit is in them."""

    def __init__(
        self, culprits: Collection[tuple[int, int]], loss: float = 3.0, *, spoilt: bool = False
    ) -> None:
        """spoilt: the weights are, so that a step is skipped whatever is in it."""
        self.culprits = set(culprits)
        self.loss = loss
        self.spoilt = spoilt
        self.calls = 0

    def __call__(
        self, steps: Iterable[Any], exclude: Collection[int] = (), documents: Collection[tuple[int, int]] = ()
    ) -> list[Replayed]:
        self.calls += 1
        done = []
        for step in steps:
            left = {(i, n) for i, n in self.culprits if i in step.indices and i not in exclude}
            spiky = bool(left - set(documents)) or (self.spoilt and step.number == 15)
            batch = _batch(step.indices)
            losses = 3.0 + 0.3 * torch.randn(
                batch.tokens.shape, generator=torch.Generator().manual_seed(step.number)
            )
            for i, n in self.culprits:
                if i in step.indices:
                    losses[step.indices.index(i)][batch.documents[0] == n] = self.loss
            done.append(Replayed(step.number, 9.0 if spiky else 3.0, 1.0, spiky, [batch], [losses]))
        return done


def _batch(indices: range) -> Batch:
    documents = torch.arange(16, dtype=torch.int32).repeat_interleave(8).expand(len(indices), -1)
    tokens = torch.zeros(documents.shape, dtype=torch.int64)
    uids = [(np.arange(16, dtype=np.uint64) + 16 * i, np.arange(0, 129, 8, dtype=np.int32)) for i in indices]
    places = [("part", index) for index in indices]
    buckets = torch.zeros(tokens.shape, dtype=torch.int16)
    return Batch(list(indices), places, tokens, tokens, documents, tokens, buckets, uids)


SIX = (6.0, 6.0)
LONG = [poison.Taken(step, range(64 * step, 64 * step + 64), 0.1) for step in range(10, 16)]


@pytest.mark.parametrize("culprits", [{(64 * 15 + 40, 3)}, {(64 * 15 + 1, 0), (64 * 15 + 40, 3)}])
def test_a_culprit_with_an_ordinary_loss_is_found_by_halves(culprits: set[tuple[int, int]]) -> None:
    """Prevents a text that repeats itself, with a low loss and a huge gradient, from going unnoticed.

    2,048 documents are in question; the replays are bounded by a few times their log2.
    """
    replay = Scripted(culprits)
    found = prove(replay, LONG, 15, thresholds=SIX, buckets=lambda: ["zh"], gather=lambda mine: [mine])
    assert (found.verdict, named(found)) == ("proven", culprits)
    assert replay.calls <= 48 + 2


@pytest.mark.parametrize("culprits", [set(), {(64 * 15 + i, 3) for i in range(64)}])
def test_what_no_document_explains_names_nobody(culprits: set[tuple[int, int]]) -> None:
    """Prevents documents from being named for weights, or a learning rate, that are at fault; or by guessing
    when the replays are used up.
    """
    replay = Scripted(culprits, spoilt=not culprits)
    found = prove(replay, LONG, 15, thresholds=SIX, buckets=lambda: ["zh"], gather=lambda mine: [mine])
    assert (found.verdict, found.named) == ("unexplained", ())
    assert replay.calls <= 48 + 2


def test_a_loss_that_is_no_number_is_traced() -> None:
    """Prevents NaN from hiding its document: comparisons with it are all false."""
    found = prove(
        Scripted({(64 * 15 + 7, 2)}, loss=math.nan),
        LONG,
        15,
        thresholds=SIX,
        buckets=lambda: ["zh"],
        gather=lambda mine: [mine],
    )
    assert (found.verdict, named(found)) == ("proven", {(64 * 15 + 7, 2)})


def test_ranks_bring_their_documents_together() -> None:
    """Prevents a document on another rank from being overlooked."""
    both = Scripted({(64 * 15 + 40, 3)}, loss=11.0)

    def of_rank(steps: Iterable[Any], **without: Any) -> list[Replayed]:
        done = both(steps, **without)
        return [step._replace(batches=[], losses=[]) for step in done]

    def gather(mine: Any) -> list[Any]:
        assert mine == []
        other = copy.copy(others)
        return [mine, other]

    others: list[Any] = []
    prove(
        both,
        LONG,
        15,
        thresholds=SIX,
        buckets=lambda: ["zh"],
        gather=lambda mine: [others.extend(mine) or mine],
    )
    found = prove(of_rank, LONG, 15, thresholds=SIX, buckets=lambda: [], gather=gather)
    assert (found.verdict, named(found)) == ("proven", {(64 * 15 + 40, 3)})
