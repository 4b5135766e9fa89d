"""Reading parts from the store, without Kafka: list, verify, and the documents with their tokens."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts import PartRecord, PartSealed
from services.runtime import CorpusworksError, ObjectStore
from services.sink import megatron, records
from services.sink.manifest import part_key, read_manifests
from services.sink.part import SUFFIXES, part_name, repack, stream_of

__all__ = [
    "PartDocument",
    "WrongPart",
    "checked_documents",
    "documents",
    "documents_of",
    "find",
    "list_parts",
    "read_records",
    "repack",
    "verify",
]


class WrongPart(CorpusworksError):
    """A part or a manifest is not there or not as it was announced. The text names it, and what to do."""


class PartDocument(NamedTuple):
    """A document of a part with its tokens: (num_tokens,)."""

    part: PartSealed
    record: PartRecord
    tokens: NDArray[Any]


def list_parts(store: ObjectStore) -> list[PartSealed]:
    """All announced parts, by lane and in the order of the lane. Raises WrongPart."""
    try:
        return list(read_manifests(store))
    except ValueError as error:
        raise WrongPart(f"a manifest is damaged ({error}); start the sink, it writes it again") from error


def find(parts: Iterable[PartSealed], name: str) -> PartSealed:
    """The part of a name, with or without its lane's folder. Raises WrongPart."""
    for part in parts:
        if name in {part.name, part.name.rpartition("/")[2]}:
            return part
    raise WrongPart(f"there is no part {name!r}; `corpusworks parts list` names them")


def read_records(store: ObjectStore, part: PartSealed) -> Iterator[PartRecord]:
    """The records of a part in the order of the lane; its .bin is not read. Raises WrongPart."""
    yield from _records(_read(store, part, "jsonl"))


def documents(store: ObjectStore) -> Iterator[PartDocument]:
    """Every document of every part, its spans joined. Raises WrongPart for one that is broken."""
    for part in list_parts(store):
        yield from documents_of(store, part)


def documents_of(store: ObjectStore, part: PartSealed) -> Iterator[PartDocument]:
    """The documents of one part, in the order of the lane. Raises WrongPart where it cannot be read."""
    try:
        yield from _documents(part, _files(store, part))
    except ValueError as error:
        raise _wrong(part, str(error)) from error


def checked_documents(store: ObjectStore, part: PartSealed) -> Iterator[PartDocument]:
    """The same of a part that is as it was announced in all that `verify` checks of one part.

    Raises WrongPart before the first document. Memory: one part.
    """
    files = _files(store, part)
    for problem in _problems(part, files):
        raise _wrong(part, problem)
    yield from _documents(part, files)


def verify(store: ObjectStore) -> list[str]:
    """What is wrong with the parts, a line each with the part's name; empty when all is well.

    Checked: hashes; the index against the tokens; that the records' spans cover the sequences exactly,
    padding only at their ends; sums against the announcement; that no offset and no (uid, use) occurs twice.
    """
    problems = []
    seen: list[NDArray[Any]] = []
    parts = list_parts(store)
    ends: dict[tuple[int, str], int] = {}
    for number, part in enumerate(parts):
        stream = part.lane, stream_of(part.name)
        if part.first_offset <= ends.get(stream, -1):
            problems.append(f"{part.name}: its offsets overlap those of the part before")
        ends[stream] = max(part.last_offset, ends.get(stream, -1))
        try:
            files = _files(store, part)
            problems += [f"{part.name}: {problem}" for problem in _problems(part, files)]
            rows = [(record.uid, record.use, number) for record in _records(files["jsonl"])]
        except WrongPart as error:
            problems.append(str(error))
        except ValueError:
            continue  # a record that cannot be read is among the problems
        else:
            seen.append(np.array(rows, "u8,u4,u4"))
    return [*problems, *_duplicates(parts, seen)]


def _read(store: ObjectStore, part: PartSealed, suffix: str) -> bytes:
    try:
        return store.get(part_key(part.name, suffix))
    except FileNotFoundError as error:
        raise WrongPart(f"{part.name}: it was announced, but its .{suffix} is not there") from error


def _files(store: ObjectStore, part: PartSealed) -> dict[str, bytes]:
    return {suffix: _read(store, part, suffix) for suffix in SUFFIXES}


def _wrong(part: PartSealed, problem: str) -> WrongPart:
    return WrongPart(f"{part.name}: {problem}; `corpusworks parts verify` names all that is wrong")


