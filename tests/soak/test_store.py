"""A river whose parts go to S3, while the sink is killed as it seals and the server as it stores."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.runtime import ObjectStore
from services.sink.parts import documents, list_parts, verify
from tests.corpus import write_jsonl
from tests.e2e.home import home
from tests.s3_server import s3_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SETTINGS = {
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "10000",
    "CORPUSWORKS_STORE_TIMEOUT_S": "5",
    "CORPUSWORKS_STORE_RETRY_S": "1",
    "CORPUSWORKS_MAX_MESSAGE_BYTES": "10000",  # so that bodies go there, too
}


def test_kills_of_the_sink_and_of_the_store_lose_nothing(tmp_path: Path, seed: int) -> None:
    """Prevents a part that is half there, announced and missing, or there twice."""
    random_ = random.Random(seed)
    source = write_jsonl(tmp_path / "made.jsonl", 2000, seed=seed, duplicates=0)
    with s3_server(tmp_path / "s3") as server:
        settings = {**SETTINGS, **server.environment, "CORPUSWORKS_STORE_URL": f"{server.bucket('soak')}/x"}
        with home(tmp_path / "out", settings) as river:
            river.river.start()
            reading = [river.river.ingest([str(source)])]
            stalls = 0
            deadline = time.monotonic() + 300
            while stalls < 12 and time.monotonic() < deadline:
                time.sleep(random_.uniform(0.2, 1.5))
                if stalls % 2:
                    server.kill()
                    stalls += 1
                else:
                    before = len(river.kills)
                    river.kill_service(random_, ["sink", "mixer"])
                    stalls += len(river.kills) > before or random_.random() < 0.3
            river.settle(reading)
            river.river.stop()
            store = ObjectStore(settings["CORPUSWORKS_STORE_URL"])
            assert verify(store) == []
            assert len(list_parts(store)) > 10
            uids = [d.record.uid for d in documents(store)]
            assert len(uids) == len(set(uids))
            account = take_account(river.settings, river.river.topology)
            assert not reconcile(account)
            assert prove(river.settings, river.river.topology)
            assert set(uids) == {uid for uid, _, _ in account.parts}
            assert account.parts.total() + account.drops.total() == 2000
