"""Token ids of many documents by uid, in a file of this machine: encoded once, asked for in any order."""

from __future__ import annotations

from typing import IO

import numpy as np
import numpy.typing as npt

from contracts import Document
from services.runtime import CorpusworksError, Emit
from services.tokenizer.judge import judge
from services.tokenizer.vocabulary import Vocabulary

_MISSING, _EMPTY = -1, -2  # in place of where its ids lie


class Encoded:
    """As the tokenizer judges each text. 32 bytes of memory a document, 4 bytes of the file a token."""

    def __init__(self, wanted: npt.NDArray[np.uint64], vocabulary: Vocabulary, file: IO[bytes]) -> None:
        """wanted: uids, ascending, each once. file: empty, to be written and read."""
        self._wanted = wanted
        self._vocabulary = vocabulary
        self._file = file
        self._places = np.full(len(wanted), _MISSING, np.int64)
        self._sizes = np.zeros(len(wanted), np.int64)
        self._bytes_per_token = np.zeros(len(wanted), np.float64)

    def add(self, uid: int, text: str) -> None:
        """A text; of one that is given again the last counts. Raises CorpusworksError: no ids can be made."""
        try:
            [verdict] = judge([Document(text=text)], vocabulary=self._vocabulary)
        except ValueError as error:
            raise CorpusworksError(
                f"document {uid:016x} cannot be encoded: {error}. `corpusworks pool quarantine` it to go on"
            ) from error
        at = self._at(uid)
        if not isinstance(verdict, Emit):
            self._places[at] = _EMPTY
            return
        document = verdict.document
        self._places[at], self._sizes[at] = self._file.seek(0, 2), len(document.token_ids)
        self._bytes_per_token[at] = document.features["bytes_per_token"]
        self._file.write(document.token_ids)

    @property
    def missing(self) -> npt.NDArray[np.uint64]:
        """Those that were wanted and not added yet, ascending."""
        found: npt.NDArray[np.uint64] = self._wanted[self._places == _MISSING]
        return found

    @property
    def num_tokens(self) -> int:
        """Of all, end-of-document tokens included."""
        return int(self._sizes[self._places >= 0].sum()) // 4

    def put(self, document: Document) -> bool:
        """Give a document its ids; False where its text has none.

        Raises CorpusworksError: it was not among those that were wanted, or its text was not added.
        """
        at = self._at(document.uid)
        place, size = int(self._places[at]), int(self._sizes[at])
        if place == _MISSING:
            raise _unknown(document.uid)
        if place == _EMPTY:
            return False
        self._file.seek(place)
        document.token_ids, document.num_tokens = self._file.read(size), size // 4
        document.tokenizer = self._vocabulary.digest
        document.features["bytes_per_token"] = float(self._bytes_per_token[at])
        return True

    def _at(self, uid: int) -> int:
        at = int(self._wanted.searchsorted(np.uint64(uid)))
        if at == len(self._wanted) or self._wanted[at] != uid:
            raise _unknown(uid)
        return at


def _unknown(uid: int) -> CorpusworksError:
    return CorpusworksError(f"document {uid:016x} came after the pools were looked at: run the command again")
