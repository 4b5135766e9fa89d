"""`verify` finds every kind of damage, and readers fail with a sentence rather than a trace."""

from __future__ import annotations

import json

import numpy as np
import pytest

from contracts import Document
from services.runtime import CorpusworksError, Message, ObjectStore, Vocabularies, VocabularyCard
from services.sink import SinkConfig, parts
from services.sink.manifest import Manifest, part_key

CONFIG = SinkConfig(sequence_length=16, seal_tokens=64)
CARD = VocabularyCard("ab12", 1000, 9, "<end>")


def write(store, first, sizes, start=1, lane=0):
    """A part of documents at the offsets from `first`, announced; returns its announcement."""
    messages = []
    for index, size in enumerate(sizes):
        tokens = np.arange(1, size + 1, dtype="<u4")
        one = Document(
            uid=start + index, id=f"d{start + index}", num_tokens=size, token_ids=tokens.tobytes(), use=1
        )
        one.bucket, one.phase, one.tokenizer = "zh", "stable", CARD.digest
        messages.append(Message("docs.mixed", lane, first + index, None, one, 0))
    CARD.keep(store, b"")
    part = parts.repack(messages, lane, CONFIG, Vocabularies(store))
    for suffix, data in part.files.items():
        store.put(part_key(part.announcement.name, suffix), data)
    return part.announcement


@pytest.fixture
def store(tmp_path):
    store = ObjectStore(f"file://{tmp_path}/store")
    manifest = Manifest(store, 0)
    manifest.add(write(store, 0, [5, 20, 7, 40]))
    manifest.add(write(store, 10, [3, 3], start=100))
    return store


def edit(store, suffix, change, part=0):
    """Change a file and its announced hash, so that what is behind the hash is seen."""
    import hashlib

    sealed = parts.list_parts(store)
    data = change(store.get(part_key(sealed[part].name, suffix)))
    store.put(part_key(sealed[part].name, suffix), data)
    sealed[part].sha256[suffix] = hashlib.sha256(data).hexdigest()
    _announce(store, sealed)


def announce(store, part=0, **fields):
    sealed = parts.list_parts(store)
    for name, value in fields.items():
        setattr(sealed[part], name, value)
    _announce(store, sealed)


def _announce(store, sealed):
    lines = [store.get("parts/lane-000/manifest.jsonl").splitlines()[0]]
    plain = []
    for one in sealed:
        told = {name: getattr(one, name) for name in json.loads(lines[0])}
        told |= {"bucket_tokens": dict(one.bucket_tokens), "sha256": dict(one.sha256)}
        plain.append(json.dumps(told) + "\n")
    store.put("parts/lane-000/manifest.jsonl", "".join(plain).encode())


def lines(change):
    """An edit of one record of the .jsonl, the second."""

    def apply(data):
        rows = [json.loads(line) for line in data.splitlines()]
        change(rows)
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    return apply


def test_good_parts_have_no_problems(store):
    assert parts.verify(store) == []
    assert [len(list(parts.read_records(store, part))) for part in parts.list_parts(store)] == [4, 2]


