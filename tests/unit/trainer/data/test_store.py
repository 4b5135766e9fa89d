"""The trainer's store, over a folder and a real S3 server, and its cache of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from trainer.config import DataConfig
from trainer.data.cache import Cache
from trainer.data.store import Store
from trainer.errors import ConfigError, StoreDown


def test_what_is_put_can_be_read_listed_and_removed(url, opened, tmp_path) -> None:
    store = opened(url)
    (tmp_path / "large").write_bytes(large := os.urandom(12 << 20))
    store.put("train/a b/ü.json", b"one")
    store.put("train/a b/ü.json", b"two")
    store.put("train/large", tmp_path / "large")
    store.put("training", b"")
    assert store.get("train/a b/ü.json") == b"two"
    assert store.get("train/large") == large
    assert store.get_range("train/large", 5, 9) == large[5:9]
    assert sorted(store.list("train")) == ["train/a b/ü.json", "train/large"]
    store.delete(["train/large", "never/was"])
    assert list(store.list("train")) == ["train/a b/ü.json"]
    for read in (store.get, store.open, store.local, lambda key: store.get_range(key, 0, 4)):
        with pytest.raises(FileNotFoundError):
            read("train/large")


def test_of_two_that_create_one_succeeds(url, opened) -> None:
    store = opened(url)
    assert store.create("train/first", b"one")
    assert not store.create("train/first", b"two")
    assert store.get("train/first") == b"one"
    assert store.create("train/empty", b"")
    assert not store.create("train/empty", b"two")


def test_an_object_is_a_file_of_this_machine(url, opened) -> None:
    store = opened(url)
    store.put("a", b"one")
    assert store.local("a").read_bytes() == b"one"
    store.put("a", b"three")
    assert store.local("a").read_bytes() == b"three", "not what was there before"
    with store.open("a", hashlib.sha256(b"three").hexdigest()) as file:
        assert file.read() == b"three"
    if store.folder is None:
        with pytest.raises(ValueError, match="the catalog says"):
            store.open("a", hashlib.sha256(b"two").hexdigest())


def test_a_plain_path_is_a_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("some where")
    store.put("a/b", b"x")
    assert (tmp_path / "some where" / "a" / "b").read_bytes() == b"x"


def test_what_the_user_can_mend_is_said(s3, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="gopher"):
        Store("gopher://hole/x")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="make the bucket"):
        Store("s3://no-such-bucket/x").get("a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        Store(s3.bucket("trainer")).get("a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreDown, match="does not answer"):
        Store("s3://bucket/x", timeout_s=0.5, retry_s=0.2).get("a")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_the_cache_forgets_what_was_used_longest_ago_and_never_what_is_in_use(tmp_path) -> None:
    cache = Cache(tmp_path / "cache", 250)
    fetched: list[str] = []

    def use(name: str):
        return cache.open(name, lambda: fetched.append(name) or [name.encode() * 100])

    held = use("a")
    for age, name in enumerate("bcb"):
        use(name).close()
        os.utime(tmp_path / "cache" / name, (age, age))
    use("d").close()
    assert names(tmp_path / "cache") == {"a", "d"}
    assert held.read(2) == b"aa"
    held.close()
    os.utime(tmp_path / "cache" / "a", (0, 0))
    use("e").close()
    assert names(tmp_path / "cache") == {"d", "e"}
    use("d").close()
    assert fetched == ["a", "b", "c", "b", "d", "e"]


def test_a_fetch_that_breaks_off_leaves_nothing(tmp_path) -> None:
    cache = Cache(tmp_path, 1000)

    def broken():
        yield b"half"
        raise StoreDown("away")

    with pytest.raises(StoreDown):
        cache.open("a", broken)
    assert names(tmp_path) == set()
    assert not list(tmp_path.glob(".new-*"))
    with cache.open("a", lambda: [b"whole"]) as file:
        assert file.read() == b"whole"


def test_what_a_killed_rank_left_is_removed(tmp_path) -> None:
    (tmp_path / ".new-old").write_bytes(b"half")
    (tmp_path / ".new-fresh").write_bytes(b"half")
    os.utime(tmp_path / ".new-old", (0, 0))
    Cache(tmp_path, 0).open("a", lambda: [b"x"]).close()
    assert {path.name for path in tmp_path.glob(".new-*")} == {".new-fresh"}


def test_a_run_names_its_cache(tmp_path, s3, monkeypatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"{s3.bucket('trainer')}/{tmp_path.name}"
    store = Store.of(DataConfig(bucket, 1, 1, cache=str(tmp_path / "here"), cache_gb=1e-9))
    store.put("a", b"x" * 10)
    with store.open("a") as file:
        assert file.name.startswith(str(tmp_path / "here"))
        assert names(tmp_path / "here"), "in use"
    with store.open("a"):
        pass
    store.put("b", b"y")
    store.open("b").close()
    assert len(names(tmp_path / "here")) == 1
