"""`corpusworks crawl` on a real Redis: what is to be fetched, and what a person says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.commands import Done, ask
from tests.servers import RedisServer, free_port


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """That lead to an empty frontier."""
    server = RedisServer(tmp_path)
    yield {"CORPUSWORKS_REDIS__URL": server.url}
    server.kill()


def test_from_seeds_to_a_status(settings: Mapping[str, str], tmp_path: Path) -> None:
    """Prevents seeds that get lost on their way, and a crawl that nobody can look at, stop or slow down."""

    def crawl(*arguments: str) -> Done:
        done = ask("crawl", *arguments, settings=settings)
        assert done.code == 0, done.err
        return done

    file = tmp_path / "seeds"
    file.write_text("# mine\nhttps://a.example/\n\nhttps://b.example/x # and that\n")
    assert crawl("add", str(file), "https://c.example").out == "3 new\n"
    assert crawl("add", "https://a.example/", "https://a.example/2").out == "1 new; 1 known already\n"
    status = json.loads(crawl("status", "--json").out)
    assert (status["seen"]["urls"], status["seen"]["hosts"], status["due"]) == (4, 3, 3)
    assert not status["paused"]
    crawl("pause")
    assert "0 replicas, paused" in crawl("status").out
    crawl("resume")
    assert "paused" not in crawl("status").out
    said = crawl("host", "a.example", "--delay", "2.5", "--pause", "--max-urls", "7").out
    assert said == (
        "a.example: 2 URLs known, 2 to be fetched, 0 later; a request every 2.5 s; paused; at most 7 URLs\n"
    )
    assert json.loads(crawl("status", "--json").out)["due"] == 2
    assert "paused" not in crawl("host", "a.example", "--resume").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add", "http://127.0.0.1/"], 2, "is not a public address"),
        (["add", "http://169.254.169.254/latest/meta-data"], 2, "is not a public address"),
        (["add", "http://user:word@a.example/"], 2, "user"),
        (["add", "http://a.example:22/"], 2, "port"),
        (["add", "ftp://a.example/"], 2, "http"),
        (["add", "https://a.example/", "http://"], 2, "http://"),
        (["add", "nowhere.txt"], 2, "give URLs"),
        (["host", "nowhere.example"], 1, "corpusworks crawl add http://nowhere.example/"),
    ],
)
def test_what_is_wrong(settings: Mapping[str, str], arguments: list[str], code: int, says: str) -> None:
    """Prevents seeds that are half added, and an error that does not say what to do."""
    done = ask("crawl", *arguments, settings=settings)
    assert done.code == code
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert json.loads(ask("crawl", "status", "--json", settings=settings).out)["seen"] == {}


def test_files_without_a_seed(settings: Mapping[str, str], tmp_path: Path) -> None:
    """Prevents a crawl of nothing; lines that are wrong are named."""
    empty, wrong = tmp_path / "empty", tmp_path / "wrong"
    empty.write_text("# nothing yet\n")
    wrong.write_text("https://a.example/\na.example\n")
    assert "holds no URL" in ask("crawl", "add", str(empty), settings=settings).err
    done = ask("crawl", "add", str(wrong), settings=settings)
    assert (done.code, "line 2: 'a.example'" in done.err) == (2, True)


def test_no_redis() -> None:
    """Prevents a traceback, or an empty frontier, where there is no server."""
    done = ask("crawl", "status", settings={"CORPUSWORKS_REDIS__URL": f"redis://127.0.0.1:{free_port()}"})
    assert done.code not in (0, 2)
    assert "Redis" in done.err
    assert len(done.err.strip().splitlines()) == 1
