"""Pieces of uploads, in a folder and in S3: one chain, whoever writes."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.upload.stored import Begun, Delivery, Stored, today
from services.runtime import ObjectStore
from tests.s3_server import S3Server

pytestmark = pytest.mark.stack


@pytest.fixture(params=["folder", "s3"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    if request.param == "folder":
        return Stored(ObjectStore(tmp_path.as_uri()))
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Stored(ObjectStore(f"{server.bucket('pieces')}/{tmp_path.name}"))


def test_of_two_writers_at_one_offset_one_wins(stored: Stored) -> None:
    """Prevents an upload that two replicas wrote into each other."""
    pieces = stored.new_pieces("a")
    large = bytes(6 << 20)  # more than a client sends in one part by itself
    assert stored.append(pieces, 0, large)
    assert not stored.append(pieces, 0, b"another")
    assert stored.append(pieces, len(large), b"the rest")
    assert stored.size(pieces) == len(large) + 8
    delivery = Delivery("f", "b", "team", "a.bin", len(large) + 8, pieces, 1)
    out = io.BytesIO()
    assert stored.copy(delivery, out)
    assert out.getvalue() == large + b"the rest"


def test_a_delivery_is_accepted_once_and_gone_when_it_is_done(stored: Stored) -> None:
    """Prevents two deliveries of one request, and bytes that stay for ever."""
    first, second = (stored.new_pieces(f"g-{n}") for n in range(2))
    for pieces in (first, second):
        stored.append(pieces, 0, b"12345")
    deliveries = [
        Delivery("g", "b", "team", "g.txt", 5, pieces, n) for n, pieces in enumerate((first, second))
    ]
    assert stored.accept(deliveries[0]) == deliveries[0]
    assert stored.accept(deliveries[1]) == deliveries[0]
    assert list(stored.ready()) == ["g"]
    stored.done(deliveries[0])
    assert list(stored.ready()) == []
    assert (stored.size(first), stored.size(second)) == (0, 5)
    with pytest.raises(FileNotFoundError):
        stored.delivery("g")
    assert not stored.copy(deliveries[0], io.BytesIO())


def test_what_never_became_whole_is_swept_after_its_days(stored: Stored) -> None:
    """Prevents a store that fills with cut uploads, and the sweep of one that goes on or waits."""
    old = Begun("0" * 32, "old", "b", "team", "x", 10, "2020-01-01")
    new = Begun("1" * 32, "new", "b", "team", "x", 10, today())
    waiting = Begun("2" * 32, "waiting", "b", "team", "x", 5, "2020-01-01")
    for begun in (old, new, waiting):
        stored.begin(begun)
        stored.append(begun.pieces, 0, b"12345")
    stored.accept(Delivery("waiting", "b", "team", "x", 5, waiting.pieces, 1))
    assert stored.sweep(14) == 3  # two notes, and one upload's piece
    assert [stored.size(begun.pieces) for begun in (old, new, waiting)] == [0, 5, 5]
    assert stored.begun(new.id) == new
    with pytest.raises(FileNotFoundError):
        stored.begun(old.id)


def test_the_pieces_of_one_that_may_just_become_whole_stay_a_day(stored: Stored) -> None:
    """Prevents bytes that are acknowledged while a sweep looks from being swept."""
    days = (datetime.now(UTC) - timedelta(days=15)).date().isoformat()
    late = Begun("3" * 32, "late", "b", "team", "x", 5, days)
    stored.begin(late)
    stored.append(late.pieces, 0, b"12345")
    assert stored.sweep(14) == 1  # its note: nobody goes on with it
    assert stored.size(late.pieces) == 5
    assert stored.sweep(13) == 1
    assert stored.size(late.pieces) == 0


def test_a_sweep_beside_others_that_publish(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a replica from ending over a delivery that another has published since it was listed."""
    monkeypatch.setattr(stored, "ready", lambda: iter(["published-meanwhile"]))
    assert stored.sweep(14) == 0
