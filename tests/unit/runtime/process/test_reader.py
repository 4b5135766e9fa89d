"""Reading in a process that dies: files that hang, crash, raise or eat memory."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from contracts import Document, IngestProgress
from services.runtime import ConfigurationError, DeadLetterFlood, DependencyDown, load_settings
from services.runtime.process.reader import ReadingFailed, SourceReader
from services.runtime.process.reader_frames import MAX_UNTOLD, Step
from services.runtime.process.recorded import Recorded
from services.runtime.topology import Service
from tests.sources import LinesConfig

SERVICE = Service("lines", "tests.sources:LINES", (), "docs.raw")
HANG_S = 1.5
LIMITS = {"time_limit_s": 60.0, "memory_limit_bytes": 512 << 20}  # none is met but by what hangs


@pytest.fixture(autouse=True)
def _home(river: Path) -> None:
    """The children take their settings from the environment."""


def file(folder: Path, name: str, *lines: str) -> str:
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)


def numbered(count: int, first: int = 1) -> list[str]:
    return [f"line {number}" for number in range(first, first + count)]


def read(*files: str, progress: Mapping[str, bytes] | None = None, **limits: float) -> list[Step]:
    settings = load_settings(**(LIMITS | limits))
    with closing(
        SourceReader(SERVICE, LinesConfig(files), settings).read(recorded_of(progress or {}))
    ) as steps:
        return [step for step in steps if step is not None]


def recorded_of(progress: Mapping[str, bytes]) -> Recorded:
    return Recorded(map(IngestProgress.FromString, progress.values()))


def lines(steps: Sequence[Step]) -> list[str]:
    return [Document.FromString(value).text for step in steps for _, value in step.documents]


def letters(steps: Sequence[Step]) -> dict[str, str]:
    told = [(source.partition("#")[0], error) for step in steps for source, _, error in step.unreadable]
    assert len(dict(told)) == len(told), "one for each source"
    return dict(told)


def reached(steps: Sequence[Step]) -> dict[str, bytes]:
    return {IngestProgress.FromString(step.progress).source: step.progress for step in steps}


def reading_processes() -> list[psutil.Process]:
    """Those that read for this process, which may have other children."""
    return [child for child in psutil.Process().children() if _reads(child)]


def _reads(process: psutil.Process) -> bool:
    try:
        return any("reader_worker" in word for word in process.cmdline())
    except psutil.NoSuchProcess:  # it has ended, or nobody has waited for it yet
        return False


def test_every_document_comes_once_and_in_order(tmp_path: Path) -> None:
    """Prevents steps lost or repeated between two processes, in large files and in many small ones."""
    large = file(tmp_path, "large", *numbered(95))
    small = [file(tmp_path, f"small {n}", f"only {n}") for n in range(3 * MAX_UNTOLD)]
    steps = read(large, *small)
    assert lines(steps) == numbered(95) + [f"only {n}" for n in range(3 * MAX_UNTOLD)]
    assert not letters(steps)
    assert all(IngestProgress.FromString(value).complete for value in reached(steps).values())
    assert read(large, *small, progress=reached(steps)) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("hang", "did not get on for 1.5 s (setting time_limit_s)"),
        ("segfault", "killed by SIGSEGV"),
        ("abort", "killed by SIGABRT"),
        ("exit", "exit code 17"),
        ("memory", "raised MemoryError:  (setting memory_limit_bytes)"),
        ("raise", "raised ValueError: no such thing"),
    ],
)
def test_a_file_that_ends_its_process_costs_itself_alone(tmp_path: Path, command: str, says: str) -> None:
    """Prevents: an import that ends, hangs again each time, or loses what stood before the bad record."""
    before = [file(tmp_path, f"before {n}", f"good {n}") for n in range(5)]
    bad = file(tmp_path, "bad", *numbered(27), command, "never seen")
    after = file(tmp_path, "after", *numbered(12))
    steps = read(*before, bad, after, **({"time_limit_s": HANG_S} if command == "hang" else {}))
    assert lines(steps) == [f"good {n}" for n in range(5)] + numbered(27) + numbered(12)
    (told,) = letters(steps).items()
    assert told[0] == bad
    assert says in told[1]
    assert "at record 28;" in told[1]
    end = IngestProgress.FromString(reached(steps)[bad])
    assert (end.complete, end.num_records, end.fingerprint) == (True, 27, "f")
    assert read(*before, bad, after, progress=reached(steps)) == []


def test_several_bad_files_cost_one_letter_each(tmp_path: Path) -> None:
    """Prevents the first failure from hiding the next, or a small file from taking its neighbour's blame."""
    files = [
        file(tmp_path, f"file {n}", f"good {n}", *(["segfault"] if n in (3, 4, 90) else []))
        for n in range(100)
    ]
    steps = read(*files)
    assert sorted(lines(steps)) == sorted(f"good {n}" for n in range(100))
    assert set(letters(steps)) == {files[3], files[4], files[90]}


def test_a_process_that_somebody_kills_costs_no_file(tmp_path: Path) -> None:
    """Prevents a dead letter for an innocent file, and records that are read twice."""
    (tmp_path / "kills").write_text("2")
    path = file(tmp_path, "a", *numbered(14), f"killed {tmp_path / 'kills'}", *numbered(9, 15))
    steps = read(path)
    assert [line for line in lines(steps) if line.startswith("line")] == numbered(23)
    assert not letters(steps)
    assert (tmp_path / "kills").read_text() == "0"


