"""Who reads what, on a real Redis."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.runtime import DependencyDown
from services.runtime.loops.leases import Leases
from tests.servers import RedisServer

SILENCE_S = 0.3


@pytest.fixture
def two(server: RedisServer, tmp_path: Path) -> tuple[Leases, Leases]:
    one, other = (Leases(server.client(), tmp_path.name, name, SILENCE_S) for name in ("one", "other"))
    return one, other


def never(owner: str) -> None:
    raise AssertionError(f"{owner} is heard of")


def test_a_source_is_read_by_one(two: tuple[Leases, Leases]) -> None:
    one, other = two
    assert one.take(["a", "b"], never) == (["a", "b"], [])
    assert other.take(["a", "b", "c"], never) == (["c"], ["a", "b"])
    assert one.take(["a"], never) == (["a"], []), "its own"
    one.hold(["a", "b"])
    one.finished(["a"])
    assert other.take(["a", "b"], never) == (["a"], ["b"])
    one.close()
    assert other.take(["b"], never) == (["b"], []), "left at once"


def test_who_is_not_heard_of_is_fenced_before_its_sources_are_taken(two: tuple[Leases, Leases]) -> None:
    """Prevents two that commit what they read of one source."""
    one, other = two
    one.take(["a", "b"], never)
    fenced: list[str] = []
    deadline = time.monotonic() + 10
    while not fenced:
        assert time.monotonic() < deadline
        taken = other.take(["a", "b"], fenced.append)
        assert bool(fenced) == (taken.mine == ["a", "b"])
        time.sleep(0.02)
    assert fenced == ["one"]
    with pytest.raises(DependencyDown, match="asked anew"):
        one.hold(["a"])
    assert one.take(["a", "b"], never) == ([], ["a", "b"])


def test_what_cannot_be_read_is_tried_once_in_an_import(two: tuple[Leases, Leases]) -> None:
    one, other = two
    for leases in two:
        leases.resume(1000)
    one.take(["bad", "good"], never)
    one.given_up(["bad", "not mine"])
    assert other.take(["bad", "good"], never) == ([], ["good"])
    other.resume(2000)
    assert other.take(["bad"], never) == (["bad"], [])


def test_an_import_begins_once(two: tuple[Leases, Leases]) -> None:
    one, other = two
    assert one.begin(1000, 0) == 1000
    assert other.begin(2000, 0) == 1000
    assert one.begin(3000, 1000) == 3000, "the next import, though it comes at once"
    assert other.begin(4000, 1000) == 3000


def test_a_server_that_forgot_is_noticed(server: RedisServer, two: tuple[Leases, Leases]) -> None:
    one, _ = two
    one.take(["a"], never)
    server.client().flushall()
    with pytest.raises(DependencyDown, match="it has forgotten who reads what"):
        one.hold(["a"])
    server.kill()
    with pytest.raises(DependencyDown, match="Redis"):
        one.take(["a"], never)
    server.start()
    assert one.take(["a"], never) == (["a"], [])
