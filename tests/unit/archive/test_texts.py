"""Texts of many documents in one pass: all of them, no more files than needed, and damage is told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from services.archive import compact
from services.archive.compact import Compaction, merge, settle
from services.archive.files import counting, file_key
from services.archive.query import Damaged
from services.archive.tables import DOCUMENTS
from services.archive.texts import texts
from services.runtime import ObjectStore
from tests.unit.archive.made import made_documents, uid_of

NUMBER = 6000


class WatchedStore(ObjectStore):
    """Notes what is opened."""

    opened: list[str]

    def open(self, key: str) -> io.BufferedReader:
        self.opened.append(key)
        return super().open(key)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WatchedStore:
    """A day that is merged into files by uid, and one that is not."""
    made = WatchedStore((tmp_path_factory.mktemp("texts") / "store").as_uri())
    made.opened = []
    made_documents(made, range(NUMBER), 500, "2026-11-25")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "PIECE_BYTES", 500_000)
        how = Compaction(grace_s=0, file_bytes=30_000)
        merge(made, DOCUMENTS, "2026-11-25", how)
        settle(made, DOCUMENTS, "2026-11-25", how)
    made_documents(made, range(NUMBER, NUMBER + 1000), 500, "2026-11-26")
    return made


def wanted(*numbers: int) -> np.ndarray:
    return np.array(sorted(int(uid_of(n), 16) for n in numbers), np.uint64)


def test_every_text_that_is_wanted_and_no_other(store: WatchedStore) -> None:
    """Prevents: a text under another uid, or one that lies in the last row group of a file."""
    numbers = [*range(0, NUMBER + 1000, 7), NUMBER + 5000]
    found = list(texts(store, wanted(*numbers)))
    assert sorted(found) == sorted((int(uid_of(n), 16), f"text of {n}") for n in numbers[:-1])


def test_merged_files_that_cannot_have_it_stay_closed(store: WatchedStore) -> None:
    """Prevents: the whole archive read for one document."""
    merged = [name for name in counting(store, "documents") if "/merged-" in name]
    assert len(merged) >= 2
    store.opened = []
    assert [text for _, text in texts(store, wanted(11))] == ["text of 11"]
    assert sum("/merged-" in key for key in store.opened) == 1


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    """Prevents: a traceback on a river whose archive is left out."""
    assert list(texts(ObjectStore(tmp_path.as_uri()), wanted(1))) == []


def test_a_file_that_is_cut_is_told(tmp_path: Path) -> None:
    """Prevents: documents that seem to have no text though it is a file that is damaged."""
    cut = ObjectStore(tmp_path.as_uri())
    made_documents(cut, range(100), 100, "2026-11-25")
    [name] = counting(cut, "documents")
    cut.put(file_key(name), cut.get(file_key(name))[:-100])
    with pytest.raises(Damaged, match="cannot be read"):
        list(texts(cut, wanted(1)))
