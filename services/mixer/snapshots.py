"""Who is gone, as it lies in the store, so that a lane starts without reading all that it was told."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

from services.mixer.gone import Gone
from services.runtime import ConfigurationError, ObjectStore

# A snapshot is written once so much has come since the last: a lane then reads at most so much at its start,
# and of a set of n entries about 16·n are written in all its life.
_LEAST = 50_000
_SHARE = 16


class Snapshots:
    """Those of one lane. A snapshot is named by the offset in pool.control below which it tells all."""

    def __init__(self, store: ObjectStore, lane: int, topic_id: str) -> None:
        """topic_id: Kafka's, of pool.control; it tells this river's snapshots from another's."""
        self._store = store
        self._folder = f"lanes/lane-{lane:03d}/gone-{zlib.crc32(topic_id.encode()):08x}"

    def read(self, upto: int) -> Gone:
        """The one of this offset. Raises ConfigurationError: it is gone or cut; DependencyDown."""
        key = self._key(upto)
        try:
            return Gone.restored(self._store.get(key))
        except (FileNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"{key} is not in {self._store.url} or cannot be read ({error}): it says which documents "
                "must not be mixed any more. Bring the store back as it was; without it superseded and "
                "quarantined documents would go into parts"
            ) from error

    def kept(self, gone: Gone, upto: int, heard: int) -> tuple[int, Callable[[], None] | None]:
        """Write another one if it is time: its offset, or that of the present one, and what to do once that
        is committed. heard: offset after the last message that `gone` knows. Raises DependencyDown.
        """
        if gone.unsaved < max(_LEAST, len(gone) // _SHARE) or heard <= upto:
            return upto, None
        self._store.put(self._key(heard), gone.snapshot())
        return heard, partial(self._sweep, heard)

    def _sweep(self, upto: int) -> None:
        """Remove those before it; a kill leaves them to the next."""
        self._store.delete(key for key in self._store.list(f"{self._folder}/") if key < self._key(upto))

    def _key(self, upto: int) -> str:
        return f"{self._folder}/{upto:012d}.npz"