def test_killed_by_us_in_the_middle(tmp_path: Path) -> None:
    """Prevents the same with a real signal from elsewhere, at any place."""
    path = file(tmp_path, "a", *numbered(20_000))
    reader = SourceReader(SERVICE, LinesConfig((path,)), load_settings(**LIMITS))
    steps, kills = [], 0
    with closing(reader.read(Recorded())) as found:
        for step in found:
            if step is not None:
                steps.append(step)
                if kills < 3 and len(steps) % 400 == 0 and (children := reading_processes()):
                    children[0].send_signal(signal.SIGKILL)
                    kills += 1
    assert kills == 3
    assert lines(steps) == numbered(20_000)
    assert not letters(steps)


def test_what_is_always_killed_is_given_up(tmp_path: Path) -> None:
    """Prevents a loop without end where the kernel kills for memory, which looks like a kill from outside."""
    (tmp_path / "kills").write_text("1000")
    bad = file(tmp_path, "bad", *numbered(3), f"killed {tmp_path / 'kills'}")
    good = file(tmp_path, "good", "last")
    steps = read(bad, good)
    assert lines(steps) == [*numbered(3), "last"]
    assert "killed by SIGKILL, at record 4;" in letters(steps)[bad]


def test_a_file_that_may_not_be_read_is_told_once_in_a_run(tmp_path: Path) -> None:
    """Prevents a second letter for it after the process was started anew."""
    denied = file(tmp_path, "denied", "denied")
    bad = file(tmp_path, "bad", "segfault")
    good = file(tmp_path, "good", "last")
    steps = read(denied, bad, good)
    assert lines(steps) == ["last"]
    assert set(letters(steps)) == {denied, bad}
    assert not IngestProgress.FromString(reached(steps)[denied]).complete


def test_a_long_way_to_the_next_record_is_no_hang(tmp_path: Path) -> None:
    """Prevents a file that is resumed near its end from being killed while it passes over what is known."""
    path = file(tmp_path, "a", *["slow 0.4"] * 6, "last")
    steps = read(path, time_limit_s=1.2)
    assert lines(steps) == ["last"]
    assert not letters(steps)


def test_reading_waits_for_who_takes_the_steps(tmp_path: Path) -> None:
    """Prevents a reader that fills the memory while the broker is slow, or is killed for its waiting."""
    path = file(tmp_path, "a", *("x" * 5000 + f" {n}" for n in range(4000)))
    reader = SourceReader(
        SERVICE, LinesConfig((path,), 100), load_settings(**(LIMITS | {"time_limit_s": 0.5}))
    )
    steps = []
    with closing(reader.read(Recorded())) as found:
        for step in found:
            if step is None:
                continue
            steps.append(step)
            if len(steps) == 2:
                (child,) = reading_processes()
                time.sleep(1.0)  # longer than the limit
                spent = child.cpu_times().user
                time.sleep(0.3)
                assert child.cpu_times().user == spent
    assert len(lines(steps)) == 4000


def test_what_is_not_the_files_fault_goes_up(tmp_path: Path) -> None:
    """Prevents a setting or a server that is away from costing a dead letter."""
    with pytest.raises(ConfigurationError, match="nowhere is not there"):
        read("nowhere")
    with pytest.raises(DependencyDown, match="disk does not answer: gone"):
        read(file(tmp_path, "a", "down"))


def test_a_reader_that_dies_without_a_source_is_given_up(tmp_path: Path) -> None:
    """Prevents a loop without end where there is no file to blame."""
    with pytest.raises(ReadingFailed, match="again and again; the last source read: none"):
        read("segfault")


def test_a_flood_of_bad_files_is_a_bug(tmp_path: Path) -> None:
    """Prevents hours of starting processes, one for each file of a folder."""
    files = [file(tmp_path, f"bad {n}", "exit") for n in range(4)]
    with pytest.raises(DeadLetterFlood, match=r"3 sources ended .* dead_letter_limit"):
        read(*files, dead_letter_limit=2)


_socketpair = socket.socketpair


def _noted(made: list[int]) -> tuple[socket.socket, socket.socket]:
    pair = _socketpair()
    made += [os.fstat(end.fileno()).st_ino for end in pair]
    return pair


def _open_files() -> Iterator[int]:
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one of the listing itself
            os.fstat(int(name))
            yield int(name)


def test_it_dies_with_its_parent_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a process that reads on for nobody."""
    path = file(tmp_path, "a", "hang")
    reader = SourceReader(SERVICE, LinesConfig((path,)), load_settings(time_limit_s=60))
    steps = reader.read(Recorded())
    assert next(steps) is None
    (child,) = reading_processes()
    steps.close()
    assert not child.is_running()
    made: list[int] = []
    monkeypatch.setattr(socket, "socketpair", lambda: _noted(made))
    for _ in range(2):
        read(file(tmp_path, "b", "one"))
    assert len(made) == 4
    assert not set(made) & {os.fstat(number).st_ino for number in _open_files()}
