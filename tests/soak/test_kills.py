"""The whole `run`, with everything in it killed all the time: the same documents come out as undisturbed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from services.ledger import Account, reconcile, take_account
from services.ledger.proof import prove
from services.local.run import attached
from services.runtime import ObjectStore, load_settings
from services.runtime.topology import DEFAULT
from services.sink.parts import list_parts, verify
from tests.e2e.commands import corpusworks
from tests.e2e.home import topology
from tests.e2e.replay import undisturbed_parts
from tests.soak import corpus
from tests.soak.killer import Killer

pytestmark = [pytest.mark.soak, pytest.mark.stack]

DOCUMENTS, FILES, KILLS = 5_000, 2, 300
PAUSE_S = (0.1, 1.5)  # so short that a quick machine is not done with the documents before as many kills
HIT = {"coordinator", "worker", "kafka", "redis", "triton", "service"}
SETTINGS = {
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "60000",
    "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "100000",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6",
    "CORPUSWORKS_TIME_LIMIT_S": "20",
    "CORPUSWORKS_DEAD_LETTER_LIMIT": "1000",
}


def poisoned_river(folder: Path) -> str:
    """The shipped topology with a unit that does what a poisoned document says."""
    table = yaml.safe_load(DEFAULT.read_text())
    services = {}
    for name, row in table["services"].items():
        if name == "rules":
            services["poison"] = {
                "run": "tests.units:POISONED",
                "input": "docs.parsed",
                "output": "docs.sound",
            }
        services[name] = {**row, "input": "docs.sound"} if name == "rules" else row
    table["services"] = services
    table["processes"].insert(1, ["poison"])
    table["topics"]["docs.sound"] = table["topics"]["docs.parsed"]
    path = folder / "topology.yaml"
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    return str(path)


def account_of(out: Path, settings: dict[str, str]) -> Account:
    """Where everything ended."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with attached(out) as found:
            assert prove(found, topology(load_settings().topology))
            return take_account(found, topology(load_settings().topology))


def outcome(account: Account) -> dict[str, object]:
    """What must be the same in every run of the same files: the uids that are kept, that went, that died.

    Not the reasons: whether a near-duplicate drops at once or is retracted later depends on who came first.
    """
    return {
        "kept": {uid for uid, _, _ in account.parts},
        "went": set(account.rejected),
        "died": dict(account.dead),
    }


@pytest.mark.timeout(4 * 3600)
def test_whatever_is_killed_the_same_documents_come_out(tmp_path: Path, seed: int, minutes: float) -> None:
    """Prevents: a crash window anywhere, and an outcome that depends on who was quicker."""
    settings = {**SETTINGS, "CORPUSWORKS_TOPOLOGY": poisoned_river(tmp_path)}
    files = [corpus.write(tmp_path / f"{i}.jsonl", DOCUMENTS, seed + i) for i in range(FILES)]
    for name in ("first", "second"):
        for file in files:
            done = corpusworks("run", file, "--out", tmp_path / name, settings=settings, timeout_s=1200)
            assert done.code == 0, done.err
    undisturbed = [outcome(account_of(tmp_path / name, settings)) for name in ("first", "second")]
    assert undisturbed[0] == undisturbed[1], "two undisturbed runs differ"

    killer = Killer(random.Random(seed), pause_s=PAUSE_S)
    out = tmp_path / "killed"
    aim = max(KILLS, round(minutes * 60 / (sum(PAUSE_S) / 2)))
    for number, file in enumerate(files):
        left = aim - killer.kills.total()
        most = -(-left // (len(files) - number))
        killer.run("run", file, "--out", out, settings=settings, most=most, timeout_s=3600)
    print(f"kills: {killer.kills.total()} {dict(killer.kills)}")

    account = account_of(out, settings)
    found = reconcile(account)
    assert not found, (list(found.missing.values())[:5], list(found.twice.values())[:5])
    assert account.raw.total() == DOCUMENTS * FILES
    assert outcome(account) == undisturbed[0]
    store = ObjectStore(out.absolute().as_uri())
    assert verify(store) == []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with attached(out) as river:
            again = undisturbed_parts(river, tmp_path / "again")
    assert {part.name: dict(part.sha256) for part in list_parts(store)} == again
    assert killer.kills.total() >= KILLS, killer.kills
    assert set(killer.kills) >= HIT, killer.kills
