"""`parts adopt`: the way out where the log of parts has been lost and the parts have not."""

from __future__ import annotations

import json
import sys

import typer

from services.cli.options import Out
from services.runtime import ConfigurationError, Resources, topics
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions

app = typer.Typer()


@app.command()
def adopt(out: Out = None) -> None:
    """Announce anew the parts that the store holds and shards.sealed does not know; they become this river's.

    Their files are compared with the hashes under which they were sealed. A line for each part.
    """
    from services.local.run import attached
    from services.sink.adopt import parts_of, whole
    from services.sink.owner import Owner

    with attached(out) as settings:
        store = Resources(settings).store
        with Admin(settings) as admin:
            topic_id = admin.topic_ids().get(topics.SEALED)
        if topic_id is None:
            raise ConfigurationError(
                f"there is no topic {topics.SEALED} yet: start the river once (`run`, `up`) or make its "
                "topics (`corpusworks topics`), and adopt then"
            )
        found = parts_of(store, settings.lanes)  # before the log: what a manifest names is in the log then
        with Log(settings) as log:
            announced = {_name(record.value) for record in log.read_all(topics.SEALED)}
        missing = whole(store, [part for part in found if part.name not in announced])
        transactions = Transactions(settings, "adopt", "adopt")
        messages = [Produce(topics.SEALED, p.SerializeToString(), partition=p.lane) for p in missing]
        if messages:
            transactions.commit(messages, {}, None)
        transactions.reset()
        Owner(store, topic_id).take_over()
    for part in missing:
        print(json.dumps({"part": part.name, "documents": part.num_documents, "tokens": part.num_tokens}))
    print(f"{len(missing)} parts announced anew, {len(announced)} were known", file=sys.stderr)


def _name(value: bytes) -> str:
    from contracts import PartSealed

    return PartSealed.FromString(value).name
