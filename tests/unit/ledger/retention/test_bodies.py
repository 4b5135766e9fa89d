"""Large fields in the store: none that a kept message refers to is ever deleted, and no other stays."""

from __future__ import annotations

import contextlib
import random

import pytest

from services.runtime import DependencyDown, ObjectStore, Settings, load_settings
from tests.unit.ledger.retention.river import DAY_S, LETTERS, PARTITIONS, RAW, River
from tests.unit.runtime.conftest import clean_environment  # noqa: F401 - a fixture


@pytest.fixture
def settings(clean_environment: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    return load_settings()


@pytest.fixture
def river(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> River:
    made = River(settings)
    monkeypatch.setattr("services.runtime.wire.time.time", lambda: made.now)
    return made


def check(river: River) -> None:
    for document in [*river.kept(RAW), *river.kept(LETTERS)]:
        for reference in document.references:
            assert reference.key in river.objects(), f"day {river.now / DAY_S:.1f}"


@pytest.mark.parametrize("seed", range(3))
def test_what_a_kept_message_refers_to_is_never_deleted(
    river: River, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost field is a dead letter and a lost text. Here readers stop for weeks, and sweeps are killed."""
    rng = random.Random(seed)
    delete = ObjectStore.delete
    sent = killed = 0

    def killed_at_times(store: ObjectStore, keys: tuple[str, ...]) -> None:
        nonlocal killed
        if keys and rng.random() < 0.3:
            killed += 1
            delete(store, rng.sample(sorted(keys), len(keys) // 2))
            raise DependencyDown("store", "killed")
        delete(store, keys)

    monkeypatch.setattr(ObjectStore, "delete", killed_at_times)
    for _ in range(80):
        river.now += rng.random() * DAY_S
        for partition in range(PARTITIONS):
            if rng.random() < 0.7:
                river.send(RAW, partition, *(river.large(sent + n) for n in range(3)))
                sent += 3
            if rng.random() < 0.2:
                river.read_on(partition, letters=rng.random() < 0.3)
        if rng.random() < 0.7:
            with contextlib.suppress(DependencyDown):
                river.retain()
        check(river)
    assert killed > 1
    assert len(river.objects()) < sent / 2, "much is deleted meanwhile"
    for partition in range(PARTITIONS):
        river.read_on(partition)
    monkeypatch.undo()
    river.now += 10 * DAY_S
    river.retain()
    check(river)
    letters = {each.key for document in river.kept(LETTERS) for each in document.references}
    assert river.objects() == letters
    assert letters


def test_a_message_that_is_under_way_finds_its_field(river: River) -> None:
    """An empty log, or a young one, does not say that nobody is about to write what he has prepared."""
    value = river.large(1)
    river.now += 6 * DAY_S
    river.retain()
    river.send(RAW, 1, river.large(2))
    river.retain()
    river.send(RAW, 0, value)
    check(river)
    assert river.objects()


def test_midnight_lies_between_an_object_and_its_message(river: River) -> None:
    """An object of yesterday may be that of the oldest message there is."""
    river.now -= river.now % DAY_S + 1
    value = river.large(1)
    river.now += 2
    river.send(RAW, 0, value)
    river.now += 30 * DAY_S
    river.retain()
    check(river)
    assert river.objects()


def test_what_belongs_to_no_topic_with_an_end_stays(river: River) -> None:
    """Prevents the fields of pools, of other rivers' topics and of no topic at all from being taken."""
    keys = {
        "bodies/docs.parsed/2020-01-01/" + "ab" * 16,  # kept for good
        "bodies/docs.nobody/2020-01-01/" + "ab" * 16,
        "bodies/docs.raw/2020-01-01/readme.txt",
        "bodies/ab/" + "ab" * 16,
    }
    unneeded = "bodies/docs.raw/2020-01-01/" + "ab" * 16
    for key in [*keys, unneeded]:
        river.store.put(key, b"x")
    river.retain()
    assert river.objects() == keys
