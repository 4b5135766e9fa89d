"""What a river's archive holds, counted for the report. Reads files alone, and no texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.archive.asked import Asked
from services.archive.tables import DOCUMENTS, DROPS, USES, Row

if TYPE_CHECKING:
    from services.runtime import ObjectStore

_DUPLICATES = {"dedup", "mixer"}  # units whose drops mean "the corpus has this already"


@dataclass(frozen=True)
class Window:
    """A stretch of the tokens in parts, in the order of the parts: tokens by bucket, all of one phase."""

    phase: str
    tokens: Mapping[str, int]


@dataclass(frozen=True)
class Source:
    """Documents of a file by what became of them."""

    file: str
    kept: int
    dropped: int


@dataclass(frozen=True)
class Survey:
    """drops: by unit, reason, language; kept: what went to the pools, by bucket and language, with tokens.

    lengths: documents by the power of two that their tokens reach (9: 512 to 1,023). windows: by part.
    """

    drops: Sequence[Row]
    kept: Sequence[Row]
    sources: Sequence[Source]
    windows: Sequence[Window]
    lengths: Mapping[int, int]

    @property
    def num_kept(self) -> int:
        """Documents that went to a pool, those that a better one superseded later included."""
        return sum(row["rows"] for row in self.kept)

    @property
    def tokens(self) -> int:
        """In parts, those used again as often as they were used."""
        return sum(sum(window.tokens.values()) for window in self.windows)

    def dropped(self, *, duplicates: bool) -> Counter[tuple[str, str]]:
        """By unit and reason: the duplicates, or all others."""
        found = Counter[tuple[str, str]]()
        for row in self.drops:
            if (row["unit"] in _DUPLICATES) == duplicates:
                found[row["unit"], row["reason"]] += row["rows"]
        return found

    def by_phase(self) -> dict[str, Counter[str]]:
        """Tokens by bucket, of each phase in the order in which they began."""
        found: dict[str, Counter[str]] = {}
        for window in self.windows:
            found.setdefault(window.phase, Counter()).update(window.tokens)
        return found

    @property
    def row(self) -> dict[str, Any]:
        """For report.json."""
        mixed = [{"phase": name, "tokens": dict(tokens)} for name, tokens in self.by_phase().items()]
        return {
            "kept": self.num_kept,
            "tokens": self.tokens,
            "drops": list(self.drops),
            "pools": list(self.kept),
            "phases": mixed,
            "lengths": {str(1 << power): number for power, number in sorted(self.lengths.items())},
            "sources": [vars(source) for source in self.sources],
        }


def survey(store: ObjectStore) -> Survey:
    """Raises DependencyDown, Damaged."""
    from services.archive.query import count

    kept, dropped = (_by_file(store, table) for table in (DOCUMENTS, DROPS))
    return Survey(
        drops=count(store, DROPS, Asked(), ["unit", "reason", "language"]),
        kept=count(store, DOCUMENTS, Asked(), ["bucket", "language"], tokens=True),
        sources=[Source(file, kept[file], dropped[file]) for file, _ in (kept + dropped).most_common()],
        windows=list(_windows(store)),
        lengths=_lengths(store),
    )


def _by_file(store: ObjectStore, table: Any) -> Counter[str]:
    from services.archive.query import count

    return Counter({row["file"] or "": row["rows"] for row in count(store, table, Asked(), ["file"])})


def _windows(store: ObjectStore) -> Iterator[Window]:
    """Of each part, in the order in which the catalog numbers them; a part is of one phase."""
    from services.archive.query import count
    from services.sink.parts import list_parts

    tokens: dict[str, dict[str, Counter[str]]] = {}
    for row in count(store, USES, Asked(), ["part", "phase", "bucket"], tokens=True):
        tokens.setdefault(row["part"], {}).setdefault(row["phase"], Counter())[row["bucket"]] += row["tokens"]
    for part in list_parts(store):
        for phase, by_bucket in tokens.get(part.name, {}).items():
            yield Window(phase, by_bucket)


def _lengths(store: ObjectStore) -> Counter[int]:
    import numpy as np

    from services.archive.query import batches

    found = Counter[int]()
    for batch in batches(store, DOCUMENTS, ["num_tokens"]):
        powers = np.log2(np.maximum(batch["num_tokens"].to_numpy(), 1)).astype(int)
        found.update(
            dict(zip(*(each.tolist() for each in np.unique(powers, return_counts=True)), strict=True))
        )
    return found
