"""Signatures that documents bring are those of datasketch, and find what its own index finds."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from datasketch import LeanMinHash, MinHash, MinHashLSH

from contracts import DedupRecord, Document
from services.dedup import DedupConfig
from services.dedup.abroad import alike_there
from services.dedup.entry import compare, make_entry
from services.dedup.explain import explain
from services.dedup.foreign import FIELD, Foreign
from services.dedup.index import MemoryIndex
from services.dedup.namespaces import Abroad
from services.dedup.rebuild import _enter
from services.dedup.signed import signed
from services.ingest.document import _signature
from services.runtime import ConfigurationError, Drop, Emit, Reject
from tests.near_duplicates import document, memory_judge, retractions

CONFIG = DedupConfig(index="memory", signature="datasketch")


def minhash(words: Sequence[str], num_perm: int = 128, seed: int = 1, scheme: str = "affine32") -> MinHash:
    made = MinHash(num_perm=num_perm, seed=seed, scheme=scheme)
    made.update_batch([word.encode() for word in words])
    return made


def lean(made: MinHash, order: str = "@") -> str:
    small = LeanMinHash(made)
    written = bytearray(small.bytesize(order))
    small.serialize(written, order)
    return base64.b64encode(written).decode()


def brings(uid: int, said: str, rank: float = 0.5) -> Document:
    """With a text that nobody else has."""
    made = document(uid, f"text number {uid}", rank)
    made.metadata[FIELD] = said
    return made


def pairs(rng: random.Random, number: int) -> list[tuple[list[str], list[str]]]:
    """Sets of words, alike by 0.6 to 1."""
    made = []
    for at in range(number):
        words = [f"{at} {rng.random()}" for _ in range(150)]
        new = rng.randrange(38)
        made.append((words, words[new:] + [f"{at} {rng.random()}" for _ in range(new)]))
    return made


def test_what_datasketchs_index_finds_is_found() -> None:
    """Whom they meet is the same; who is a copy differs only by the bits that are not stored."""
    signatures = [minhash(words) for pair in pairs(random.Random(1), 80) for words in pair]
    theirs = MinHashLSH(num_perm=128, params=(CONFIG.bands, CONFIG.rows))
    documents = [brings(uid, lean(each), uid * 0.37 % 1) for uid, each in enumerate(signatures, 1)]
    judge, ends = memory_judge(CONFIG), [0, 0]  # dropped, taken back
    for uid, (each, signature) in enumerate(zip(documents, signatures, strict=True), 1):
        met = {int(other) for other in theirs.query(signature)}
        asked = explain(judge._index, CONFIG, each)
        assert {other.uid for other in asked.candidates} == met
        alike = {other.uid: other.likeness for other in asked.candidates}
        exact = {other: signature.jaccard(signatures[other - 1]) for other in met}
        for other, likeness in alike.items():
            assert likeness == pytest.approx(exact[other], abs=0.06)
        (verdict,) = judge([each])
        theirs.insert(str(uid), signature)
        dropped, back = isinstance(verdict, Drop), bool(retractions(verdict))
        ends = [ends[0] + dropped, ends[1] + back]
        likest = max(exact.values(), default=0.0)
        if not 0.75 < likest < 0.85:
            assert (dropped or back) == (likest > 0.8)
    assert min(ends) > 10


def test_the_estimate_is_theirs_within_what_is_said() -> None:
    """Prevents a margin in crowds that is too small for the noise there is."""
    for number in (64, 250):
        config = replace(CONFIG, signature_num_perm=number, bands=8)
        made = [minhash(words, number) for pair in pairs(random.Random(2), 60) for words in pair]
        documents = [brings(uid, lean(each)) for uid, each in enumerate(made, 1)]
        sketches = signed(documents, [""] * len(documents), config)
        entries = [
            make_entry(each, 0.8, bits.tobytes(), fine.tobytes())
            for each, bits, fine in zip(documents, sketches.bits, sketches.fine, strict=True)
        ]
        off = [
            (
                compare(one, {2: other.pack()}).similarity[0]
                - len({*a} & {*b}) / len({*a} | {*b})
            ) / one.standard_error(0.8)
            for one, other, (a, b) in zip(
                entries[::2], entries[1::2], pairs(random.Random(2), 60), strict=True
            )
        ]  # fmt: skip
        assert abs(np.mean(off)) < 0.4
        assert 0.6 < np.std(off) < 1.3


def test_every_form_says_the_same() -> None:
    made = minhash(["a", "b"])
    foreign = Foreign(128, 1, "affine32")
    expected = made.hashvalues.tolist()
    forms = [
        lean(made), lean(made, "<"), _signature(expected), _signature(made.hashvalues.tobytes()),
        base64.b64encode(made.hashvalues.astype("<u8").tobytes()).decode(),
    ]  # fmt: skip
    for said in forms:
        assert foreign.values(said).tolist() == expected
    for scheme in ("legacy", "affine64"):
        other = minhash(["a", "b"], scheme=scheme)
        for said in (lean(other), lean(other, "<"), _signature(other.hashvalues.tolist())):
            assert Foreign(128, 1, scheme).values(said).tolist() == other.hashvalues.tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (lean(minhash(["a"], seed=7)), "seed 7, and this index is of seed 1"),
        (lean(minhash(["a"], num_perm=64)), "values 64, and this index is of values 128"),
        (lean(minhash(["a"], scheme="legacy")), "scheme legacy, and this index is of scheme affine32"),
        (lean(minhash(["a"]), ">"), "neither 128 values nor a LeanMinHash"),
        (_signature([2**40] * 128), "values of 64 bits"),
        (_signature([1] * 127), "bytes"),
        ("", "0 bytes"),
        ("minhash!", "neither a list of numbers"),
    ],
)
def test_another_signature_is_refused(said: str, why: str) -> None:
    """Compared, it would be unlike everything, and each copy would pass."""
    (verdict,) = memory_judge(CONFIG)([brings(1, said)])
    assert isinstance(verdict, Reject)
    assert why in verdict.error
    assert "datasketch:affine32:128:seed=1" in verdict.error
    assert "signature_seed" in verdict.error


def test_a_document_without_one_is_refused() -> None:
    (verdict,) = memory_judge(CONFIG)([document(1, "a text")])
    assert isinstance(verdict, Reject)
    assert "brings no signature" in verdict.error
    with pytest.raises(ConfigurationError, match="brings no signature"):
        explain(MemoryIndex(), CONFIG, document(1, "a text"))


@pytest.mark.parametrize("value", [[1, -1], [1.5], ["1"], [], [True], {"a": 1}, 7, None, "ü", "a" * 20_000])
def test_what_is_no_signature_is_left_out(value: object) -> None:
    assert _signature(value) == ""


def test_signatures_of_nothing_are_not_alike() -> None:
    """datasketch gives all sets that are empty the same values."""
    judge = memory_judge(CONFIG)
    verdicts = judge([brings(uid, lean(MinHash(num_perm=128))) for uid in (1, 2)])
    assert all(isinstance(each, Emit) for each in verdicts)


def test_a_crowd_asks_for_more() -> None:
    """Of 60 documents that are alike by 0.7, none drops since one of many estimates is too high."""
    rng = random.Random(4)
    common = [f"common {number}" for number in range(165)]
    documents = [
        brings(uid, lean(minhash(common + [f"{uid} {rng.random()}" for _ in range(35)])), rng.random())
        for uid in range(1, 61)
    ]
    copy = brings(99, documents[3].metadata[FIELD], 1.0)
    judge = memory_judge(CONFIG)
    verdicts = judge(documents)
    assert all(isinstance(each, Emit) and not retractions(each) for each in verdicts)
    assert {each.uid for each in retractions(judge([copy])[0])} >= {4}
    one, *others = (
        make_entry(each, 0.8, bits.tobytes(), fine.tobytes())
        for sketches in [signed(documents, [""] * 60, CONFIG)]
        for each, bits, fine in zip(documents, sketches.bits, sketches.fine, strict=True)
    )
    packed = {each.uid: each.pack() for each in others}
    near = alike_there(one, Abroad("bench", 0, above=True), packed.keys(), packed)
    assert all(each.margin > 0.1 for each in near)


def test_an_index_is_of_one_signature() -> None:
    """Its layout says which; and what the log holds of another one is not taken into it."""
    other = replace(CONFIG, signature_seed=2)
    assert len({each.layout for each in (CONFIG, other, DedupConfig())}) == 3
    (verdict,) = memory_judge(CONFIG)([brings(1, lean(minhash(["a"])))])
    assert isinstance(verdict, Emit)
    (record,) = (each.value for each in verdict.also if isinstance(each.value, DedupRecord))
    _enter(MemoryIndex(), [record], CONFIG)
    for config in (other, DedupConfig(), replace(CONFIG, signature_num_perm=256)):
        with pytest.raises(ConfigurationError, match=r"signatures of another kind.*--out"):
            _enter(MemoryIndex(), [record], config)
    with pytest.raises(ValueError, match="too short"):
        replace(CONFIG, bands=30)
    with pytest.raises(ValueError, match="signature_num_perm"):
        replace(CONFIG, signature_num_perm=8)
