"""The tallies of a river that were added up, kept in the object store for who asks next.

    ledger/tally-0a1b2c3d-000000000000012345.json   eight digits of river.tally's id, offsets added up

The one that has come furthest counts. All may be lost: then all tallies are read
again, as long as Kafka has them.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping

import structlog

from services.ledger.tallied import Ends, Tallied
from services.runtime import ConfigurationError, DependencyDown, ObjectStore
from services.runtime.topics import RAW, TALLY

_FOLDER = "ledger"
_KEY = re.compile(rf"{_FOLDER}/tally-([0-9a-f]{{8}})-(\d{{18}})\.json")
_SPARE = 1  # former ones that stay: another reader may have just listed them

logger = structlog.get_logger(__name__)


class Kept:
    """Of one river. topic_ids: Kafka's, by name."""

    def __init__(self, store: ObjectStore, topic_ids: Mapping[str, str]) -> None:
        self._store = store
        self._ids = {name: topic_ids.get(name, "") for name in (TALLY, RAW)}
        self._river = f"{zlib.crc32(self._ids[TALLY].encode()):08x}"

    def load(self, ends: Ends) -> Tallied:
        """What has come furthest; empty where there is none, or none that these ends of river.tally hold.

        Raises ConfigurationError where the river had another river.tally before, DependencyDown.
        """
        keys = sorted(self._keys(), reverse=True)
        for key in keys:
            if not self._is_ours(key):
                self._refuse_successor(key)
        for key in filter(self._is_ours, keys):
            try:
                found = Tallied.decode(json.loads(self._store.get(key)))
            except (ValueError, FileNotFoundError) as error:
                logger.warning("passed over", key=key, error=str(error))
                continue
            if all(offset <= ends.get((TALLY, p), 0) for p, offset in found.offsets.items()):
                return found
        return Tallied()

    def keep(self, tallied: Tallied) -> None:
        """Leave it for the next. A store that takes nothing from this user, or is away, changes nothing."""
        key = f"{_FOLDER}/tally-{self._river}-{sum(tallied.offsets.values()):018d}.json"
        content = json.dumps(tallied.encode() | {"topics": self._ids}, separators=(",", ":"))
        try:
            self._store.put(key, content.encode())
            ours = sorted(filter(self._is_ours, self._keys()))
            self._store.delete(ours[: -1 - _SPARE])
        except (ConfigurationError, DependencyDown) as error:
            logger.info("not kept; the next reads the same tallies again", error=str(error))

    def _keys(self) -> list[str]:
        return [key for key in self._store.list(_FOLDER) if _KEY.fullmatch(key)]

    def _is_ours(self, key: str) -> bool:
        match = _KEY.fullmatch(key)
        return match is not None and match[1] == self._river

    def _refuse_successor(self, key: str) -> None:
        try:
            ids = json.loads(self._store.get(key))["topics"]
        except (ValueError, LookupError, TypeError, FileNotFoundError):
            return  # of whatever river
        if self._ids[RAW] and ids.get(RAW) == self._ids[RAW]:
            raise ConfigurationError(
                f"{TALLY} was made anew: its id was {ids.get(TALLY)} and is now {self._ids[TALLY]}, so what "
                "came before is not in it. `corpusworks reconcile --thorough` reads what there is"
            )
