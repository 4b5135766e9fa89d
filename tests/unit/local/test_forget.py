"""`--fresh` without servers: what is forgotten, what is left, and that an interrupted one is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local import forget as forgetting
from services.local.folder import FolderLock
from services.local.forget import MARK, finish, forget, refuse_half
from services.local.store import begun_with, keep_url, store_in, url_of
from services.mixer.recipe import bucket_names
from services.runtime import ConfigurationError, DependencyDown, ObjectStore
from services.runtime.topology import Topology

TABLE = Topology.load(None, bucket_names(None))
PART = "lane-000/part-000-0a1b2c3d-000000000000-000000000009"
ARCHIVED = "day=2026-11-26/pool.math_high-0a1b2c3d-001-000000000100-000000000199"
MERGED = "day=2026-11-26/merged-0123456789abcdef-00000000000000aa-00000000000000ff"
OURS = [
    "parts/river.json",
    "parts/lane-000/manifest.jsonl",
    *(f"parts/{PART}.{suffix}" for suffix in ("bin", "idx", "jsonl")),
    "parts/lane-017/manifest.jsonl",
    "catalog/000000000000.jsonl",
    "catalog/000000000000-000000000255.jsonl",
    f"bodies/docs.raw/2026-11-26/{'ab' * 16}",
    f"uploads/pieces/2026-11-26/{'ab' * 12}-0a1b2c3d/{0:016d}",
    f"uploads/begun/{'ab' * 16}.json",
    f"uploads/ready/{'ab' * 12}.json",
    "vocabularies/0a1b2c3d4e5f6789.json",
    "vocabularies/0a1b2c3d4e5f6789.file",
    "ledger/tally-0a1b2c3d-000000000000012345.json",
    f"archive/documents/{ARCHIVED}.parquet",
    f"archive/documents/{ARCHIVED.replace('/', '/_')}.json",
    f"archive/documents/{ARCHIVED.replace('/', '/_')}.ids",
    f"archive/uses/{MERGED}.parquet",
    *(f"archive/uses/{MERGED.replace('/', '/_')}.{suffix}" for suffix in ("json", "ids", "new")),
    "archive/uses/day=2026-11-26/_merged-0123456789abcdef.json",
]
THEIRS = [
    "parts/notes.txt",
    "parts/lane-000/part-my-own.bin",
    "bodies/list.txt",
    "catalog/of-books.jsonl",
    "archive/documents/day=2026-11-26/mine.parquet",
    "ledger/of-debts.json",
    "thesis.txt",
    "other/part.bin",
]


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CORPUSWORKS_STORE_URL", "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS", "CORPUSWORKS_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def fill(out: Path, store: ObjectStore, *, state: bool = True) -> None:
    for key in (*OURS, *THEIRS):
        store.put(key, key.encode())
    out.mkdir(exist_ok=True)
    (out / "report.json").write_text("{}")
    if state:
        (out / "state" / "kafka").mkdir(parents=True)
        (out / "state" / "kafka" / "log").write_text("everything")


def left(store: ObjectStore) -> list[str]:
    return sorted(key for key in store.list("") if not key.startswith("state/"))


@pytest.mark.parametrize("state", [True, False])
def test_all_that_a_river_wrote_goes_and_nothing_else(tmp_path: Path, state: bool) -> None:
    """Prevents the parts of a river whose state folder is gone from staying beside new ones."""
    store = ObjectStore(tmp_path.as_uri())
    fill(tmp_path, store, state=state)
    forget(tmp_path, TABLE)
    assert left(store) == sorted(THEIRS)
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "vocabularies").exists()


def test_parts_in_another_store_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder remembers where they are, whatever is set now."""
    out, store = tmp_path / "out", ObjectStore((tmp_path / "far").as_uri())
    fill(out, store)
    keep_url(out, store.url)
    monkeypatch.setenv("CORPUSWORKS_STORE_URL", (tmp_path / "else").as_uri())
    forget(out, TABLE)
    assert left(store) == sorted(THEIRS)
    assert not (tmp_path / "else").exists()


