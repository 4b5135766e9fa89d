"""What `ledger step` shows: the documents of the sequences that a training step took."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.cli.parts import PartVocabularies
from services.runtime import ObjectStore
from services.sink.parts import documents_of as documents_in
from services.sink.parts import find, list_parts, read_records

if TYPE_CHECKING:
    from contracts import PartRecord, PartSealed
    from services.ledger.steps import Taken

_HEAD_CHARS = 500
_HEAD_TOKENS = 512
_SHOWN_CHARS = 100  # in the table


def documents_of(store: ObjectStore, taken: Iterable[Taken], *, text: bool) -> list[dict[str, Any]]:
    """A row for each document in each sequence, by the sequence's loss, highest first.

    tokens: of the document in that sequence. Raises WrongPart for a part that is not there or damaged.
    """
    parts = list_parts(store)
    by_part: defaultdict[str, dict[int, Taken]] = defaultdict(dict)
    for each in taken:
        by_part[each.part][each.sequence] = each
    vocabularies = PartVocabularies(store, ())
    rows = []
    for name, sequences in by_part.items():
        part = find(parts, name)
        for record, head in _records(store, part, vocabularies if text else None):
            for sequence, tokens in _tokens(record, part.sequence_length).items():
                if sequence in sequences:
                    rows.append(_row(sequences[sequence], record, tokens) | head)
    return sorted(rows, key=lambda row: (-math.inf if row["loss"] is None else -row["loss"], row["part"]))


def _records(
    store: ObjectStore, part: PartSealed, vocabularies: PartVocabularies | None
) -> Iterator[tuple[PartRecord, dict[str, Any]]]:
    if vocabularies is None:
        yield from ((record, {}) for record in read_records(store, part))
        return
    known = vocabularies.of(part)
    for document in documents_in(store, part):
        found = known.decode(document.tokens[:-1][:_HEAD_TOKENS])[:_HEAD_CHARS] if known else None
        yield document.record, {"text": found}


def _tokens(record: PartRecord, sequence_length: int) -> dict[int, int]:
    """How many tokens of a document lie in which sequence."""
    found: defaultdict[int, int] = defaultdict(int)
    for span in record.spans:
        found[span.start // sequence_length] += span.end - span.start
    return found


def _row(taken: Taken, record: PartRecord, tokens: int) -> dict[str, Any]:
    row = {
        "step": taken.step,
        "id": record.id,
        "uid": f"{record.uid:016x}",
        "source": record.source,
        "part": taken.part,
        "sequence": taken.sequence,
        "bucket": record.bucket,
        "tokens": tokens,
        "loss": round(taken.loss, 6) if math.isfinite(taken.loss) else None,
    }
    told = {"skipped": taken.skipped, "undone": taken.undone}
    return row | {name: True for name, said in told.items() if said}


def show(run: str, number: int, taken: Sequence[Taken], rows: Sequence[Mapping[str, Any]]) -> None:
    """As a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    texts = any("text" in row for row in rows)
    table = Table()
    for heading in ("loss", "sequence", "tokens"):
        table.add_column(heading, justify="right")
    for heading in ("bucket", "part", "uid", "document", *(["begins"] if texts else [])):
        table.add_column(heading, overflow="fold")
    for row in rows:
        loss = "no number" if row["loss"] is None else f"{row['loss']:.3f}"
        part = row["part"].rpartition("/")[2]
        said = [row["bucket"], part, row["uid"], row["id"]] + ([_head(row["text"])] if texts else [])
        table.add_row(
            loss, str(row["sequence"]), f"{row['tokens']:,}", *(escape(_line(each)) for each in said)
        )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    told = {
        "skipped: it changed no weights": taken[0].skipped,
        "undone: the run went back over it": taken[0].undone,
    }
    marks = "".join(f"; {mark}" for mark, said in told.items() if said)
    console.print(
        f"step {number} of {escape(run)}: {len(taken)} sequences, {len(rows)} documents in them{marks}"
    )


def _head(text: str | None) -> str:
    return "(its vocabulary is not in the store)" if text is None else text[:_SHOWN_CHARS]


def _line(text: str) -> str:
    """On one line, and without what would command the terminal: a document may hold anything."""
    return "".join(char if char.isprintable() else " " for char in text)
