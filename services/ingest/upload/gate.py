"""Who may send how much now: keys, their quotas of a day, and what waits in the river."""

from __future__ import annotations

from datetime import UTC, datetime

from services.ingest.upload.config import UploadConfig
from services.ingest.upload.keys import Key, Keys
from services.ingest.upload.refusal import Refusal, later
from services.ingest.upload.states import States
from services.ingest.upload.stored import today
from services.runtime import Keeper


class Gate:
    """Asked before a body is read. `look` is to be called every few seconds."""

    def __init__(self, config: UploadConfig, keeper: Keeper, keys: Keys, states: States) -> None:
        self._config = config
        self._keeper = keeper
        self._keys = keys
        self._states = states
        self._full = ""

    def look(self) -> None:
        """See how much waits. Raises DependencyDown."""
        lag, waiting = self._keeper.lag(), self._states.waiting()
        self._keeper.gauge("upload_waiting_files", waiting)
        self._full = ""
        if lag > self._config.max_lag:
            self._full = f"{lag:,} documents wait for the river, more than {self._config.max_lag:,}"
        elif waiting > self._config.max_waiting:
            self._full = f"{waiting:,} files wait to be read, more than {self._config.max_waiting:,}"

    @property
    def full(self) -> bool:
        """More waits than the river may be given."""
        return bool(self._full)

    def key(self, authorization: str | None) -> Key:
        """Whose request it is. Raises Refusal: 401."""
        scheme, _, given = (authorization or "").partition(" ")
        key = self._keys.of(given.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            error = "send a key that is known here, as `Authorization: Bearer KEY`"
            raise Refusal(401, error, outcome="unauthorised")
        return key

    def admit(self, key: Key, num_bytes: int) -> None:
        """Room for a body of so many bytes, which count from now on. Raises Refusal: 429; DependencyDown."""
        if self._full:
            raise later(f"{self._full}; send it again later", self._config.retry_after_s)
        spent_bytes, spent_documents = self._states.spend(key.name, today(), num_bytes, 0)
        for unit, spent, quota in (
            ("bytes", spent_bytes, key.bytes_a_day),
            ("documents", spent_documents, key.documents_a_day),
        ):
            if quota and spent > quota:
                self._states.spend(key.name, today(), -num_bytes, 0)
                error = f"the key {key.name} may send {quota:,} {unit} a day (UTC); this is beyond it"
                raise later(error, _until_midnight_s())

    def settle(self, key: Key, declared: int, taken: int) -> None:
        """So much came in the end. What is more than was said counts for the next. Raises DependencyDown."""
        self._states.spend(key.name, today(), taken - declared, 0)

    def refund(self, key: Key, num_bytes: int) -> None:
        """What was admitted and did not come. Raises DependencyDown."""
        self._states.spend(key.name, today(), -num_bytes, 0)


def _until_midnight_s() -> int:
    now = datetime.now(UTC)
    return 86_400 - now.hour * 3600 - now.minute * 60 - now.second
