"""The counts made again, of documents that were cleaned with them: each text is put together as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from contracts import Document
from services.runtime import Resources, state
from services.sentences.config import SentencesConfig
from services.sentences.judge import chosen, seen_in
from services.sentences.table import RedisTable

_BATCH = 500  # documents


@dataclass(frozen=True)
class Recounted:
    """What a recount has read, and counted of it."""

    documents: int
    counted: int
    seconds: float


def rebuild(
    documents: Iterable[Document],
    committed: Mapping[state.Place, int],
    resources: Resources,
    config: SentencesConfig,
    progress: Callable[[int], None] = lambda documents: None,
) -> Recounted:
    """Replace the counts under config.prefix by those of these documents.

    committed: the group's offsets, read before the documents were. What was judged and not committed comes
    again and is counted then. Raises ConfigurationError: another rebuild runs; DependencyDown.
    """
    begun = time.monotonic()
    server = state.Server(resources.redis, config)
    marks = state.RedisMarks(server, config)  # refuses a server that would forget this, too
    table = RedisTable(server, config, lambda: state.REBUILDING)
    is_chosen = chosen(config.of)
    number = counted = 0
    coming = iter(documents)
    with state.remaking(server, marks, config, committed) as renew:
        while batch := list(islice(coming, _BATCH)):
            seen = [
                seen_in(each, config)._replace(place=None, look=False) for each in batch if is_chosen(each)
            ]
            table.count(seen)
            number += len(batch)
            counted += len(seen)
            renew()
            progress(number)
    server.close()
    return Recounted(number, counted, time.monotonic() - begun)