def test_a_kill_anywhere_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each single step; until it is finished no other river takes the store, and nobody looks at it."""

    class Killed(BaseException):
        pass

    for step in range(len(OURS)):
        out = tmp_path / f"{step}"
        store = ObjectStore(out.as_uri())
        fill(out, store)
        real, done = ObjectStore.delete, iter(range(step))

        def dying(self, keys, real=real, done=done):  # type: ignore[no-untyped-def]
            for key in keys:
                if next(done, None) is None:
                    raise Killed
                real(self, [key])

        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "delete", dying)
            with pytest.raises(Killed):
                forget(out, TABLE)
        assert store.get("parts/river.json"), "whose they are goes last"
        assert (out / "state" / "kafka" / "log").exists(), "what the state knows goes after the parts"
        with pytest.raises(ConfigurationError, match="is being forgotten"):
            refuse_half(out)
        finish(out)
        assert left(store) == sorted(THEIRS)
        assert not (out / "state").exists()
        refuse_half(out)
        finish(out)


def test_a_store_that_is_away_is_found_out_before_anything_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "CORPUSWORKS_STORE_RETRY_S": "0",
    }.items():
        monkeypatch.setenv(name, value)
    fill(tmp_path, ObjectStore((tmp_path / "unused").as_uri()))
    keep_url(tmp_path, "s3://bucket/x")
    with pytest.raises(DependencyDown, match="s3://bucket/x"):
        forget(tmp_path, TABLE)
    assert not (tmp_path / MARK).exists()
    assert (tmp_path / "state" / "kafka" / "log").exists()


def test_a_folder_in_use_is_not_touched(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    fill(tmp_path, store)
    lock = FolderLock(tmp_path / "state")
    try:
        with pytest.raises(ConfigurationError, match="in use by process"):
            forget(tmp_path, TABLE)
    finally:
        lock.release()
    assert set(OURS) <= set(left(store))


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, ObjectStore(tmp_path.as_uri()))

    def no(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(forgetting.shutil, "rmtree", no)
        with pytest.raises(
            ConfigurationError, match=r"kafka cannot be removed: Permission denied.*finishes it"
        ):
            forget(tmp_path, TABLE)
    finish(tmp_path)
    assert not (tmp_path / "state").exists()


def test_a_river_keeps_the_store_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a run without the variable from looking for its parts in the folder, and finding none."""
    assert url_of(tmp_path) == tmp_path.as_uri()
    assert begun_with(tmp_path) is None
    (tmp_path / "state").mkdir()
    far = (tmp_path / "far").as_uri()
    monkeypatch.setenv("CORPUSWORKS_STORE_URL", far)
    assert url_of(tmp_path) == far
    keep_url(tmp_path, far)
    monkeypatch.delenv("CORPUSWORKS_STORE_URL")
    assert url_of(tmp_path) == far
    monkeypatch.setenv("CORPUSWORKS_STORE_URL", tmp_path.as_uri())
    with pytest.raises(ConfigurationError, match=f"has its parts in {far}"):
        url_of(tmp_path)


def test_parts_are_found_by_folder_store_and_url(tmp_path: Path) -> None:
    out, far = tmp_path / "out", ObjectStore((tmp_path / "far").as_uri())
    (out / "state").mkdir(parents=True)
    keep_url(out, far.url)
    for place in (str(out), far.url, str(tmp_path / "far"), str(tmp_path)):
        with pytest.raises(ConfigurationError, match="holds no parts"):
            store_in(place)
    far.put("parts/lane-000/manifest.jsonl", b"")
    for place in (
        str(out),
        str(out / "parts"),
        far.url,
        str(tmp_path / "far"),
        str(tmp_path / "far" / "parts"),
    ):
        assert store_in(place).get("parts/lane-000/manifest.jsonl") == b""
