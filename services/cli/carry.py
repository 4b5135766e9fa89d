"""What `mix` brings over: the tokenized documents of one river's pools into the pools of another.

Pools hold every document that dedup let pass, used or not, and nothing is asked of it anew but its bucket.
Who is there already is passed by, so that a call that was killed is made again and goes on, and one that
comes later brings what is new. Who has left the other river since (superseded, quarantined, forgotten) is
quarantined here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from contracts import Control, Document, Quarantine, Tally
from services.cli.lanes import records, told
from services.mixer.condition import Condition
from services.mixer.gone import Gone
from services.mixer.pooled import missing
from services.mixer.recipe import Recipe
from services.mixer.router import choose, tests
from services.runtime import (
    ConfigurationError,
    ObjectStore,
    Resources,
    Settings,
    VocabularyCard,
    agreement,
    topics,
)
from services.runtime.clients.log import Log
from services.runtime.loops.tally import Told, tally
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.wire import encode, fetch

_BATCH, _BATCH_BYTES = 2_000, 8 << 20  # of one transaction

Uids = npt.NDArray[np.uint64]


@dataclass
class Carried:
    """documents: that were brought, by bucket. left: that stay behind, by reason. withdrawn: that leave."""

    documents: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0


def check(recipe: Recipe) -> None:
    """Raises ConfigurationError: a bucket asks for what no pool holds."""
    for bucket, when in recipe.buckets.items():
        if gone := missing(when, Condition(when).names):
            raise ConfigurationError(
                f"the test of bucket {bucket} asks for {', '.join(gone)}, which tokenized documents do not "
                "have any more: ask for a feature, language, category or format instead"
            )


def carry(source: Settings, target: Settings, recipe: Recipe) -> Carried:
    """From the pools of `source` into those of `target`, whose topics are made and whose services stand.

    Raises ConfigurationError: there is nothing, or it is of another vocabulary than the target;
    DependencyDown, Aborted.
    """
    store, transactions = Resources(target).store, Transactions(target, "mix", "mix")
    with Log(source) as here, Log(target) as there:
        digest = _vocabulary(agreement.read(here), agreement.read(there), source)
        _bring_vocabulary(digest, Resources(source).store, store)
        agreement.finish_vocabulary(target, digest)
        pools = Pools(here, Resources(source).store, digest)
        say = partial(message, store=store, limit=target.max_message_bytes)
        try:
            return bring(
                pools,
                there,
                recipe,
                say=say,
                commit=lambda said: transactions.commit(said, {}, None),
                lanes=target.lanes,
            )
        finally:
            transactions.reset()


def bring(
    pools: Pools,
    there: Log,
    recipe: Recipe,
    *,
    say: Callable[[Document], Produce],
    commit: Callable[[Sequence[Produce]], None],
    lanes: int,
) -> Carried:
    """As carry, by these clients. say: see `message`. commit: in one transaction. lanes: of the target."""
    done, known = Carried(left=pools.left), _pooled(there)
    # Each is a message before the next is parsed: so one document's memory is enough for all.
    for batch in _batches(map(say, _sorted(pools.documents(known), recipe, done.left))):
        commit(arrived(batch))
        done.documents.update(output.topic.removeprefix(topics.POOL) for output in batch)
    if withdrawn := _withdrawn(there, known, pools.standing, lanes):
        commit(withdrawn)
    done.withdrawn = len(withdrawn)
    return done


class Pools:
    """The pools of a river, of the documents with tokens of one vocabulary.

    Filled while they are read: standing, who is in one of them and may be mixed, by lane; left, how many may
    not, by reason.
    """

    def __init__(self, log: Log, store: ObjectStore, digest: str) -> None:
        """digest: of the vocabulary."""
        self.left: Counter[str] = Counter()
        self._log = log
        self._store = store
        self._digest = digest
        self._topics = _pools_of(log)
        self.standing: list[Uids] = []

    def documents(self, known: Uids) -> Iterator[Document]:
        """Each once, with its token ids, but those of `known` (ascending)."""
        for tp in self._log.partitions(topics.CONTROL):
            yield from self._of_lane(tp.partition, known)

    def _of_lane(self, lane: int, known: Uids) -> Iterator[Document]:
        gone = told(self._log, lane, Gone())
        given, standing = set[int](), set[int]()
        for topic in self._topics:
            here = set[int]()
            for record in records(self._log, topic, lane):
                uid = int.from_bytes(record.key, "big")
                if record.value is None or gone.find(uid) is not None:
                    here.discard(uid)
                    self.left["superseded, quarantined or forgotten"] += record.value is not None
                    continue
                document = Document.FromString(record.value)
                if document.tokenizer != self._digest:
                    continue  # of a former vocabulary, and left behind when the pools were given this one
                here.add(uid)
                if uid not in given and not _is_in(uid, known):
                    given.add(uid)
                    gone.kin.relabel(document)
                    if self._is_whole(document):
                        yield document
            standing |= here
        self.standing.append(_ascending(standing))

    def _is_whole(self, document: Document) -> bool:
        try:
            fetch(document, self._store)
        except (FileNotFoundError, UnicodeDecodeError):
            self.left["tokens that are not in the store any more"] += 1
            return False
        return True


def _sorted(documents: Iterator[Document], recipe: Recipe, left: Counter[str]) -> Iterator[Document]:
    """Those that have a bucket, with it, as if they had never been used."""
    buckets = tests(recipe)
    for document in documents:
        choose(document, buckets)
        document.use = 0
        if document.bucket:
            yield document
        else:
            left["of no bucket of this recipe"] += 1


def message(document: Document, store: ObjectStore, limit: int) -> Produce:
    """For the pool of its bucket. Raises DependencyDown."""
    topic, uid = topics.POOL + document.bucket, document.uid
    return Produce(topic, encode(document, store, limit, topic), uid.to_bytes(8, "big"), spread=uid)


def arrived(batch: Sequence[Produce]) -> list[Produce]:
    """These, with the tally of those that came."""
    return [*batch, *tally(Told(Tally.CAME, output.spread) for output in batch)]


def _withdrawn(there: Log, known: Uids, standing: Sequence[Uids], lanes: int) -> list[Produce]:
    """Of those that were brought before, who stands in no pool of the other river now."""
    left = np.setdiff1d(known, np.concatenate([*standing, np.empty(0, np.uint64)])).tolist()
    gone = [told(there, lane, Gone()) for lane in range(lanes)] if left else []
    why = "it has left the river that it was mixed from"
    return [
        Produce(
            topics.CONTROL, Control(quarantine=Quarantine(uid=uid, why=why)).SerializeToString(), spread=uid
        )
        for uid in left
        if gone[uid % lanes].find(uid) is None
    ]


def _pooled(log: Log) -> Uids:
    """Uids of all that was ever put into the pools, ascending."""
    return _ascending(int.from_bytes(record.key, "big") for record in log.read_all(*_pools_of(log)))


def _pools_of(log: Log) -> list[str]:
    """The topics of all pools that there ever were."""
    found = (name for name in log.topics() if name.startswith(topics.POOL))
    return sorted(
        name
        for name in found
        if name not in (topics.CONTROL, topics.LANE_STATE) and not name.endswith(topics.DEAD_LETTER_SUFFIX)
    )


def _ascending(uids: Iterator[int] | set[int]) -> Uids:
    return np.unique(np.fromiter(uids, np.uint64))


def _is_in(uid: int, uids: Uids) -> bool:
    if not len(uids):
        return False
    at = int(uids.searchsorted(np.uint64(uid)))
    return at < len(uids) and int(uids[at]) == uid


def _vocabulary(here: dict[str, str], there: dict[str, str], source: Settings) -> str:
    """The digest that both have. Raises ConfigurationError."""
    agreement.refuse_unfinished(here)
    (digest, _), (former, _) = agreement.vocabularies(here), agreement.vocabularies(there)
    if not digest:
        raise ConfigurationError(
            f"the river of {source.store_url} has tokenized nothing yet: there is nothing to mix"
        )
    if former not in ("", digest):
        raise ConfigurationError(
            f"the pools to mix from have vocabulary {digest} now, and --out has documents of {former}: "
            "choose a new folder"
        )
    return digest


def _bring_vocabulary(digest: str, here: ObjectStore, there: ObjectStore) -> None:
    VocabularyCard.find(here, digest).keep(there, VocabularyCard.content(here, digest))


def _batches(found: Iterator[Produce]) -> Iterator[list[Produce]]:
    batch, size = list[Produce](), 0
    for output in found:
        batch.append(output)
        size += len(output.value or b"")
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
