"""Documents by path, URL, title and host: what a person knows of them, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts import Flush
from services.archive.asked import Asked, moment
from services.archive.named import uids
from services.archive.query import count, rows
from services.archive.tables import DOCUMENTS, DROPS, document_of
from services.cli import likeness
from services.cli.app import app
from services.dedup.namespaces import Namespace, Namespaces
from services.local.letters import LETTERS
from services.runtime import ConfigurationError, ObjectStore
from tests.unit.archive.rows import DAY_S, document, lane, rejection

PAGES = [  # source, url, title
    ("file:///crawl/a.jsonl#1", "https://news.example.com/well?x=1", "The Well"),
    ("file:///crawl/a.jsonl#2", "http://example.com:8080/", "Pears"),
    ("file:///crawl/b%20c/notes/7.md", "", "pears"),
    ("https://example.com.evil.org/example.com", "", ""),
    ("s3://example.com/x.txt", "", "Wells"),
    ("file:///crawl/%E4.txt", "", ""),
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Five documents that passed and, a day later, a drop of the first's like."""
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    documents = lane(store)
    for number, (source, url, title) in enumerate(PAGES, 1):
        made = document(number, bucket="en", source=source)
        made.metadata.clear()
        made.metadata.update({name: said for name, said in (("url", url), ("title", title)) if said})
        documents.put("pool.en", made)
    documents.put("archive.flush", Flush())
    documents.run()
    drops = lane(store, "drops")
    drops.now += DAY_S
    drops.put("docs.rejected", rejection(9, "rules", "menu", source="file:///crawl/a.jsonl#3"))
    drops.put("archive.flush", Flush())
    drops.run()
    return tmp_path


@pytest.fixture
def store(out: Path) -> ObjectStore:
    return ObjectStore(out.as_uri())


def numbers(found: list[str]) -> list[int]:
    return sorted(int(uid, 16) >> 40 for uid in found)


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("文/2", [2]),
        ("/crawl/a.jsonl", [1, 2, 9]),
        ("file:///crawl/a.jsonl#2", [2]),
        ("a.jsonl#2", [2]),
        ("notes/7.md", [3]),
        ("b c/notes/7.md", [3]),
        ("otes/7.md", []),
        ("/crawl/\udce4\udcf6.txt", []),
        ("/crawl/\udce4.txt", [6]),
        ("https://news.example.com/well?x=1", [1]),
        ("https://news.example.com/well", []),
        ("PEARS", [2, 3]),
        ("well", []),
        ("0123456789abcdef", []),
    ],
)
def test_a_document_by_what_it_is_called(store: ObjectStore, name: str, found: list[int]) -> None:
    """Prevents a name that is a part of another from finding it, and a path that has to be a URI."""
    assert numbers(uids(store, name)) == found


@pytest.mark.parametrize(
    ("host", "found"),
    [("example.com", [1, 2, 5]), ("news.example.com", [1]), ("ample.com", []), ("evil.org", [4])],
)
def test_a_host_and_its_subdomains(store: ObjectStore, host: str, found: list[int]) -> None:
    """Prevents a host that is named in a path, or ends like another, from being taken for it."""
    assert numbers([row["uid"] for row in rows(store, DOCUMENTS, Asked(host=host), ["uid"])]) == found
    by_host = {row["host"]: row["rows"] for row in count(store, DOCUMENTS, Asked(), ["host"])}
    hosts: dict[str | None, int] = {"news.example.com": 1, "example.com": 2, "example.com.evil.org": 1}
    assert by_host == hosts | {None: 2}


def test_what_dedup_is_asked_about_has_all_that_places_it(store: ObjectStore) -> None:
    """Prevents `dedup explain` from looking in another namespace or stretch of days than dedup did."""
    row = likeness.named(store, "https://news.example.com/well?x=1")
    asked, judged = document_of(row), document(1, source=PAGES[0][0], metadata={"url": PAGES[0][1]})
    given = Namespaces([Namespace("news", of=("*.example.com",), ttl_days=30)])
    assert given.home(asked) == given.home(judged)
    assert (asked.text, asked.category) == (judged.text, judged.category)
    with pytest.raises(SystemExit):
        likeness.named(store, "nobody/is/called.so")


