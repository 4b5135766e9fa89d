"""Segments: the lines of the catalog as objects beside the parts.

    catalog/000000000000.jsonl                 from number 0 on; its lines say how many
    catalog/000000000003.jsonl                 the next one, begins where the one before ends
    catalog/000000000000-000000000255.jsonl    a block: the same lines once more, for who has to catch up

**A segment that is there is final.** It is created and never written again: of two writers one succeeds, and
the other takes over what it finds. So a segment may be read as soon as it is seen, also before shards.catalog
announces it; a crash between the two leaves one segment that the next start announces as it is. This needs a
store with conditional writes, as folders and S3 are (where there are none, see ObjectStore.create, a writer
that was fenced in the middle of one could still replace a segment).

No segment goes over the edge of a block, so every multiple of BLOCK is the name of a segment. Blocks hold
nothing of their own; one that is missing is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts import PartCatalogued
from services.catalog.entry import Entry, entry_in, from_line, to_line
from services.runtime import ConfigurationError, CorpusworksError, DependencyDown, ObjectStore

FOLDER = "catalog"
BLOCK = 256  # numbers; who catches up with n parts asks n / 256 + 256 times at the most

MENDED_BY = "`corpusworks parts adopt` writes it again as shards.catalog has it"

WAYS_OUT = (
    "Nothing was changed. Ways out: `corpusworks parts adopt`, which takes over the numbers in the store; "
    "another folder (--out) or CORPUSWORKS_STORE_URL for this river; `corpusworks run --fresh`, which "
    "removes those parts and their numbers for good"
)

_WAY_OUT = f"put a copy of it back, or {MENDED_BY}"


def segment_key(first: int) -> str:
    """The name of the segment that begins with this number."""
    return f"{FOLDER}/{first:012d}.jsonl"


def block_key(first: int) -> str:
    """The name of a block. first: a multiple of BLOCK."""
    return f"{FOLDER}/{first:012d}-{first + BLOCK - 1:012d}.jsonl"


def load(store: ObjectStore, first: int, *, blocks: bool = True) -> list[Entry]:
    """The entries of the segment, or block, that begins with this number; none where there is none yet.

    One request, two at the edge of a block. Raises CorpusworksError for one that is damaged.
    """
    at_edge = blocks and first % BLOCK == 0
    for key in [block_key(first)] * at_edge + [segment_key(first)]:
        try:
            data = store.get(key)
        except FileNotFoundError:
            continue
        return _parse(data, key, first)
    return []


def stored(store: ObjectStore) -> Iterator[list[Entry]]:
    """Every segment from the first on, as they were written."""
    first = 0
    while found := load(store, first, blocks=False):
        yield found
        first += len(found)


class Segments:
    """The writing side. Each method may raise DependencyDown; ConfigurationError for a damaged segment."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def take_up(self, last: PartCatalogued | None) -> list[Entry]:
        """Compare with the last announcement; the entries of a segment that an earlier try left behind.

        Three requests or four, however many parts there are. Raises ConfigurationError where the store and
        the log do not belong together.
        """
        if last is not None:
            self._check(last)
        first = 0 if last is None else last.sequence + 1
        found = self._load(first)
        if found and self._load(first + len(found)):
            raise ConfigurationError(
                f"{self._store.url} has parts under the numbers from {first} on that shards.catalog does not "
                f"announce (first: {found[0].name}): the log was lost, cut, or is another river's. {WAYS_OUT}"
            )
        edge = first - first % BLOCK
        if edge and not self._block(edge - BLOCK):
            self.roll(edge)
        return found

    def create(self, entries: Sequence[Entry]) -> list[Entry]:
        """Write a segment; returns what it holds: these entries, or those that somebody wrote before."""
        first = entries[0].sequence
        if self._store.create(segment_key(first), _bytes(entries)):
            return list(entries)
        return self._load(first)

    def roll(self, end: int) -> None:
        """Write the block that ends before this number; once more changes nothing."""
        entries: list[Entry] = []
        while len(entries) < BLOCK:
            found = self._load(end - BLOCK + len(entries))
            if not found:
                raise ConfigurationError(
                    f"{segment_key(end - BLOCK + len(entries))} is not in {self._store.url}, and later ones "
                    f"are: {_WAY_OUT}"
                )
            entries += found
        self._store.put(block_key(end - BLOCK), _bytes(entries))

    def readable(self, first: int) -> list[Entry]:
        """What the segment that begins here holds; nothing where there is none, or a damaged one."""
        try:
            return self._load(first)
        except ConfigurationError:
            return []

    def write_again(self, entries: Sequence[Entry]) -> None:
        """A segment that was announced and is lost or damaged; the bytes are those that it had."""
        self._store.put(segment_key(entries[0].sequence), _bytes(entries))

    def mend_blocks(self, entries: Sequence[Entry]) -> None:
        """Write the blocks that are missing or not as they were. entries: all from number 0 on."""
        for first in range(0, len(entries) - BLOCK + 1, BLOCK):
            whole = _bytes(entries[first : first + BLOCK])
            if self._block(first) != whole:
                self._store.put(block_key(first), whole)

    def _check(self, last: PartCatalogued) -> None:
        found = self._load(last.segment)
        if not found:
            raise ConfigurationError(
                f"shards.catalog gives numbers up to {last.sequence}, and {self._store.url} has no "
                f"{segment_key(last.segment)}: it is another store, or has been emptied. Set "
                "CORPUSWORKS_STORE_URL to the one that has it, put back a copy, or start another river; "
                f"where the parts are there and {FOLDER}/ alone is lost, {MENDED_BY}"
            )
        if found[-1] != entry_in(last):
            raise ConfigurationError(
                f"{self._store.url} gives the number {found[-1].sequence} to {found[-1].name}, and "
                f"shards.catalog {last.sequence} to {last.name}: these are another river's parts, or the log "
                f"was cut. {WAYS_OUT}"
            )

    def _load(self, first: int) -> list[Entry]:
        try:
            return load(self._store, first, blocks=False)
        except DependencyDown:
            raise
        except CorpusworksError as error:  # no waiting mends it
            raise ConfigurationError(str(error)) from error

    def _block(self, first: int) -> bytes:
        """Nothing where it is not there."""
        try:
            return self._store.get(block_key(first))
        except FileNotFoundError:
            return b""


def _bytes(entries: Sequence[Entry]) -> bytes:
    return b"".join(map(to_line, entries))


def _parse(data: bytes, key: str, first: int) -> list[Entry]:
    try:
        found = [from_line(line) for line in data.splitlines()]
    except (ValueError, TypeError) as error:
        raise CorpusworksError(f"{key} is damaged ({error}): {_WAY_OUT}") from error
    if not found or [entry.sequence for entry in found] != list(range(first, first + len(found))):
        raise CorpusworksError(f"{key} is damaged (its numbers do not follow): {_WAY_OUT}")
    return found
