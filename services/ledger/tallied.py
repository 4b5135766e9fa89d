"""All tallies of a river, added up; small however many there are.

It can be added to later: who has kept it reads only the tallies that are new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from contracts import Tally
from services.ledger.part_uids import uids_in_part
from services.ledger.sums import Sums, Uids, uids_of
from services.runtime import ConfigurationError, ObjectStore
from services.runtime.clients.log import Log
from services.runtime.topics import TALLY

_LAYOUT = 1

Ends = Mapping[tuple[str, int], int]

# What the parts' own records say, beside what was tallied when they were announced.
STORED, STORED_AGAIN = "STORED", "STORED_AGAIN"
# What was read a second time and ended as a copy of itself; see astray.py.
READ_AGAIN = "READ_AGAIN"
_KINDS = [*Tally.Outcome.keys()[1:], STORED, STORED_AGAIN, READ_AGAIN]


class Group(NamedTuple):
    """What documents that were dropped or put into parts are counted by. outcome: its name in Tally."""

    outcome: str
    unit: str
    reason: str
    language: str
    category: str
    format: str
    bucket: str
    ranked: bool


@dataclass
class Tallied:
    """sums: by outcome, and what is named above. counts: documents and pieces by (outcome, unit, reason).

    documents, tokens: by group. offsets: by partition of river.tally, the end of what is added up.
    unread: parts that were announced and whose records have not been read yet; absent: those without records.
    """

    sums: dict[str, Sums] = field(default_factory=lambda: {kind: Sums() for kind in _KINDS})
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    documents: Counter[Group] = field(default_factory=Counter)
    tokens: Counter[Group] = field(default_factory=Counter)
    offsets: dict[int, int] = field(default_factory=dict)
    num_parts: int = 0
    unread: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def read(self, log: Log, ends: Ends) -> None:
        """Add what stands in river.tally before these ends. Raises ConfigurationError, DependencyDown.

        A state to which a part of the tallies is lost is of no use: it is not added to then.
        """
        starts = log.starts([TALLY])
        for (_, partition), start in starts.items():
            if start > (at := self.offsets.get(partition, 0)):
                raise ConfigurationError(
                    f"{TALLY} partition {partition} begins at {start}, and what was added up ends at {at}: "
                    "the tallies between are gone. `corpusworks reconcile --thorough` reads what there is"
                )
        for entry in tallies(log, {tp: (self.offsets.get(tp[1], 0), end) for tp, end in ends.items()}):
            self.add(entry)
        self.offsets |= {partition: end for (_, partition), end in ends.items()}

    def add(self, entry: Tally.Entry) -> None:
        """One entry of a tally."""
        outcome = Tally.Outcome.Name(entry.outcome)
        if entry.outcome == Tally.ANNOUNCED:
            self.num_parts += 1
            self.unread.append(entry.part)
            return
        self.sums[outcome].add(uids_of(entry.uids))
        self.counts[outcome, entry.unit, entry.reason] += len(entry.uids) + entry.number
        for g in entry.groups:
            group = Group(
                outcome, entry.unit, entry.reason, g.language, g.category, g.format, g.bucket, g.ranked
            )
            self.documents[group] += g.documents
            self.tokens[group] += g.tokens

    def read_parts(self, store: ObjectStore) -> None:
        """Hold what was announced since the last time to the records of the parts. Raises DependencyDown."""
        while self.unread:
            name = self.unread[-1]
            try:
                first, again = uids_in_part(store, name)
            except FileNotFoundError:
                self.absent.append(name)
            else:
                self.sums[STORED].add(first)
                self.sums[STORED_AGAIN].add(again)
            self.unread.pop()

    def number(self, outcome: str) -> int:
        """Documents and pieces that came to this."""
        return sum(count for (name, _, _), count in self.counts.items() if name == outcome)

    @property
    def rejudged(self) -> dict[tuple[str, str], int]:
        """Drops that were put back, by who had dropped them and why. Of dead letters no unit is told."""
        counts = self.counts.items()
        return {(unit, why): n for (outcome, unit, why), n in counts if outcome == "REVIVED" and unit}

    def balances(self, under_way: Sums) -> list[Sums]:
        """What must be empty in every range. under_way: documents, at the moment of the offsets.

        1. Whatever came, or came back, has one end or is under way.
        2. The records of the parts are what was tallied when they were announced; so of further uses.
        """
        of = self.sums
        came = of["CAME"] + of["REVIVED"] + of["RESUMED"] + of[READ_AGAIN]
        ended = of["DROPPED"] + of["DEAD"] + of["PART"] + of["ASIDE"]
        return [came - ended - under_way, of["PART"] - of[STORED], of["AGAIN"] - of[STORED_AGAIN]]

    def encode(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "layout": _LAYOUT,
            "offsets": {str(partition): offset for partition, offset in sorted(self.offsets.items())},
            "num_parts": self.num_parts,
            "unread": self.unread,
            "absent": self.absent,
            "counts": [[*key, number] for key, number in sorted(self.counts.items())],
            "groups": [[*key, n, self.tokens[key]] for key, n in sorted(self.documents.items())],
            "sums": {kind: sums.encode() for kind, sums in self.sums.items()},
        }

    @classmethod
    def decode(cls, said: Mapping[str, Any]) -> Self:
        """The inverse of encode. Raises ValueError."""
        try:
            if said["layout"] != _LAYOUT:
                raise ValueError(f"layout {said['layout']}")
            return cls(
                sums={kind: Sums.decode(said["sums"][kind]) for kind in _KINDS},
                counts=Counter({tuple(key): number for *key, number in said["counts"]}),
                documents=Counter({Group(*key): number for *key, number, _ in said["groups"]}),
                tokens=Counter({Group(*key): tokens for *key, _, tokens in said["groups"]}),
                offsets={int(partition): int(offset) for partition, offset in said["offsets"].items()},
                num_parts=said["num_parts"],
                unread=list(said["unread"]),
                absent=list(said["absent"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no tallies that were added up: {error!r}") from error


def tallies(log: Log, ranges: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[Tally.Entry]:
    """The entries in these stretches of river.tally."""
    for record in log.read(ranges):
        yield from Tally.FromString(record.value or b"").entries


def told_uids(entry: Tally.Entry) -> Uids:
    """Those of an entry."""
    return uids_of(entry.uids)
