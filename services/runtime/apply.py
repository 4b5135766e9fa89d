"""Units in this process, without a broker: a document a line in, its verdict a line out.

How a person tries a rule, how units are compared with other tools, and how a batch user gets one
step alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import xxhash

from contracts import Control, Document
from services.runtime.contracts.unit import Judge, Unit, configure, verdicts_of
from services.runtime.contracts.verdict import Drop, Emit, Reject, Verdict
from services.runtime.errors import ConfigurationError, CorpusworksError
from services.runtime.process.collector import settle_collector
from services.runtime.resources import Resources
from services.runtime.topology import Topology

_BATCH = 256  # documents handed to the units at once

# Makes a Document of the file at a path. The cli passes one that reads as ingest does.
OpenFile = Callable[[str], Document]


@dataclass(slots=True)
class _Result:
    document: Document
    verdict: Verdict
    unit: str


def apply(
    names: Sequence[str],
    lines: Iterable[str],
    resources: Resources,
    topology: Topology,
    open_file: OpenFile,
) -> Iterator[str]:
    """JSON lines {"id", "text"} or {"id", "path"} to JSON lines with the verdict, in the same order.

    Other keys of a line (language, format, category, rank, score) set the document's fields. When a unit
    may retract, everything is held back until the end of input. Raises ConfigurationError.
    """
    judges = [_build(topology, name, resources) for name in names]
    settle_collector(lasting=False)
    held: list[_Result] = []
    retracts = any(unit.retracts for unit, _ in judges)
    retracted: dict[int, int] = {}
    for batch in _batches(lines):
        results = _judge([_document(line, number, open_file) for number, line in batch], judges, retracted)
        if retracts:
            held += results
        else:
            yield from (_row(result) for result in results)
    for result in held:
        by = retracted.get(result.document.uid)
        if by is not None and isinstance(result.verdict, Emit):
            result.verdict = Drop("superseded", detail=f"by {by:016x}")
            result.unit = next(unit.name for unit, _ in judges if unit.retracts)
        yield _row(result)


def judged(
    names: Sequence[str], documents: Iterable[Document], resources: Resources, topology: Topology
) -> Iterator[tuple[Document, Verdict]]:
    """Documents through the units in this process; each with what became of it, as apply says it.

    Raises ConfigurationError.
    """
    judges = [_build(topology, name, resources) for name in names]
    coming = iter(documents)
    while batch := [_Result(document, Emit(document), "") for document in islice(coming, _BATCH)]:
        for result in _judge(batch, judges, {}):
            yield result.document, result.verdict


def _build(topology: Topology, name: str, resources: Resources) -> tuple[Unit, Judge]:
    unit = topology.service(name).definition
    if not isinstance(unit, Unit):
        raise ConfigurationError(f"{name} is not a unit; apply runs units, one document at a time")
    values: dict[str, Any] = dict(unit.offline) | resources.settings.units.get(name, {})
    return unit, unit.build(configure(name, unit.config, values), resources)


def _judge(
    results: list[_Result], judges: Sequence[tuple[Unit, Judge]], retracted: dict[int, int]
) -> list[_Result]:
    for unit, judge in judges:
        alive = [result for result in results if isinstance(result.verdict, Emit)]
        if not alive:
            break
        for result, verdict in zip(alive, _verdicts(unit, judge, alive), strict=True):
            result.verdict, result.unit = verdict, unit.name
            if isinstance(verdict, Emit):
                text, result.document = result.document.text, verdict.document
                result.document.text = result.document.text or text  # for people; no pool has it
            if not isinstance(verdict, Reject):
                said = [also.value for also in verdict.also if isinstance(also.value, Control)]
                told = [each.retraction for each in said if each.HasField("retraction")]
                retracted |= {each.uid: each.superseded_by for each in told}
    return results


def _verdicts(unit: Unit, judge: Judge, results: Sequence[_Result]) -> Sequence[Verdict]:
    """A batch; when it raises, each document alone, so that one bad document costs itself only."""
    saved = [result.document.SerializeToString() for result in results]
    try:
        return verdicts_of(unit, judge, [result.document for result in results])
    except CorpusworksError:
        raise  # a server or a setting, not the document
    except Exception:  # noqa: BLE001 - which document it was shows below
        verdicts: list[Verdict] = []
        for result, data in zip(results, saved, strict=True):
            result.document = Document.FromString(data)  # as it was before the batch
            try:
                verdicts += verdicts_of(unit, judge, [result.document])
            except CorpusworksError:
                raise
            except Exception as error:  # noqa: BLE001
                verdicts.append(Reject(f"{type(error).__name__}: {error}"))
        return verdicts


def _document(line: str, number: int, open_file: OpenFile) -> _Result:
    document = Document(id=f"line {number}")
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError("not a JSON object")
        document.id = name = str(row.get("id", document.id))
        if "path" in row and "text" not in row:
            document = open_file(row["path"])
        else:
            document.text = row["text"]
        document.id = name
        document.uid = document.uid or identity(name, document.text)
        for field in ("language", "format", "category", "media_type", "rank", "score"):
            if field in row:
                setattr(document, field, row[field])
    except (ValueError, KeyError, TypeError, OSError) as error:
        why = (
            f'line {number}: {type(error).__name__}: {error}; a line is {{"id", "text"}} or {{"id", "path"}}'
        )
        return _Result(document, Reject(why), "apply")
    document.position.offset = number
    return _Result(document, Emit(document), "")


def identity(name: str, content: str) -> int:
    """A uid: the same id with the same content is the same document, wherever it stands."""
    return xxhash.xxh3_64_intdigest(f"{name}\0{content}".encode(errors="surrogatepass")) or 1


def _batches(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            batch.append((number, line))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(result: _Result) -> str:
    document, verdict = result.document, result.verdict
    row: dict[str, Any] = {"id": document.id, "verdict": type(verdict).__name__.lower(), "unit": result.unit}
    row["reason"] = ""
    if isinstance(verdict, Drop):
        row |= {"reason": verdict.reason, "measured": verdict.measured, "threshold": verdict.threshold}
        row["detail"] = verdict.detail
    elif isinstance(verdict, Reject):
        row["reason"] = verdict.error
    row["text"] = document.text
    row["features"] = dict(document.features)
    for field in ("language", "format", "category", "calibration", "bucket", "num_tokens"):
        if getattr(document, field):
            row[field] = getattr(document, field)
    for field in ("score", "rank"):
        if document.HasField(field):
            row[field] = getattr(document, field)
    return json.dumps(row, ensure_ascii=False)