def test_an_empty_store_has_no_parts(tmp_path):
    store = ObjectStore(f"file://{tmp_path}/empty")
    assert parts.list_parts(store) == []
    assert list(parts.documents(store)) == []
    assert parts.verify(store) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda s: s.delete([part_key(parts.list_parts(s)[0].name, "bin")]), ".bin is not there"),
        (lambda s: s.put(part_key(parts.list_parts(s)[1].name, "jsonl"), b""), "(sha256)"),
        (lambda s: edit(s, "idx", lambda d: d[:-8]), "bytes, this has"),
        (lambda s: edit(s, "bin", lambda d: d[:-2]), "the .bin has"),
        (
            lambda s: edit(s, "bin", lambda d: d[:-2] + b"\x01\x00", part=1),
            "what no span covers is not padding",
        ),
        (lambda s: edit(s, "jsonl", lambda d: d[:-9]), "not a record"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r.pop(1))), "announced were"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[1].update(spans=r[0]["spans"]))), "spans overlap"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[1].update(spans=[[0, 9999]]))), "outside of the part"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[1].update(spans=[[5, 5]]))), "a span is empty"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[3].update(num_tokens=41))), "do not add up"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[0].update(phase="anneal"))), "belongs to phase anneal"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[0].update(recipe="ff"))), "was mixed by recipe ff"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r.reverse())), "not in the order of the lane"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[0].update(offset=-1))), "go from offset -1"),
        (lambda s: edit(s, "jsonl", lines(lambda r: r[0].update(bucket="en"))), "announced were"),
        (lambda s: announce(s, num_sequences=99), "99 were announced"),
        (lambda s: announce(s, sequence_length=8), "not every sequence has 8 tokens"),
        (lambda s: announce(s, num_tokens=1), "announced were"),
        (lambda s: announce(s, part=1, first_offset=2), "its offsets overlap"),
    ],
)
def test_damage_is_found_and_named(store, damage, told):
    damage(store)
    problems = parts.verify(store)
    assert any(told in problem for problem in problems), problems
    assert all(problem.startswith("lane-000/part-000-") for problem in problems)


def test_a_document_that_is_in_two_parts_is_found(store):
    manifest = Manifest(store, 1)
    manifest.add(write(store, 0, [4, 4], start=2, lane=1))
    problems = parts.verify(store)
    assert len(problems) == 2
    assert "document 0000000000000002 is there twice in use 1" in problems[0]
    assert "lane-000/" in problems[0]
    assert "lane-001/" in problems[0]


def test_a_damaged_manifest_names_its_line(store):
    good = store.get("parts/lane-000/manifest.jsonl").splitlines(keepends=True)[0]
    store.put("parts/lane-000/manifest.jsonl", good + b"nonsense\n")
    for read in (parts.list_parts, parts.verify, lambda s: list(parts.documents(s))):
        with pytest.raises(CorpusworksError, match=r"manifest\.jsonl, line 2"):
            read(store)
    store.put("parts/lane-000/manifest.jsonl", b'{"colour": "red"}\n')
    with pytest.raises(CorpusworksError, match="line 1"):
        parts.list_parts(store)


def test_a_part_is_found_by_its_name(store):
    [first, second] = parts.list_parts(store)
    assert parts.find([first, second], second.name) == second
    assert parts.find([first, second], second.name.partition("/")[2]) == second
    for wrong in ("", "part", second.name[:-1], f"{second.name}.bin"):
        with pytest.raises(parts.WrongPart, match=r"there is no part .* `corpusworks parts list`"):
            parts.find([first, second], wrong)


def test_a_part_is_checked_before_its_first_document_is_given_out(store):
    """Prevents an export from taking what only `verify` would have found."""
    [first, second] = parts.list_parts(store)
    assert [d.record.id for d in parts.checked_documents(store, first)] == ["d1", "d2", "d3", "d4"]
    edit(store, "jsonl", lines(lambda r: r[3].update(num_tokens=41)))
    [broken, _] = parts.list_parts(store)
    assert len(list(parts.documents_of(store, broken))) == 4, "it can be read"
    with pytest.raises(parts.WrongPart, match=r"^lane-000/part-.*do not add up.*`corpusworks parts verify`"):
        next(parts.checked_documents(store, broken))
    store.put(part_key(second.name, "bin"), b"")
    with pytest.raises(parts.WrongPart, match=r"^lane-000/part-.*sha256"):
        next(parts.checked_documents(store, second))


def test_reading_a_broken_part_says_what_to_do(store):
    edit(store, "bin", lambda d: d[:-2])
    with pytest.raises(CorpusworksError, match="corpusworks parts verify"):
        list(parts.documents(store))
    store.delete([part_key(parts.list_parts(store)[0].name, "bin")])
    with pytest.raises(CorpusworksError, match=r"its \.bin is not there"):
        list(parts.documents(store))
