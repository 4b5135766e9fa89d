"""What `pool retokenize` does: the pools of a river that stands still get the ids of another vocabulary.

What is needed is looked for and encoded first, into a file without a name in the temporary folder; until that
is whole nothing is written. Then it is recorded that the pools are between two vocabularies, so that nothing
of the river starts; the lanes are gone through (services/mixer/retokenize.py); and the new vocabulary is
agreed on. A call that was killed leaves one of these states, and the next one goes on from there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from contracts import Document, MixerState
from services.archive.texts import texts
from services.cli.lanes import records, told
from services.mixer import retokenize as lanes
from services.mixer.gone import Gone
from services.mixer.recipe import Recipe
from services.mixer.snapshots import Snapshots
from services.mixer.task import MIXER
from services.runtime import (
    ConfigurationError,
    CorpusworksError,
    Resources,
    Settings,
    Unit,
    agreement,
    configure,
    topics,
)
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.lane import LaneLoop
from services.runtime.topology import Service, Topology
from services.runtime.wire import decode
from services.tokenizer import SERVICE, TokenizerConfig, Vocabulary
from services.tokenizer.encoded import Encoded

_MARGIN_S = 5.0  # past the session timeout, in which a process that stopped is still counted
_SHOWN = 3  # uids of documents without text in the error; all of them are in `Textless`


class Textless(CorpusworksError):
    """Documents that are needed and whose text is nowhere."""

    def __init__(self, uids: Sequence[str]) -> None:
        self.uids = uids
        first = ", ".join(uids[:_SHOWN]) + (" …" if len(uids) > _SHOWN else "")
        super().__init__(
            f"{len(uids)} documents of the pools have their text neither in the archive nor in "
            f"{topics.UNIQUE} ({first}); nothing was changed. Standard output has the uids: bring the "
            "archive back, or give them to `corpusworks pool quarantine` and run this again to go on "
            "without them"
        )


@dataclass(frozen=True)
class Retokenized:
    """vocabulary: digest of the new one. Of the documents that were not done before."""

    vocabulary: str
    documents: int
    tokens_before: int
    tokens_after: int


def retokenize(settings: Settings, topology: Topology, tell: Callable[[str], None]) -> Retokenized:
    """To the vocabulary of the settings.

    Raises ConfigurationError: a service runs, or the river is not at rest; Textless, DependencyDown.
    """
    mixer, tokenizer = _one(topology, MIXER), _one(topology, SERVICE)
    settings, topology = agreement.adopt([mixer.name], settings, topology)
    config = configure(tokenizer.name, TokenizerConfig, settings.units.get(tokenizer.name, {}))
    vocabulary = Vocabulary.load(config.vocabulary, config.end_of_document)
    resources = Resources(settings)
    with Admin(settings) as admin, Log(settings) as log, tempfile.TemporaryFile() as file:
        stands = agreement.read(log)
        agreement.compare(stands, agreement.values([mixer], settings, topology))
        former, under_way = agreement.vocabularies(stands)
        if not former:
            raise ConfigurationError("there is no river: it is made with `run`, `up` or `topics`")
        if under_way not in ("", vocabulary.digest):
            agreement.refuse_unfinished(stands)
        if former == vocabulary.digest and not under_way:
            return Retokenized(vocabulary.digest, 0, 0, 0)
        at_rest(settings, topology, admin, tell)
        _refuse_between(topology, tokenizer, admin, log)
        found = survey(settings, topology, log, vocabulary.digest, resources, fresh=not under_way)
        wanted = np.unique(np.concatenate([np.array(one.wanted, np.uint64) for one in found.values()]))
        encoded = Encoded(wanted, vocabulary, file)
        if len(wanted):
            tell(f"encoding {len(wanted):,} documents")
            _encode(encoded, resources, _not_archived(resources, admin, log, topology))
        vocabulary.card.keep(resources.store, vocabulary.content)
        agreement.begin_vocabulary(settings, vocabulary.digest)
        at_rest(settings, topology, admin, tell)
        todo = {lane: one.todo for lane, one in found.items()}
        target = lanes.Target(vocabulary.digest, encoded.put, todo)
        LaneLoop(settings, topology, mixer, "retokenize", definition=lanes.service(target)).run_until(
            lambda: not any(todo.values())
        )
        agreement.finish_vocabulary(settings, vocabulary.digest)
    before = sum(one.tokens for one in found.values())
    return Retokenized(vocabulary.digest, len(wanted), before, encoded.num_tokens)


def at_rest(settings: Settings, topology: Topology, admin: Admin, tell: Callable[[str], None]) -> None:
    """Wait for the sessions of processes that stopped. Raises ConfigurationError: one runs."""
    deadline = time.monotonic() + settings.kafka.session_timeout_s + _MARGIN_S
    told = False
    while running := [name for name, one in topology.services.items() if one.inputs and admin.members(name)]:
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"the river runs ({', '.join(running)}): stop every service of it, retokenize, and start it "
                "again with the new vocabulary"
            )
        if not told:
            tell("waiting for the sessions of processes that were stopped")
            told = True
        time.sleep(0.2)


def survey(
    settings: Settings, topology: Topology, log: Log, digest: str, resources: Resources, *, fresh: bool
) -> dict[int, lanes.Survey]:
    """By lane. fresh: none was begun. Raises ConfigurationError: a lane is being sorted by another recipe."""
    recipe = Recipe.load(settings.recipe)
    with Admin(settings) as admin:
        topic_id = admin.topic_ids().get(topics.CONTROL, "")
    found = {}
    for lane in range(settings.lanes):
        last = log.last(topics.LANE_STATE, lane)
        state = MixerState.FromString(last.value) if last is not None and last.value else MixerState()
        if fresh and any(pool.sorting for pool in state.pools.values()):
            raise ConfigurationError(
                f"lane {lane} is sorting its pools by another recipe: start the river with the former "
                "vocabulary until that is done, stop it, and run this again"
            )
        gone = _gone(log, lane, state, Snapshots(resources.store, lane, topic_id))
        one = found[lane] = lanes.Survey(digest, recipe, state, gone)
        for bucket in topology.buckets:
            for record in records(log, topics.POOL + bucket, lane, one.pool(bucket).begin):
                if record.value is not None:
                    one.look(bucket, record.offset, Document.FromString(record.value))
    return found


def _gone(log: Log, lane: int, state: MixerState, snapshots: Snapshots) -> Gone:
    return told(log, lane, snapshots.read(state.gone) if state.gone else Gone(), state.gone)


def _one(topology: Topology, definition: object) -> Service:
    """The service that is this one. Raises ConfigurationError."""
    for service in topology.services.values():
        if service.run and service.definition is definition:
            return service
    raise ConfigurationError("the topology has no tokenizer or no mixer: there is nothing to retokenize")


def _refuse_between(topology: Topology, tokenizer: Service, admin: Admin, log: Log) -> None:
    """Raises ConfigurationError: documents that have their tokens wait before they are in a pool."""
    topic = tokenizer.output
    for service in topology.services.values():
        if service.inputs != (topic,) or service.watches or not isinstance(service.definition, Unit):
            continue
        committed = admin.committed(service.name)
        ends = log.settled_ends([topic])
        ranges = {tp: (committed.get(tp, start), ends[tp]) for tp, start in log.starts([topic]).items()}
        if next(log.read(ranges), None) is not None:
            raise ConfigurationError(
                f"documents wait in {topic} with the ids of the former vocabulary: start the river with it "
                f"until {service.name} has taken them, stop it, and run this again"
            )
        topic = service.output


def _encode(encoded: Encoded, resources: Resources, not_archived: Iterator[Document]) -> None:
    """Raises Textless."""
    for uid, text in texts(resources.store, encoded.missing):
        encoded.add(uid, text)
    if len(encoded.missing):
        left = set(encoded.missing.tolist())
        for document in not_archived:
            if document.uid in left:
                encoded.add(document.uid, document.text)
    if len(missing := encoded.missing):
        raise Textless([f"{uid:016x}" for uid in missing.tolist()])


def _not_archived(resources: Resources, admin: Admin, log: Log, topology: Topology) -> Iterator[Document]:
    """Of what dedup let pass, what no file of the archive has yet."""
    archives = [one.name for one in topology.services.values() if topics.UNIQUE in one.inputs]
    committed = admin.committed(archives[0]) if archives else {}
    ends = log.settled_ends([topics.UNIQUE])
    starts = log.starts([topics.UNIQUE])
    for record in log.read(
        {tp: (max(start, committed.get(tp, start)), ends[tp]) for tp, start in starts.items()}
    ):
        if record.value is not None:
            yield decode(record.value, resources.store)
