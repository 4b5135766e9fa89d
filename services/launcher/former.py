"""The job that was removed to be made anew, noted in the store: train/RUN/former.json.

From before its removal until its successor is made, so that a launcher that ends between is followed by one
that makes the successor, and counts the attempts as it would have.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from services.runtime import CorpusworksError, ObjectStore


@dataclass(frozen=True)
class Former:
    """failed: whether it had. attempt, began: see Plan."""

    failed: bool
    attempt: int
    began: int

    def next_attempt(self, consumed: int) -> int:
        """Of its successor, with so many tokens trained on: one more where it failed and came no further."""
        return self.attempt + 1 if self.failed and consumed <= self.began else 0


def load_former(store: ObjectStore, run: str) -> Former | None:
    """None where no job was removed to be made anew. Raises CorpusworksError, DependencyDown."""
    key = _key(run)
    try:
        found = Former(**json.loads(store.get(key)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CorpusworksError(
            f"{key} is damaged ({error}): remove it, and attempts are counted anew"
        ) from error
    return found


def keep_former(store: ObjectStore, run: str, former: Former) -> None:
    """Raises DependencyDown."""
    store.put(_key(run), json.dumps(asdict(former)).encode())


def forget_former(store: ObjectStore, run: str) -> None:
    """Raises DependencyDown."""
    store.delete([_key(run)])


def _key(run: str) -> str:
    return f"train/{run}/former.json"
