"""`parts adopt`: the way out where the log of parts has been lost and the parts have not."""

from __future__ import annotations

import json
import sys
import time

import typer

from contracts import PartCatalogued, PartSealed
from services.cli.options import Out
from services.runtime import ConfigurationError, ObjectStore, Resources, Settings, topics
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions

app = typer.Typer()

_MARGIN_S = 5.0  # past the session timeout, in which a catalog that stopped is still waited for


@app.command()
def adopt(out: Out = None) -> None:
    """Announce anew the parts that the store holds and shards.sealed does not know; they become this river's.

    Their files are compared with the hashes under which they were sealed. Numbers that the store's catalog
    gives stay as they are, and are announced anew too; where the store has lost some that shards.catalog
    knows, they are written there again. A line for each part.
    """
    from services.catalog.adopt import restore
    from services.ledger.adopted import told_of, untold
    from services.local.run import attached
    from services.sink.adopt import parts_of, whole
    from services.sink.owner import Owner
    from services.sink.parts import read_records

    with attached(out) as settings:
        store = Resources(settings).store
        with Admin(settings) as admin, Log(settings) as log:
            ids = admin.topic_ids()
            _require(ids)
            found = parts_of(store, settings.lanes)  # before the log: it has what a manifest names by then
            known = {PartSealed.FromString(record.value).name for record in log.read_all(topics.SEALED)}
            missing = whole(store, [part for part in found if part.name not in known])
            unproven = untold(log, found)
            said = [PartCatalogued.FromString(record.value) for record in log.read_all(topics.CATALOG)]
            restored = restore(store, said, found)  # before they are read
            numbered, behind = _numbers(admin, log, store, settings)
        for part in missing:
            part.numbered = part.name in numbered
        messages = [Produce(topics.SEALED, p.SerializeToString(), partition=p.lane) for p in missing]
        messages += [Produce(topics.CATALOG, said.SerializeToString(), partition=0) for said in behind]
        transactions = Transactions(settings, "adopt", "adopt")
        for part in unproven:  # each by itself: who is killed here goes on where river.tally ends
            transactions.commit(told_of(part, read_records(store, part)), {}, None)
        if messages:
            transactions.commit(messages, {}, None)
        transactions.reset()
        Owner(store, ids[topics.SEALED]).take_over()
    for part in missing:
        print(json.dumps({"part": part.name, "documents": part.num_documents, "tokens": part.num_tokens}))
    told = f"{len(missing)} parts announced anew, {len(known)} were known"
    told += f"; {len(behind)} numbers announced anew" * bool(behind)
    print(told + f"; {restored} segments of the catalog written again" * bool(restored), file=sys.stderr)


def _require(topic_ids: dict[str, str]) -> None:
    for topic in (topics.SEALED, topics.CATALOG, topics.TALLY):
        if topic not in topic_ids:
            raise ConfigurationError(
                f"there is no topic {topic} yet: start the river once (`run`, `up`) or make its "
                "topics (`corpusworks topics`), and adopt then"
            )


def _numbers(
    admin: Admin, log: Log, store: ObjectStore, settings: Settings
) -> tuple[set[str], list[PartCatalogued]]:
    """Names of parts that have a number, and the numbers that shards.catalog lacks.

    Raises ConfigurationError while a catalog runs that may be about to announce these itself.
    """
    from services.catalog.adopt import numbers, unannounced

    deadline = time.monotonic() + settings.kafka.session_timeout_s + _MARGIN_S
    while True:
        runs = admin.members("catalog")  # asked first: who is gone by now writes nothing after we look
        last = log.last(topics.CATALOG, 0)
        found = numbers(store)
        behind = unannounced(found, last and PartCatalogued.FromString(last.value))
        if not (behind and runs):
            return {said.name for said in found}, behind
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"the store has {len(behind)} numbers that are not announced, and the catalog runs: stop "
                "every copy of it, adopt, and start it again"
            )
        time.sleep(0.5)
