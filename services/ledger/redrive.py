"""Puts dead letters back into the topics that they were read from.

A letter and the mark that says so (dlq.redriven) stand in one transaction, so that it goes back once
however this ends; of two who redrive at a time the later one ends the other. The message carries in its
header where it was first read: by that dedup knows it from a copy.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts import Redriven
from services.ledger.account import of_every_recipe
from services.ledger.letters import Letter, Selection, letters
from services.runtime import Fenced, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.tally import revived, tally
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.process.frames import REDRIVEN_HEADER
from services.runtime.topics import REDRIVEN
from services.runtime.topology import Topology
from services.runtime.wire import decode, encode

_BATCH, _BATCH_BYTES = 500, 8 << 20  # letters in one transaction


@dataclass
class Outcome:
    """put_back: letters by topic. before: those that were put back before, and stay. left: (letter's id, why)
    of others that were meant and stay.
    """

    put_back: Counter[str] = field(default_factory=Counter)
    before: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


def redrive(settings: Settings, topology: Topology, wanted: Selection, *, again: bool = False) -> Outcome:
    """Put back the letters that are meant; again: those too that were before.

    Raises ConfigurationError, DependencyDown, Aborted, Fenced (another one redrives).
    """
    outcome = Outcome()
    with Admin(settings) as admin, Log(settings) as log:
        ids, existing = admin.topic_ids(), log.topics()
        topology = of_every_recipe(topology, log)
        transactions = Transactions(settings, "redrive", "redrive")
        transactions.open()  # whoever was at it is fenced before it is read what was put back
        try:
            able = _able(letters(log, topology, wanted), existing, outcome, again=again)
            for batch in _batches(able):
                outputs = [message for letter in batch for message in _messages(letter, ids, settings)]
                outputs += tally(told for letter in batch for told in revived(letter.document))
                transactions.commit(outputs, {}, None)
                outcome.put_back.update(letter.came_from for letter in batch)
        except Fenced as error:
            raise Fenced("another `dlq redrive` has begun; what is not put back yet is left to it") from error
        finally:
            transactions.reset()
    return outcome


def _able(found: Iterator[Letter], existing: set[str], outcome: Outcome, *, again: bool) -> Iterator[Letter]:
    """Those that can go back; why the others stay is noted."""
    for letter in found:
        if not letter.is_message:
            why = (
                f"{letter.name} never became a document: mend it and give it to `run` or `import` again "
                "(what has not changed is read again after a `touch`)"
            )
        elif letter.came_from not in existing:
            why = f"the topic {letter.came_from} is no more"
        elif letter.redriven_ms is not None and not again:
            outcome.before += 1
            continue
        else:
            yield letter
            continue
        outcome.left.append((letter.id, why))


def _batches(found: Iterator[Letter]) -> Iterator[list[Letter]]:
    batch: list[Letter] = []
    for letter in found:
        batch.append(letter)
        if len(batch) == _BATCH or sum(len(one.value) for one in batch) > _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _messages(letter: Letter, ids: Mapping[str, str], settings: Settings) -> Iterator[Produce]:
    said = letter.said
    place = (said.get("topic.id") or ids.get(letter.came_from, ""), said["partition"], said["offset"])
    yield Produce(
        letter.came_from,
        _value(letter, settings),
        key=_key(letter),
        spread=int(said["partition"]),  # of a lane, the same lane
        headers=[(REDRIVEN_HEADER, "/".join(place).encode())],
    )
    mark = Redriven(
        topic=letter.topic, partition=letter.partition, offset=letter.offset, at_ms=int(time.time() * 1000)
    )
    yield Produce(REDRIVEN, mark.SerializeToString(), key=letter.id.encode(), partition=0)


def _key(letter: Letter) -> bytes:
    """A pool is compacted, so nothing goes there without a key: the uid, as the message had it before."""
    return letter.id.encode() if letter.document is None else letter.document.uid.to_bytes(8, "big")


def _value(letter: Letter, settings: Settings) -> bytes:
    """As it was; large fields are put into the store again, since they go with the day of their message."""
    if letter.document is None or not letter.document.references:
        return letter.value
    store = Resources(settings).store
    try:
        whole = decode(letter.value, store)
    except (FileNotFoundError, UnicodeDecodeError):
        return letter.value  # its reader says that it is gone
    return encode(whole, store, settings.max_message_bytes, letter.came_from)