def _documents(part: PartSealed, files: dict[str, bytes]) -> Iterator[PartDocument]:
    """Raises ValueError."""
    tokens = megatron.read_tokens(megatron.read_index(files["idx"]), files["bin"])
    for record in _records(files["jsonl"]):
        pieces = [tokens[span.start : span.end] for span in record.spans]
        yield PartDocument(part, record, np.concatenate(pieces))


def _records(jsonl: bytes) -> Iterator[PartRecord]:
    return map(records.from_line, jsonl.splitlines())


def _problems(part: PartSealed, files: dict[str, bytes]) -> Iterator[str]:
    try:
        yield from _file_problems(part, files)
        yield from _record_problems(part, list(_records(files["jsonl"])), files)
    except ValueError as error:
        yield str(error)


def _file_problems(part: PartSealed, files: dict[str, bytes]) -> Iterator[str]:
    for suffix, data in files.items():
        if hashlib.sha256(data).hexdigest() != part.sha256.get(suffix, ""):
            yield f"the .{suffix} is not the one that was announced (sha256)"
    index = megatron.read_index(files["idx"])
    if len(index.lengths) != part.num_sequences:
        yield f"{len(index.lengths)} sequences, {part.num_sequences} were announced"
    if np.any(index.lengths != part.sequence_length):
        yield f"not every sequence has {part.sequence_length} tokens"
    if not np.array_equal(index.documents, np.arange(len(index.lengths) + 1)):
        yield "the index does not have one document a sequence"


def _record_problems(part: PartSealed, found: list[PartRecord], files: dict[str, bytes]) -> Iterator[str]:
    tokens = megatron.read_tokens(megatron.read_index(files["idx"]), files["bin"])
    spans = np.array([(s.start, s.end) for r in found for s in r.spans], np.int64).reshape(-1, 2)
    yield from _span_problems(spans[np.argsort(spans[:, 0], kind="stable")], tokens, part.sequence_length)
    by_bucket: Counter[str] = Counter()
    for record in found:
        by_bucket[record.bucket] += record.num_tokens
        if sum(span.end - span.start for span in record.spans) != record.num_tokens:
            yield f"the spans of {record.id} do not add up to its {record.num_tokens} tokens"
        if record.phase != part.phase:
            yield f"{record.id} belongs to phase {record.phase}"
        if record.recipe != part.recipe:
            yield f"{record.id} was mixed by recipe {record.recipe or 'unknown'}"
    offsets = [record.position.offset for record in found]
    if sorted(set(offsets)) != offsets:
        yield "the records are not in the order of the lane"
    if offsets and part_name(part.lane, stream_of(part.name), offsets[0], offsets[-1]) != part.name:
        yield f"its records go from offset {offsets[0]} to {offsets[-1]}"
    announced = (part.num_documents, part.num_tokens, dict(part.bucket_tokens))
    counted = (len(found), by_bucket.total(), dict(by_bucket))
    if announced != counted:
        yield f"documents, tokens and tokens by bucket are {counted}, announced were {announced}"


def _span_problems(spans: NDArray[np.int64], tokens: NDArray[Any], length: int) -> Iterator[str]:
    """spans: (n, 2), by start."""
    start, end = spans[:, 0], spans[:, 1]
    if np.any(end <= start) or np.any(end > len(tokens)):
        yield "a span is empty or lies outside of the part"
        return
    if np.any(start[1:] < end[:-1]):
        yield "spans overlap"
        return
    if np.any(start // length != (end - 1) // length):
        yield "a span goes over the end of a sequence"
    if np.any((start % length != 0) & (start != np.concatenate([[0], end[:-1]]))):
        yield "there is a gap between spans within a sequence"
    padding = np.ones(len(tokens), bool)
    for low, high in spans.tolist():
        padding[low:high] = False
    if len(np.unique(tokens[padding])) > 1:
        yield "what no span covers is not padding"
    if len(np.unique(start // length)) != len(tokens) // length:
        yield "a sequence has no document"


def _duplicates(parts: list[PartSealed], seen: list[NDArray[Any]]) -> Iterator[str]:
    """seen: for each part, rows of uid, use and the part's index in parts."""
    rows = np.concatenate(seen) if seen else np.empty(0, "u8,u4,u4")
    uid, use, number = (rows[name] for name in rows.dtype.names or ())
    order = np.lexsort((number, use, uid))
    uid, use, number = uid[order], use[order], number[order]
    for at in np.flatnonzero((uid[1:] == uid[:-1]) & (use[1:] == use[:-1])).tolist():
        where = f"{parts[number[at]].name} and {parts[number[at + 1]].name}"
        yield f"{where}: document {uid[at]:016x} is there twice in use {use[at]}"
