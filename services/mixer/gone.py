"""The documents that must not be mixed: superseded, quarantined or forgotten; and who is kin."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple, Self

import numpy as np

from contracts import Control, Document, Retraction
from services.mixer.kin import Joined, Kin

_MERGE_AT = 50_000


class Why(NamedTuple):
    """reason: of services.mixer.task.MIXER.drop_reasons. detail: for a person."""

    reason: str
    detail: str


class Gone:
    """A map from uid to Why. Retractions take 20 bytes each: sorted arrays and a small dict of late-comers.

    An entry is never removed: its document may still be on its way, and one that was mixed long ago cannot be
    told from it. Ten million retractions take 200 MB; a dict of messages would take 2.5 GB. Of a uid the
    first retraction stands, and the first reason of those that a person gave, which come before it.
    kin: is kept with it, since it is told and needed in the same way.
    """

    def __init__(self) -> None:
        self._uids = np.empty(0, np.uint64)
        self._by = np.empty(0, np.uint64)
        self._similarity = np.empty(0, np.float32)
        self._recent: dict[int, tuple[int, float]] = {}
        self._told: dict[int, Why] = {}
        self.kin = Kin()
        self._saved = 0

    @property
    def unsaved(self) -> int:
        """Entries that came since the last snapshot."""
        return len(self) - self._saved

    def __len__(self) -> int:
        return len(self._uids) + len(self._recent) + len(self._told) + len(self.kin)

    def add(self, told: Control) -> Joined | None:
        """O(1), and a merge of the arrays every 50,000 entries. What names no document is passed by.

        The keys that have become one by it, if it was that.
        """
        match told.WhichOneof("told"):
            case "retraction":
                self._retract(told.retraction)
            case "quarantine":
                self._told.setdefault(told.quarantine.uid, Why("quarantined", told.quarantine.why))
            case "forget":
                self._told[told.forget.uid] = Why("forgotten", told.forget.why)
            case "kin":
                return self.kin.join(told.kin.key, told.kin.into)
        return None

    def find(self, uid: int) -> Why | None:
        """About 1 µs."""
        if (why := self._told.get(uid)) is not None:
            return why
        at = int(self._uids.searchsorted(np.uint64(uid))) if len(self._uids) else 0
        if at < len(self._uids) and self._uids[at] == uid:
            return _superseded(int(self._by[at]), float(self._similarity[at]))
        found = self._recent.get(uid)
        return _superseded(*found) if found else None

    def snapshot(self) -> bytes:
        """All of it; 20 bytes a retraction."""
        self._merge()
        self._saved = len(self)
        told = json.dumps([[uid, *why] for uid, why in self._told.items()]).encode()
        keys, parents = self.kin.packed()
        out = io.BytesIO()
        np.savez(
            out,
            uids=self._uids,
            by=self._by,
            similarity=self._similarity,
            kin=np.stack([keys, parents]),
            told=np.frombuffer(told, np.uint8),
        )
        return out.getvalue()

    @classmethod
    def restored(cls, snapshot: bytes) -> Self:
        """Raises ValueError: it is none, or cut."""
        made = cls()
        try:
            with np.load(io.BytesIO(snapshot), allow_pickle=False) as kept:
                made._uids, made._by, made._similarity = kept["uids"], kept["by"], kept["similarity"]
                if "kin" in kept:  # not in one of before there was such a thing
                    made.kin = Kin(*kept["kin"])
                told: list[Any] = json.loads(kept["told"].tobytes())
        except Exception as error:  # zipfile, zlib and numpy have a kind each for what is cut
            raise ValueError(f"not a snapshot of who is gone: {error!r}") from error
        made._told = {uid: Why(reason, detail) for uid, reason, detail in told}
        made._saved = len(made)
        return made

    def _retract(self, retraction: Retraction) -> None:
        self._recent.setdefault(retraction.uid, (retraction.superseded_by, retraction.similarity))
        if len(self._recent) >= _MERGE_AT:
            self._merge()

    def _merge(self) -> None:
        recent = np.fromiter(self._recent, np.uint64, len(self._recent))
        by, similarity = zip(*self._recent.values(), strict=True) if self._recent else ((), ())
        uids = np.concatenate([self._uids, recent])
        every_by = np.concatenate([self._by, np.array(by, np.uint64)])
        every_similarity = np.concatenate([self._similarity, np.array(similarity, np.float32)])
        self._uids, first = np.unique(uids, return_index=True)  # of equal uids, the one that came first
        self._by, self._similarity = every_by[first], every_similarity[first]
        self._recent = {}


def _superseded(by: int, similarity: float) -> Why:
    return Why("superseded", f"superseded by {by:016x}, similarity {similarity:.2f}")


def shown(document: Document, why: Why) -> Document:
    """As it goes to the drops: of one that is to be forgotten nothing but its names."""
    if why.reason != "forgotten":
        return document
    return Document(id=document.id, uid=document.uid, source=document.source)