def test_a_time(store: ObjectStore) -> None:
    """Prevents a day that is left out, or one too many."""
    (row,) = rows(store, DROPS, Asked(), ["logged"])
    at = row["logged"]
    assert count(store, DROPS, Asked(since=at)) == [{"rows": 1}]
    assert count(store, DROPS, Asked(until=at)) == [{"rows": 0}]
    assert count(store, DOCUMENTS, Asked(since=at)) == [{"rows": 0}]
    assert count(store, DOCUMENTS, Asked(until=at)) == [{"rows": 6}]
    with pytest.raises(ConfigurationError, match="2026-11-27"):
        moment("yesterday")


def test_groups_by_file_with_their_tokens(store: ObjectStore) -> None:
    """Prevents records of one file from being groups of their own, and a count without their tokens."""
    found = {row["file"]: row for row in count(store, DOCUMENTS, Asked(), ["file"], tokens=True)}
    assert found["file:///crawl/a.jsonl"]["rows"] == 2
    total = sum(row["num_tokens"] for row in rows(store, DOCUMENTS, Asked(), ["num_tokens"]))
    assert sum(row["tokens"] for row in found.values()) == total > 0


def test_all_of_a_document(out: Path) -> None:
    """Prevents a drop whose measure, bound and text have to be put together by hand."""
    done = ask("audit", "show", out, "/crawl/a.jsonl", "--json")
    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in done.stdout.splitlines()]
    (drop,) = (row for row in found if row["dropped"])
    assert (drop["dropped"][0]["unit"], drop["dropped"][0]["reason"]) == ("rules", "menu")
    assert drop["text"] == rejection(9).document.text
    shown = ask("audit", "show", out, "The Well").stdout
    assert "kept      to the pool en" in shown
    assert "https://news.example.com/well?x=1" in shown
    missing = ask("audit", "show", out, "nothing")
    assert missing.exit_code == 1
    assert "no document 'nothing'" in missing.stderr


def test_dead_letters_of_a_folder_at_rest(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents servers that are started for what the last run has written down."""
    letter = {
        "letter": "docs.raw.dlq/0/1",
        "uid": "",
        "id": "file:///in/bad.jsonl#2",
        "source": "file:///in/bad.jsonl#2",
        "unit": "ingest",
        "reason": "line 2: not JSON",
        "state": "waits",
        "topic": "docs.raw.dlq",
        "partition": 0,
        "offset": 1,
        "logged": 1_700_000_000_000,
        "text": "{",
    }
    second = letter | {"letter": "docs.raw.dlq/0/2", "reason": "line 3: not JSON", "unit": "parse"}
    (out / LETTERS).write_text(f"{json.dumps(letter)}\n{json.dumps(second)}\n")
    counted = ask("audit", "count", out, "--table", "letters", "--by", "unit,file", "--json")
    assert [json.loads(line) for line in counted.stdout.splitlines()] == [
        {"unit": unit, "file": "file:///in/bad.jsonl", "rows": 1} for unit in ("ingest", "parse")
    ]
    listed = ask("audit", "list", out, "--table", "letters", "--unit", "ingest", "--json", "--with-text")
    (row,) = (json.loads(line) for line in listed.stdout.splitlines())
    assert (row["letter"], row["reason"], row["text"]) == ("docs.raw.dlq/0/1", "line 2: not JSON", "{")
    assert "not JSON" in ask("audit", "show", out, "in/bad.jsonl").stdout
    assert "line 2: not JSON" in ask("trace", "docs.raw.dlq/0/1", "--out", out).stdout
    gone = ask("trace", "nothing", "--out", out)
    assert gone.exit_code == 1
    assert "no document 'nothing'" in gone.stderr
    refused = ask("audit", "count", "s3://bucket/x", "--table", "letters")
    assert isinstance(refused.exception, ConfigurationError)
    assert "dlq list" in str(refused.exception)


def test_what_was_taken_out_of_a_text_is_shown_with_why(out: Path, store: ObjectStore) -> None:
    """Prevents: a text that is shorter than its source, and nobody can say what is gone."""
    made = document(20, bucket="en", source="file:///crawl/c.jsonl#1")
    made.removed.add(text="All rights reserved.\n", at=3, host="example.org", documents=9, needed=4)
    made.removed.add(text="It rose. It fell. It rose.", at=40, documents=12, needed=8)
    river = lane(store, topic_id="later")
    river.put("pool.en", made)
    river.put("archive.flush", Flush())
    river.run()
    shown = CliRunner().invoke(app, ["audit", "show", str(out), made.source]).output
    assert "removed   'All rights reserved.', which 9 documents of example.org have; 4 are enough" in shown
    assert "removed   'It rose. It fell. It rose.', which 12 documents have; 8 are enough" in shown
