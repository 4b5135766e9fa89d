"""What all processes of a river must have alike, and what of it may change while the river stands.

Who makes the topics (`corpusworks topics`, `run`, `up`) records the values in river.agreed and takes over the
changes that are supported; every other process compares its own at start, and does not run with others.

    lanes          more: every topic by lanes gets partitions. Fewer: refused, since what waits in a lane that
                   nobody holds waits for ever. Their history is kept ("2,4"): a document lies in lane
                   uid % n for the n of its time, and a retraction must reach it there
    buckets        all that there ever were: the pool of one that the recipe drops is sorted anew
    recipe         another: recorded with its text, and told to every lane at an offset of pool.control
    vocabulary     another: only while no pool holds anything, since a part never mixes two; else the pools
                   are retokenized first (`corpusworks pool retokenize`), and until that is done nothing runs
    store          another: taken over where it is set; a process that would write elsewhere does not run
    layouts        another (of dedup, sentences): once `corpusworks dedup rebuild` has made the index by it
    partitions, messages                   refused
    anything else (calibration)            taken over

The recipe is read from here and not from the settings once it stands: settings say which one is begun with,
or applied by who makes the topics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence

from contracts import Agreement, Control, RecipeChange
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.contracts.lane import LaneService
from services.runtime.contracts.unit import Unit, configure
from services.runtime.errors import ConfigurationError, Outdated
from services.runtime.loops.transaction import Produce, Transactions, say_by
from services.runtime.process.gate import pass_gate
from services.runtime.settings import PREFIX, Settings
from services.runtime.topics import AGREED, CONTROL, POOL
from services.runtime.topology import Service, Topology

MESSAGES = "3"  # version of the messages on the topics

_LANES, _BUCKETS, _RECIPE, _ROUTING = "lanes", "buckets", "recipe", "routing"
_STORE = "store"
_NAME = "agree"  # of the transactions
_BY_RECIPE = {_RECIPE, _BUCKETS}  # who follows one adopts it, and a lane is told of another in its time
_VOCABULARY = "vocabulary"
_UNDER_WAY = "retokenizing"  # the vocabulary that the pools are being given, or nothing
_FIXED = {  # what to do, where a value cannot be changed
    "partitions": "set CORPUSWORKS_PARTITIONS to what it was, or begin a new river",
    "messages": "this version cannot read those messages: use the one that wrote them, or begin a new river",
    "dedup layout": "set the dedup unit as it was, or make its index anew: `corpusworks dedup rebuild`",
    "sentences layout": "set the sentences unit as it was, or count anew: `corpusworks sentences rebuild`",
}
_SEVERAL = (
    "the pools hold documents tokenised with it. Give them the ids of the other one with `corpusworks pool "
    "retokenize`, or set the vocabulary as it was"
)


def values(services: Collection[Service], settings: Settings, topology: Topology) -> dict[str, str]:
    """What this process has. Raises ConfigurationError: a setting of a unit is wrong."""
    found = {
        _LANES: str(settings.lanes),
        "partitions": str(settings.partitions),
        _BUCKETS: ",".join(sorted(topology.buckets)),
        "messages": MESSAGES,
        _STORE: settings.store_url.rstrip("/"),
    }
    for service in services:
        definition = service.definition
        if isinstance(definition, Unit | LaneService):  # doors and sources answer for nothing else
            config = configure(service.name, definition.config, settings.units.get(service.name, {}))
            found |= definition.agrees(config, settings)
    return found


def read(log: Log) -> dict[str, str]:
    """What stands; nothing on a river that was never made."""
    if AGREED not in log.topics():
        return {}
    said = [Agreement.FromString(r.value) for r in log.read_all(AGREED) if r.value is not None]
    return {agreement.name: agreement.value for agreement in said}


def lanes_ever(stands: Mapping[str, str]) -> tuple[int, ...]:
    """Every number of lanes that the river ever had, oldest first."""
    return tuple(int(number) for number in stands.get(_LANES, "").split(",") if number)


def changes(stands: Mapping[str, str], wanted: Mapping[str, str], *, pooled: bool) -> dict[str, str]:
    """What is to be recorded. pooled: a pool holds something.

    Raises ConfigurationError: a change that is not supported, with what to do.
    """
    found: dict[str, str] = {}
    for name, value in wanted.items():
        former = stands.get(name)
        if former is None or name == _LANES:
            continue
        if former != value and (why := _refusal(name, pooled=pooled)):
            raise ConfigurationError(f"{name} is {value} here and {former} in the river: {why}")
    wanted = {**wanted, _BUCKETS: _joined(stands.get(_BUCKETS, ""), wanted[_BUCKETS])}
    found = {name: value for name, value in wanted.items() if name != _LANES and stands.get(name) != value}
    ever, lanes = lanes_ever(stands), int(wanted[_LANES])
    if ever and lanes < ever[-1]:
        raise ConfigurationError(
            f"lanes is {lanes} here and {ever[-1]} in the river: what waits in the others would wait "
            f"for nobody. Set CORPUSWORKS_LANES to {ever[-1]} or more"
        )
    if not ever or lanes > ever[-1]:
        found[_LANES] = ",".join(map(str, [*ever, lanes]))
    return found


def _joined(*buckets: str) -> str:
    return ",".join(sorted({name for names in buckets for name in names.split(",") if name}))


def _refusal(name: str, *, pooled: bool) -> str:
    if name == _VOCABULARY:
        return _SEVERAL if pooled else ""
    return _FIXED.get(name, "")


def compare(stands: Mapping[str, str], mine: Mapping[str, str]) -> None:
    """At the start of a process. Raises ConfigurationError naming the first value that differs."""
    for name, value in mine.items():
        former = stands.get(name)
        if former is None or name in _BY_RECIPE:
            continue
        if name == _LANES:
            former = former.rpartition(",")[2]
        if former != value:
            way = (
                "set it as it is there"
                if name in _FIXED
                else ("set it as it is there, or run `corpusworks topics` with the new settings first")
            )
            raise ConfigurationError(f"{name} is {value} here and {former} in the river: {way}")


def check_again(names: Sequence[str], settings: Settings, topology: Topology) -> None:
    """While a process runs. Raises Outdated: it routes by buckets that hold no more; ConfigurationError."""
    services = [topology.service(name) for name in names]
    mine = values(services, settings, topology).get(_ROUTING)
    with Log(settings) as log:
        stands = read(log)
    refuse_unfinished(stands)
    former = stands.get(_ROUTING)
    if mine is not None and former is not None and mine != former:
        raise Outdated("the river has another recipe now: starting again with it")


def make(settings: Settings, topology: Topology, begin_by: str | None = None) -> tuple[Settings, Topology]:
    """Make the topics of the river, or take over what has changed; the settings and table that hold now.

    Settings that name no recipe keep the one in force. begin_by: the text of that of a river that has none
    either, in the place of the default; with the same buckets.

    Raises ConfigurationError: a change that is not supported; DependencyDown.
    """
    transactions = Transactions(settings, _NAME, _NAME)
    try:
        with Admin(settings) as admin, Log(settings) as log:
            return make_by(admin, log, transactions, settings, topology, begin_by=begin_by)
    finally:
        transactions.reset()


def make_by(
    admin: Admin,
    log: Log,
    transactions: Transactions,
    settings: Settings,
    topology: Topology,
    *,
    begin_by: str | None,
) -> tuple[Settings, Topology]:
    """As make, by these clients."""
    stands = read(log)
    refuse_unfinished(stands)
    if settings.recipe is None:
        settings = settings.model_copy(update={"recipe": begin_by})
        settings, topology = _as_it_stands(stands, settings, topology)
    topology = topology.with_buckets(dict.fromkeys([*topology.buckets, *_ever(stands)]))
    wanted = values([s for s in topology.services.values() if s.run], settings, topology)
    if "store_url" not in settings.model_fields_set:
        wanted[_STORE] = stands.get(_STORE, wanted[_STORE])
    found = changes(stands, wanted, pooled=_any_pooled(log, stands.get(_BUCKETS, "")))
    admin.create_topics(topology.topics().values())
    told = _told(found, stands, settings.lanes)
    _record(transactions, found, told)  # before there are new lanes, so that who fills them finds it
    admin.grow_topics(topology.topics().values())
    return settings, topology


def adopt(names: Sequence[str], settings: Settings, topology: Topology) -> tuple[Settings, Topology]:
    """Settings and table of a process that runs these services: by the recipe in force, if they follow one.

    The recipe goes into the environment, which workers inherit. Raises ConfigurationError, DependencyDown.
    """
    services = [topology.service(name) for name in names]
    if not {_RECIPE, _ROUTING} & values(services, settings, topology).keys():
        return settings, topology
    with Log(settings) as log:
        pass_gate()
        stands = read(log)
    if (text := stands.get(_RECIPE)) is not None:
        os.environ[f"{PREFIX}RECIPE"] = text
    return _as_it_stands(stands, settings, topology)


def recipe_in_force(settings: Settings) -> str | None:
    """Its text; None on a river that was never made. Raises DependencyDown."""
    with Log(settings) as log:
        return read(log).get(_RECIPE)


def told_at(settings: Settings, recipe: str) -> dict[int, int]:
    """By lane, the offset in pool.control at which it was told this recipe; none where it began by it."""
    found: dict[int, int] = {}
    with Log(settings) as log:
        for record in log.read_all(CONTROL):
            told = Control.FromString(record.value)
            if told.HasField("recipe") and told.recipe.text == recipe:
                found[record.partition] = record.offset
    return found


def _as_it_stands(
    stands: Mapping[str, str], settings: Settings, topology: Topology
) -> tuple[Settings, Topology]:
    """By the recipe and the buckets of the river, and by no others: a lane would wait for their pools."""
    if (text := stands.get(_RECIPE)) is None:
        return settings, topology
    return settings.model_copy(update={"recipe": text}), topology.with_buckets(_ever(stands))


def _ever(stands: Mapping[str, str]) -> list[str]:
    """All buckets that there ever were."""
    return [name for name in stands.get(_BUCKETS, "").split(",") if name]


def check(names: Sequence[str], settings: Settings, topology: Topology, log: Log) -> tuple[int, ...]:
    """Compare what these services have with what stands; the numbers of lanes that the river ever had.

    log: of who has one, since each costs the broker ten requests. Raises ConfigurationError, DependencyDown.
    """
    stands = read(log)
    refuse_unfinished(stands)
    compare(stands, values([topology.service(name) for name in names], settings, topology))
    return lanes_ever(stands) or (settings.lanes,)


def refuse_unfinished(stands: Mapping[str, str]) -> None:
    """Raises ConfigurationError: a part of what is in the pools is of one vocabulary, a part of another."""
    if target := stands.get(_UNDER_WAY):
        raise ConfigurationError(
            "the pools are between two vocabularies: `corpusworks pool retokenize` was interrupted on its "
            f"way to {target}. Run it again with that vocabulary; it goes on from there"
        )


def vocabularies(stands: Mapping[str, str]) -> tuple[str, str]:
    """Digests: of the one agreed on, and of that which the pools are being given; or empty."""
    return stands.get(_VOCABULARY, ""), stands.get(_UNDER_WAY, "")


def begin_vocabulary(settings: Settings, digest: str) -> None:
    """From now on no service of the river starts, and one that runs ends. Raises DependencyDown."""
    _record_alone(settings, {_UNDER_WAY: digest})


def finish_vocabulary(settings: Settings, digest: str) -> None:
    """All that the pools hold is of this vocabulary. Raises DependencyDown."""
    _record_alone(settings, {_VOCABULARY: digest, _UNDER_WAY: ""})


def remade(settings: Settings, layouts: Mapping[str, str]) -> None:
    """What a unit keeps outside Kafka was made anew, and is of these layouts now. Raises DependencyDown."""
    with Log(settings) as log:
        stands = read(log)
    _record_alone(settings, {name: to for name, to in layouts.items() if stands.get(name, to) != to})


def _any_pooled(log: Log, buckets: str) -> bool:
    pools = [POOL + bucket for bucket in buckets.split(",") if bucket]
    starts, ends = log.starts(pools), log.settled_ends(pools)
    return next(log.read({tp: (start, ends[tp]) for tp, start in starts.items()}), None) is not None


def _told(found: Mapping[str, str], stands: Mapping[str, str], lanes: int) -> list[Produce]:
    """Another recipe, to each lane; those that are new with it begin by it."""
    if _RECIPE not in found or _RECIPE not in stands:
        return []
    value = Control(recipe=RecipeChange(text=found[_RECIPE])).SerializeToString()
    return [Produce(CONTROL, value, partition=lane) for lane in range(min(lanes, lanes_ever(stands)[-1]))]


def _record_alone(settings: Settings, found: Mapping[str, str]) -> None:
    transactions = Transactions(settings, _NAME, _NAME)
    try:
        _record(transactions, found, [])
    finally:
        transactions.reset()


def _record(transactions: Transactions, found: Mapping[str, str], told: Sequence[Produce]) -> None:
    if not found:
        return
    now = int(time.time() * 1000)
    said = [Agreement(name=name, value=value, agreed_ms=now) for name, value in found.items()]
    recorded = [Produce(AGREED, a.SerializeToString(), a.name.encode()) for a in said]
    say_by(transactions, [*recorded, *told])
