"""Which parts go into an export, and how it comes about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts import PartSealed
from services.runtime import ConfigurationError, ObjectStore, extension
from services.sink.export.ds import DsWriter
from services.sink.export.folder import appearing
from services.sink.export.mds import MdsWriter
from services.sink.parts import PartDocument, WrongPart, checked_documents, find, list_parts


class Writer(Protocol):
    """Writes files into a folder that nobody sees before `finish` has returned."""

    def add(self, part: PartSealed, documents: Iterable[PartDocument]) -> None:
        """One part, after those before it."""

    def finish(self) -> None:
        """After the last part."""


FORMATS: dict[str, Callable[[Path], Writer]] = {"ds": DsWriter, "mds": MdsWriter}


@dataclass(frozen=True)
class Exported:
    """What went into an export. tokens: without padding."""

    parts: int
    documents: int
    tokens: int


def check_format(form: str) -> None:
    """Raises ConfigurationError: there is no such format, here or in an installed package."""
    if form not in (known := _formats()):
        raise ConfigurationError(f"there is no format {form!r} to export to; there are: {', '.join(known)}")


def _formats() -> dict[str, Callable[[Path], Writer]]:
    return FORMATS | extension.added(extension.EXPORTERS, type)


def chosen(store: ObjectStore, names: Sequence[str] = (), vocabulary: str = "") -> list[PartSealed]:
    """The parts to be exported, in the order of the store: those named, or all; of one vocabulary.

    Raises WrongPart where there is none, ConfigurationError where they have more than one vocabulary: a
    reader takes all tokens of a folder for words of the same.
    """
    there = list_parts(store)
    wanted = {find(there, name).name for name in names}
    parts = [part for part in there if not names or part.name in wanted]
    by_vocabulary = Counter(part.tokenizer for part in parts)
    if vocabulary:
        parts = [part for part in parts if part.tokenizer == vocabulary]
    elif len(by_vocabulary) > 1:
        told = ", ".join(f"{digest} ({count} parts)" for digest, count in by_vocabulary.most_common())
        raise ConfigurationError(
            f"the parts are of several vocabularies: {told}; choose one with --vocabulary"
        )
    if not parts:
        of = f" of the vocabulary {vocabulary}" if vocabulary else ""
        raise WrongPart(f"there is no part{of} in {store.url}")
    return parts


def export(store: ObjectStore, parts: Sequence[PartSealed], form: str, out: Path) -> Exported:
    """Write the parts into the folder `out`, which appears when all are in it. form: a name in FORMATS, or
    of what an installed package adds.

    Each part is checked before it is taken. Memory: one part, and a shard where the format has some.

    Raises WrongPart, ConfigurationError where `out` cannot be made or has something in it, CorpusworksError.
    """
    with appearing(out) as folder:
        writer = _formats()[form](folder)
        for part in parts:
            writer.add(part, checked_documents(store, part))
        writer.finish()
    documents = sum(part.num_documents for part in parts)
    return Exported(len(parts), documents, sum(part.num_tokens for part in parts))
