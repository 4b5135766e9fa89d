"""A river whose mix is changed while it runs and is killed: every use is there once, and told."""

from __future__ import annotations

import itertools
import json
import random
import signal
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from contracts import Document, PartRecord
from services.ledger.proof import prove
from services.local.child import Child
from services.mixer.recipe import Recipe
from services.runtime import ObjectStore
from services.runtime.clients.log import Log
from services.runtime.topics import MIXED
from services.sink.parts import list_parts, read_records, verify
from tests.e2e.commands import ask
from tests.e2e.home import Home, home, topology
from tests.e2e.replay import undisturbed_parts
from tests.soak import corpus

pytestmark = [pytest.mark.soak, pytest.mark.stack]

DOCUMENTS, FILES, KILLS, MARKED = 400, 10, 60, 100
VICTIMS = ("mixer", "sink", "catalog", "archive_documents", "archive_uses")
SETTINGS = {
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "20000",
    "CORPUSWORKS_UNITS__MIXER__STEP_DOCUMENTS": "40",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6",
}
CHANGES = (2, 4, 7)  # after which file
BUCKETS = {"zh": 'language == "zh"', "en": "true"}


def recipes(folder: Path) -> list[Path]:
    """One to begin with; other weights; another bucket before the others; reuse with spacing."""
    stable = {"name": "stable", "weights": {"zh": 1, "en": 4}, "tokens": 150_000}
    anneal = {"name": "anneal", "weights": {"zh": 1, "en": 4}, "max_uses": 2}
    long = {"long": "num_tokens > 260", **BUCKETS}
    mixes = [
        (BUCKETS, [stable, anneal | {"max_uses": 1}], {}),
        (BUCKETS, [stable | {"weights": {"zh": 1, "en": 9}}, anneal | {"max_uses": 1}], {}),
        (long, [{**one, "weights": {"long": 3, "zh": 1, "en": 4}} for one in (stable, anneal)], {}),
        (
            long,
            [{**one, "weights": {"long": 1, "zh": 1, "en": 4}} for one in (stable, anneal)],
            {"spacing": 2000},
        ),
    ]
    paths = []
    for number, (buckets, phases, more) in enumerate(mixes):
        told = {"buckets": buckets, "phases": phases, "starvation": "relax", "relax_after_s": 1, **more}
        path = folder / f"recipe-{number}.yaml"
        path.write_text(yaml.safe_dump(told, sort_keys=False))
        paths.append(path)
    return paths


class Killer:
    """Kills a victim that has lived for some seconds, so that each gets to its work now and then."""

    def __init__(self, river: Home, rng: random.Random) -> None:
        self._river = river
        self._rng = rng
        self._killed_at = dict.fromkeys(VICTIMS, time.monotonic())
        self.kills: Counter[str] = Counter()

    def kill(self, number: int, reading: Child, timeout_s: float = 300) -> None:
        """So many, and more until a file is read. Raises TimeoutError; ProcessFailed: one was given up."""
        deadline, aim = time.monotonic() + timeout_s, self.kills.total() + number
        while self.kills.total() < aim or not reading.over:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {self.kills}")
            time.sleep(self._rng.uniform(0.1, 0.8))
            self._river.river.check()
            children = self._river.stack.supervisor.children
            alive = [name for name, at in self._killed_at.items() if children[name].pid and _since(at) > 4]
            if alive:
                name = self._rng.choice(alive)
                children[name].kill(signal.SIGKILL)
                self._killed_at[name] = time.monotonic()
                self.kills[name] += 1


def enough(river: Home, number: int, timeout_s: float = 300) -> list[int]:
    """Uids of what was mixed, as soon as there are so many."""
    deadline = time.monotonic() + timeout_s
    while len(known := {one.uid for lane in mixed(river).values() for _, one in lane}) < number:
        assert time.monotonic() < deadline, f"only {len(known)} are mixed"
        time.sleep(0.5)
    return sorted(known)


def rest(river: Home, quiet_s: float = 30, timeout_s: float = 300) -> None:
    """Until nothing more is mixed: what is used again after a Flush would wait for its part to grow old.

    quiet_s: a mixer that was killed mixes nothing, either, until it stands again.
    """
    deadline, moved, number = time.monotonic() + timeout_s, time.monotonic(), -1
    while _since(moved) < quiet_s or not river.river.upstream_is_dry():
        assert time.monotonic() < deadline
        if (now := sum(map(len, mixed(river).values()))) != number:
            moved, number = time.monotonic(), now
        time.sleep(0.5)


