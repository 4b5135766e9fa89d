"""One contract for every object store: a folder, obstore's memory and a real S3 server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.runtime import ObjectStore


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    if request.param == "memory":
        return ObjectStore("memory:///")
    if request.param == "file":
        return ObjectStore((tmp_path / "a folder #1").as_uri())
    server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return ObjectStore(f"{server.bucket('contract')}/{tmp_path.name}")


def test_what_is_put_can_be_read_listed_and_removed(store: ObjectStore) -> None:
    """Prevents a store from behaving otherwise than the ones the services were tried on."""
    store.put("parts/lane-000/a.bin", b"\x00\x01\xff")
    store.put("parts/lane-000/b.bin", b"")
    store.put("parts/lane-001/a.bin", b"x" * 100_000)
    store.put("partsish/a", b"y")
    assert store.get("parts/lane-000/a.bin") == b"\x00\x01\xff"
    assert store.get("parts/lane-000/b.bin") == b""
    assert len(store.get("parts/lane-001/a.bin")) == 100_000
    assert sorted(store.list("parts")) == [
        "parts/lane-000/a.bin",
        "parts/lane-000/b.bin",
        "parts/lane-001/a.bin",
    ]
    assert sorted(store.list("parts/lane-000")) == ["parts/lane-000/a.bin", "parts/lane-000/b.bin"]
    assert list(store.list("nothing/here")) == []
    store.delete(["parts/lane-000/a.bin", "never/was"])
    assert sorted(store.list("parts")) == ["parts/lane-000/b.bin", "parts/lane-001/a.bin"]
    with pytest.raises(FileNotFoundError):
        store.get("parts/lane-000/a.bin")


def test_a_put_replaces_the_whole_object(store: ObjectStore) -> None:
    """Prevents the tail of a longer object from surviving under a shorter one."""
    store.put("a", b"long" * 1000)
    store.put("a", b"short")
    assert store.get("a") == b"short"
    assert list(store.list("")) == ["a"]


def test_a_large_object_comes_back_whole(store: ObjectStore) -> None:
    """Prevents pieces of a multipart upload from being lost, doubled or swapped."""
    value = os.urandom(12 << 20)
    store.put("parts/large.bin", value)
    assert store.get("parts/large.bin") == value
    store.put("parts/large.bin", value[: 6 << 20])
    assert store.get("parts/large.bin") == value[: 6 << 20]
    assert list(store.list("parts")) == ["parts/large.bin"]


@pytest.mark.parametrize(
    "key", ["a b/c", "文/ü", "a%20b", "a+b", "a#b?c&d=e", "~*:;,()'!@$", "[x]{y}|z", "a\\b"]
)
def test_a_key_with_odd_characters_is_itself(store: ObjectStore, key: str) -> None:
    """Prevents two keys from becoming one object because one is encoded twice, or not at all."""
    store.put(f"bodies/{key}", key.encode())
    store.put("bodies/plain", b"")
    assert store.get(f"bodies/{key}") == key.encode()
    assert sorted(store.list("bodies")) == sorted([f"bodies/{key}", "bodies/plain"])
    store.delete([f"bodies/{key}"])
    assert list(store.list("bodies")) == ["bodies/plain"]


@pytest.mark.parametrize("key", ["../x", "a/../b", "a//b", "a/./b"])
def test_a_key_that_leaves_the_store_is_refused(store: ObjectStore, key: str) -> None:
    """Prevents a name from outside from reaching what is not the store's."""
    for use in (lambda: store.put(key, b""), lambda: store.get(key)):
        with pytest.raises(ValueError, match="path"):
            use()


def test_more_objects_than_fit_into_one_answer(store: ObjectStore) -> None:
    """Prevents a list, or a removal, that ends at the first page: S3 gives 1000 keys at a time."""
    keys = [f"parts/lane-000/{number:04d}" for number in range(1001 if "s3:" in store.url else 101)]
    for key in keys:
        store.put(key, b"")
    assert sorted(store.list("parts")) == keys
    store.delete(keys)
    assert list(store.list("parts")) == []


def test_what_is_created_is_not_created_again(store: ObjectStore) -> None:
    """Prevents two rivers from both believing that they have claimed one store."""
    assert store.create("parts/river.json", b"one")
    assert not store.create("parts/river.json", b"two")
    assert store.get("parts/river.json") == b"one"
    store.check()


def test_what_is_moved_is_there_alone(store: ObjectStore) -> None:
    """Prevents a file of the archive under two names, or under none."""
    store.put("archive/_a.new", b"a")
    store.put("archive/a", b"before")
    store.move("archive/_a.new", "archive/a")
    assert list(store.list("archive")) == ["archive/a"]
    assert store.get("archive/a") == b"a"
    with pytest.raises(FileNotFoundError):
        store.move("archive/_a.new", "archive/a")


def test_a_piece_is_read_from_anywhere(store: ObjectStore) -> None:
    """Prevents a look into a large file from reading it whole, or from another place than was asked."""
    value = os.urandom(3 << 20)
    store.put("archive/large", value)
    with store.open("archive/large") as file:
        assert file.seek(-100, os.SEEK_END) == len(value) - 100
        assert file.read() == value[-100:]
        file.seek(1 << 20)
        assert file.read(1_500_000) == value[1 << 20 :][:1_500_000]
        assert file.tell() == (1 << 20) + 1_500_000
    with pytest.raises(FileNotFoundError):
        store.open("archive/nothing")
