"""The judgement: a document survives if and only if no better near-duplicate of it ever came in.

Better is the greater score (entry.standing); of equals the earlier import, so that a copy of what is
in the corpus is never taken for an improvement; within one import the greater uid. Each document is
entered first and looks round after, so of two near-duplicates at least one meets the other, on any
number of replicas; whichever does settles the pair: the worse one drops if it is at hand, and is
buried and retracted if it went on before. Dropped documents stay in the index and go on dropping their
worse neighbours, so the outcome is a property of the set of documents and not of their order.
(In a crowd, past the bounds of its bands, some pairs are never tried: see neighbours.py; and of documents in
the cold tier what came first counts as the better: see cold.py.)

A retraction must outlive a crash between the write to the index and the commit in Kafka: the index
remembers who buried whom (the first stands), and a killer that is judged again repeats its
retractions. Whether a known document is judged again or came a second time is told by where it was
read, and by the offset up to which the runtime has committed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from contracts import Document
from services.dedup.abroad import look_abroad
from services.dedup.case import Case
from services.dedup.clusters import gather
from services.dedup.cold_index import RedisCold
from services.dedup.config import DedupConfig
from services.dedup.entry import Entry, make_entry, position_token
from services.dedup.index import Death, Index
from services.dedup.lineage import living
from services.dedup.look_cold import look_cold
from services.dedup.namespaces import Namespaces
from services.dedup.neighbours import look_round
from services.dedup.normal import compared
from services.dedup.page import pack_rows
from services.dedup.signed import fault, signed
from services.dedup.verdicts import Outcome, cold_duplicate, exact_duplicate, settled
from services.runtime import Drop, Reject, Verdict, state

DROP_REASONS = frozenset(
    {"already_seen", "cold_duplicate", "exact_duplicate", "near_duplicate", "other_namespace", "reference"}
)
_WORD = 1 << 64
_SPREAD = 0x9E3779B97F4A7C15  # odd: the exact keys of one text under different thresholds differ


class Deduplicator:
    """The judge of the unit: at most some dozen calls to the index for a batch of any size.

    Over a shared index documents need their positions: without one, a document that comes again
    after an interruption cannot be told from a copy, and drops as already_seen.
    """

    def __init__(
        self,
        index: Index,
        marks: state.Marks,
        config: DedupConfig,
        lanes: int = 1,
        cold: RedisCold | None = None,
    ) -> None:
        """lanes: of the river, each of which is told of clusters that have become one."""
        self._index = index
        self._marks = marks
        self._config = config
        self._lanes = lanes
        self._cold = cold
        self._namespaces = Namespaces(config.namespaces)

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """One verdict for each document. Raises DependencyDown."""
        verdicts: dict[int, Verdict] = {}
        for number, document in enumerate(documents):
            if (wrong := _fault(document, self._config)) is not None:
                verdicts[number] = Reject(wrong)
        sound = {number: each for number, each in enumerate(documents) if number not in verdicts}
        if sound:
            verdicts |= self._judge(sound)
        return [verdicts[number] for number in range(len(documents))]

    def begin(self, offsets: Mapping[state.Place, int]) -> None:
        """See Marks: before the first judgement. Raises ConfigurationError when the index has forgotten."""
        self._marks.begin(offsets)

    def reached(self, offsets: Mapping[state.Place, int]) -> None:
        """Everything below these offsets has been judged and may be committed: returns when that is on disk.

        To be called before each commit, with its offsets. Raises DependencyDown.
        """
        self._marks.reached(offsets)
        self._marks.sync()

    def committed(self, offsets: Mapping[state.Place, int]) -> None:
        """Everything below these offsets is committed in Kafka and must not be judged again.

        To be called after each commit, and with the group's offsets when partitions are assigned.
        Raises DependencyDown.
        """
        self._marks.commit(offsets)

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()
        self._marks.close()

    def _judge(self, documents: Mapping[int, Document]) -> dict[int, Verdict]:
        cases = self._first_sight(documents)
        verdicts: dict[int, Verdict] = {
            number: Drop("already_seen", detail=f"uid {document.uid:016x} came in before")
            for number, document in documents.items()
            if number not in cases
        }
        if self._cold is not None:
            look_cold(self._cold, self._index, list(cases.values()), self._config)
        gone = [case for case in cases.values() if case.cold]
        warm = [case for case in cases.values() if not case.cold]
        self._exact(warm)
        copies = [case for case in warm if case.fresh and case.beaten]
        rest = [case for case in warm if not (case.fresh and case.beaten)]
        look_round(self._index, rest, self._config.cluster_from)
        for case in rest:
            if case.home.reference:
                case.near = case.kin = ()  # none of them goes on, so none stands back for another
        look_abroad(self._index, rest)
        gather(self._index, rest, copies)
        deaths = self._bury([*gone, *rest])
        outcome = self._outcome(copies, rest, deaths)
        verdicts |= {case.number: cold_duplicate(case, outcome) for case in gone}
        verdicts |= {case.number: exact_duplicate(case, outcome) for case in copies}
        verdicts |= {case.number: settled(case, outcome) for case in rest}
        return verdicts

    def _first_sight(self, documents: Mapping[int, Document]) -> dict[int, Case]:
        """Enter the documents; those that came before, and are done with, are left out."""
        texts = [compared(each, fold_script=self._config.fold_script) for each in documents.values()]
        sketches = signed(list(documents.values()), [text for text, _ in texts], self._config)
        given = [
            make_entry(document, self._config.threshold_of(document.category), bits.tobytes(), fine.tobytes())
            for document, bits, fine in zip(documents.values(), sketches.bits, sketches.fine, strict=True)
        ]
        cases = {}
        homes = [self._namespaces.home(document) for document in documents.values()]
        bands = np.array([home.keys(keys) for home, keys in zip(homes, sketches.bands, strict=True)])
        packed = pack_rows(bands)
        for row, (number, known) in enumerate(zip(documents, self._index.put(given), strict=True)):
            document = documents[number]
            if known is not None and not self._again(document, known):
                continue
            entry = known or given[row]
            exact = (texts[row].exact + entry.threshold * _SPREAD) % _WORD
            cases[number] = Case(
                number,
                document,
                texts[row].text,
                homes[row].exact(exact),
                sketches.minima[row],
                bands[row],
                packed[row],
                entry,
                fresh=known is None,
                home=homes[row],
            )
        return cases

    def _again(self, document: Document, entry: Entry) -> bool:
        """Whether a known document is the same message and must be judged again.

        It is, while it is not committed, or if it was a dead letter then and comes back.
        """
        token = position_token(document)
        if token != entry.position or not any(token):
            return False
        place = document.position
        if place.redriven:
            return True
        return place.offset >= self._marks.committed_offset((place.topic_id, place.partition))

    def _exact(self, cases: Sequence[Case]) -> None:
        """Ask who holds each text. The worse of equal texts is dropped without entering it into the bands.

        The holder of a key has the same text and threshold and is better, so whatever such a document
        would drop, the holder does. A document that is judged again goes the whole way: it may have
        buried others before it was interrupted.
        """
        orders = [case.entry.order for case in cases]
        held = self._index.hold([case.exact for case in cases], orders)
        for case, order, holder in zip(cases, orders, held, strict=True):
            case.holder, case.beaten = holder, holder > order

    def _bury(self, cases: Sequence[Case]) -> dict[tuple[int, Death], Death]:
        """Bury what must not survive; of each death that is asked for, the one that stands.

        A document that drops is buried by itself, and first: what never went on needs no retraction.
        """
        own, others = [], []
        for case in cases:
            uid = case.entry.uid
            others += [(near.entry.uid, Death(uid, went_on=True)) for near in case.worse]
            if (killer := case.killer) is not None:
                own.append((uid, Death(killer, went_on=False)))
        pairs = own + others
        return dict(zip(pairs, self._index.bury(pairs), strict=True)) if pairs else {}

    def _outcome(
        self, copies: Sequence[Case], cases: Sequence[Case], deaths: Mapping[tuple[int, Death], Death]
    ) -> Outcome:
        """Who lives, of those for whom documents drop or are taken back."""
        asked = {case.killer for case in (*copies, *cases) if case.killer is not None}
        asked |= {case.entry.uid for case in cases if case.worse}
        stands = living(self._index, asked)
        return Outcome(deaths, stands, self._index.fetch(set(stands.values())), self._lanes)


def _fault(document: Document, config: DedupConfig) -> str | None:
    if not document.uid:
        return "the document has no uid: it must come through ingest, which sets it"
    if not math.isfinite(document.score):
        return f"score {document.score} is no number: look at the scorer that set it"
    if not 0.0 <= document.rank <= 1.0 or math.isnan(document.rank):
        return f"rank {document.rank} is not between 0 and 1: look at the scorer that set it"
    return fault(document, config)