def _since(moment: float) -> float:
    return time.monotonic() - moment


def mixed(river: Home) -> dict[int, list[tuple[int, Document]]]:
    """By lane, what was mixed with its offset."""
    found: dict[int, list[tuple[int, Document]]] = defaultdict(list)
    with Log(river.settings) as log:
        for record in log.read_all(MIXED):
            if not dict(record.headers or ()):
                found[record.partition].append((record.offset, Document.FromString(record.value)))
    return found


def uses_in_parts(store: ObjectStore) -> dict[int, list[PartRecord]]:
    """Uid -> its records, in the order of their uses."""
    found: dict[int, list[PartRecord]] = defaultdict(list)
    for part in list_parts(store):
        for record in read_records(store, part):
            found[record.uid].append(record)
    return {uid: sorted(records, key=lambda record: record.use) for uid, records in found.items()}


def told(*arguments: str | Path) -> str:
    done = ask(*arguments)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.timeout(2 * 3600)
def test_the_mix_changes_under_kills_and_every_use_is_told(tmp_path: Path, seed: int) -> None:
    """Prevents: a change that is lost, or holds at two places; a use that is lost, doubled or untold."""
    rng = random.Random(seed)
    stages = recipes(tmp_path)
    out = tmp_path / "out"
    files = [corpus.write(tmp_path / f"{n}.jsonl", DOCUMENTS, seed + n) for n in range(FILES)]
    with home(out, {**SETTINGS, "CORPUSWORKS_RECIPE": str(stages[0])}) as river:
        river.river.start()
        killer = Killer(river, rng)
        offsets: list[dict[str, int]] = []
        reading: list[Child] = []
        for number, file in enumerate(files):
            reading.append(river.river.ingest([str(file)]))
            killer.kill(KILLS // FILES, reading[-1])
            if number in CHANGES:
                recipe = stages[len(offsets) + 1]
                offsets.append(json.loads(told("recipe", "apply", recipe, "--out", out, "--json"))["offsets"])
            if number == CHANGES[1]:
                known = enough(river, 2 * MARKED)
                uids = [f"{uid:016x}" for uid in rng.sample(known, 2 * MARKED)]
                told("pool", "quarantine", *uids[:MARKED], "--why", "spoils the loss", "--out", out)
                told("pool", "forget", *uids[MARKED:], "--why", "asked for", "--out", out)
        rest(river)
        river.settle(reading, timeout_s=300)
        river.river.stop()
        print(f"kills: {dict(killer.kills)}; recipes at {offsets}")
        lanes = mixed(river)
        assert prove(river.settings, topology())
        again = undisturbed_parts(river.settings, tmp_path / "again")

    digests = [Recipe.load(path).digest for path in stages]
    for lane in lanes.values():
        course = [digest for digest, _ in itertools.groupby(one.recipe for _, one in lane)]
        assert course == [digest for digest in digests if digest in course], "each holds in one stretch"
        assert digests[3] in course
    assert all(set(told_at) == {"0", "1"} for told_at in offsets), "each lane was told of each"
    assert all(a[lane] < b[lane] for a, b in itertools.pairwise(offsets) for lane in a)

    store = ObjectStore(out.absolute().as_uri())
    assert verify(store) == []
    assert {part.name: dict(part.sha256) for part in list_parts(store)} == again, "as a replay packs them"
    uses = uses_in_parts(store)
    assert all([r.use for r in records] == list(range(1, len(records) + 1)) for records in uses.values())
    assert max(len(records) for records in uses.values()) == 2, "none beyond max_uses, and some used again"
    assert sum(map(len, uses.values())) == sum(map(len, lanes.values())), "what was mixed is in parts"
    for uid in rng.sample(sorted(uses), 40):
        row = json.loads(told("ledger", "doc", f"{uid:016x}", "--out", out))
        assert [(use["pass"], use["phase"], use["recipe"]) for use in row["uses"]] == [
            (record.use, record.phase, record.recipe) for record in uses[uid]
        ]
    used_again = {uid for uid, records in uses.items() if len(records) == 2}
    assert len(used_again & {int(uid, 16) for uid in uids}) < len(uids) / 4, "quarantined before stage two"
    assert len(used_again) > 300
    assert set(killer.kills) == set(VICTIMS), killer.kills
