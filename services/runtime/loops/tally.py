"""The tally of a transaction: the uids of what came in it and of what ended, in a message of river.tally.

It stands or falls with them. So what came, less what ended, is what is under way, and `corpusworks reconcile`
adds up tallies in place of documents. 8 bytes a document and outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError

from contracts import Document, PartRecord, Tally
from services.runtime.loops.transaction import Produce
from services.runtime.process.frames import Kin, kin_of
from services.runtime.topics import TALLY

_MOST = 50_000  # documents in a message: 400 KB, so that it stays under the broker's limit


class Told(NamedTuple):
    """One document, or one piece without identity (uid 0), and what it came to. outcome: one of Tally's."""

    outcome: Tally.Outcome
    uid: int
    unit: str = ""
    reason: str = ""
    kin: Kin | None = None


def tally(told: Iterable[Told], parts: Iterable[str] = ()) -> list[Produce]:
    """The messages to send in the same transaction; none where there is nothing to tell. parts: announced."""
    found = list(told)
    announced = [Tally.Entry(outcome=Tally.ANNOUNCED, part=name) for name in parts]
    outputs = []
    for start in range(0, max(len(found), 1), _MOST):
        entries = [*_entries(found[start : start + _MOST]), *(announced if start == 0 else ())]
        if entries:
            spread = found[start].uid if found else 0
            outputs.append(Produce(TALLY, Tally(entries=entries).SerializeToString(), spread=spread))
    return outputs


def dropped(document: Document, unit: str, reason: str) -> Told:
    """A document that leaves. For a further use it is no end: that is in the part of the first."""
    if document.use > 1:
        return Told(Tally.LEFT_AGAIN, document.uid, unit, reason)
    return Told(Tally.DROPPED, document.uid, unit, reason, kin_of(document))


def dead(value: bytes, unit: str) -> Told:
    """A message that becomes a dead letter; where it is no document, none is accounted for."""
    try:
        document = Document.FromString(value)
    except DecodeError:
        document = Document()
    if not document.uid:
        return Told(Tally.UNREADABLE, 0, unit)
    return Told(Tally.LEFT_AGAIN if document.use > 1 else Tally.DEAD, document.uid, unit)


def revived(document: Document | None) -> Iterator[Told]:
    """A dead letter that is put back: what `dead` told of it is taken back."""
    if document is not None and document.use <= 1:
        yield Told(Tally.REVIVED, document.uid)


def rejudged(document: Document, unit: str, reason: str) -> Told:
    """A drop that is put back: what `dropped` told of it is taken back."""
    return Told(Tally.REVIVED, document.uid, unit, reason)


def put(record: PartRecord) -> Told:
    """A document in a part that is announced."""
    outcome = Tally.AGAIN if record.use > 1 else Tally.PART
    return Told(outcome, record.uid, kin=kin_of(record))


def _entries(told: Iterable[Told]) -> Iterator[Tally.Entry]:
    by_what: dict[tuple[Tally.Outcome, str, str], list[Told]] = {}
    for each in told:
        by_what.setdefault((each.outcome, each.unit, each.reason), []).append(each)
    for (outcome, unit, reason), found in by_what.items():
        uids = [each.uid for each in found if each.uid]
        number = len(found) - len(uids)
        groups = list(_groups(each.kin for each in found if each.kin is not None))
        yield Tally.Entry(outcome=outcome, unit=unit, reason=reason, uids=uids, number=number, groups=groups)


def _groups(kins: Iterable[Kin]) -> Iterator[Tally.Group]:
    counts: dict[tuple[str, str, str, str, bool], list[int]] = {}
    for *names, tokens in kins:
        count = counts.setdefault(tuple(names), [0, 0])  # type: ignore[arg-type]
        count[0] += 1
        count[1] += tokens
    for (language, category, form, bucket, ranked), (documents, tokens) in counts.items():
        yield Tally.Group(
            language=language, category=category, format=form, bucket=bucket, ranked=ranked,
            documents=documents, tokens=tokens,
        )  # fmt: skip
