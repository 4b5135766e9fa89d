from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trainer.bert.errors import JudgeError
from trainer.bert.label import LabelConfig, label, parse, prompt_for

Reply = Callable[[str], tuple[int, str]]


class Endpoint:
    """Answers chat completions as `reply(prompt)` says: (status, content)."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.url = ""

    def answer(self, body: dict[str, Any], key: str | None) -> tuple[int, str]:
        with self.lock:
            self.requests.append(body)
            self.keys.add(key)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        try:
            return self.reply(body["messages"][0]["content"])
        finally:
            with self.lock:
                self.now -= 1


@contextmanager
def serving(reply: Reply) -> Iterator[Endpoint]:
    endpoint = Endpoint(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = endpoint.answer(body, self.headers["Authorization"])
            out = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def good(prompt: str) -> tuple[int, str]:
    return (
        200,
        f'It has {len(prompt)} letters. {{"reason": "a {{brace}}", "score": {3 if "gull" in prompt else 1}}}',
    )


def config(endpoint: Endpoint, **changes: Any) -> LabelConfig:
    return LabelConfig(endpoint.url, "rater-1", **{"backoff_s": 0.01, "concurrency": 4} | changes)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"id": f"d{n}", "text": f"{'gull' if n % 2 else 'oven'} {n}", "lang": "en"} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def quiet(_: str) -> None: ...


def test_records_come_out_with_scores_to_train_on(source: Path, tmp_path: Path) -> None:
    """Prevents answers from being filed under another document, and more requests at once than allowed."""
    from trainer.bert import data
    from trainer.bert.recipe import HeadConfig, SplitConfig

    out = tmp_path / "deep" / "out.jsonl"
    with serving(good) as endpoint:
        counts = label([source], out, config(endpoint, key="secret"), quiet)
    assert (counts.labelled, counts.bad, counts.skipped) == (40, 0, 0)
    rows = rows_of(out)
    assert {row["id"]: row["quality"] for row in rows} == {f"d{n}": 3.0 if n % 2 else 1.0 for n in range(40)}
    assert {(row["labelled_by"], row["lang"]) for row in rows} == {("rater-1", "en")}
    assert 2 <= endpoint.most <= 4
    assert endpoint.keys == {"Bearer secret"}
    assert endpoint.requests[0]["model"] == "rater-1"
    assert not (tmp_path / "deep" / "out.jsonl.bad.jsonl").exists()
    examples = data.read([out], {"quality": HeadConfig("score", low=0, high=5)}, SplitConfig())
    assert {example.labels["quality"] for example in examples} == {0.2, 0.6}


def test_it_goes_on_where_it_was_killed(source: Path, tmp_path: Path) -> None:
    """Prevents paying twice for an answer, and half a line from breaking the file."""
    out = tmp_path / "out.jsonl"
    with serving(good) as endpoint:
        label([source], out, config(endpoint), quiet)
        lines = out.read_text().splitlines(keepends=True)
        out.write_text("".join(lines[:25]) + lines[25][:20])
        endpoint.requests.clear()
        counts = label([source, source], out, config(endpoint), quiet)
    assert (counts.labelled, counts.skipped) == (15, 65)
    assert len(endpoint.requests) == 15
    assert sorted(row["id"] for row in rows_of(out)) == sorted(f"d{n}" for n in range(40))


def test_a_busy_server_is_asked_again(source: Path, tmp_path: Path) -> None:
    """Prevents a document from being lost to a 429 or a 503."""
    tries: Counter[str] = Counter()

    def busy(prompt: str) -> tuple[int, str]:
        tries[prompt] += 1
        return (429, "") if tries[prompt] == 1 else (503, "") if tries[prompt] == 2 else good(prompt)

    with serving(busy) as endpoint:
        counts = label([source], tmp_path / "out.jsonl", config(endpoint), quiet)
    assert counts.labelled == 40
    assert set(tries.values()) == {3}


def test_bad_answers_are_put_aside_and_not_asked_for_again(source: Path, tmp_path: Path) -> None:
    """Prevents one odd answer from ending the run, or from becoming a label."""

    def odd(prompt: str) -> tuple[int, str]:
        if "oven 2\n" in prompt:
            return 200, "I would rather not."
        if "oven 4\n" in prompt:
            return 200, '{"score": 11}'
        return (400, "too long") if "oven 6\n" in prompt else good(prompt)

    out = tmp_path / "out.jsonl"
    with serving(odd) as endpoint:
        counts = label([source], out, config(endpoint), quiet)
        assert (counts.labelled, counts.bad) == (37, 3)
        aside = {row["id"]: row for row in rows_of(tmp_path / "out.jsonl.bad.jsonl")}
        assert "no JSON object" in aside["d2"]["error"]
        assert aside["d2"]["answer"] == "I would rather not."
        assert "score is 11" in aside["d4"]["error"]
        assert "400" in aside["d6"]["error"]
        endpoint.requests.clear()
        assert label([source], out, config(endpoint), quiet).skipped == 40
        assert not endpoint.requests


def test_mostly_bad_answers_end_it(tmp_path: Path) -> None:
    """Prevents a wrong prompt from being paid for to the end."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": f"gull {n}"}) + "\n" for n in range(300)))
    with (
        serving(lambda _: (200, "no")) as endpoint,
        pytest.raises(JudgeError, match="answers cannot be used"),
    ):
        label([path], tmp_path / "out.jsonl", config(endpoint), quiet)
    assert 50 <= len(endpoint.requests) < 100


def test_a_refused_key_ends_it_at_once(source: Path, tmp_path: Path) -> None:
    with serving(lambda _: (401, "")) as endpoint, pytest.raises(JudgeError, match="check the URL") as caught:
        label([source], tmp_path / "out.jsonl", config(endpoint, key="secret"), quiet)
    assert len(endpoint.requests) <= 12
    assert "secret" not in str(caught.value)


def test_a_server_that_is_gone_ends_it_with_what_there_is(source: Path, tmp_path: Path) -> None:
    """Prevents waiting for ever, and losing what was answered before."""
    seen: Counter[str] = Counter()

    def dying(prompt: str) -> tuple[int, str]:
        seen["all"] += 1
        return good(prompt) if seen["all"] <= 10 else (500, "")

    out = tmp_path / "out.jsonl"
    with serving(dying) as endpoint, pytest.raises(JudgeError, match="goes on from here"):
        label([source], out, config(endpoint, retries=2), quiet)
    assert len(rows_of(out)) >= 8
    gone = LabelConfig(endpoint.url, "m", retries=1, backoff_s=0.01)
    with pytest.raises(JudgeError, match="does not answer"):
        label([source], out, gone, quiet)


def test_answers_are_parsed_strictly() -> None:
    plain = LabelConfig("http://x/v1", "m")
    with_categories = LabelConfig("http://x/v1", "m", categories=("sea", "star"))
    assert parse('```json\n{"reason": "{}", "score": 4.5}\n```', plain) == {"quality": 4.5}
    assert parse('{"score": 0} no, rather {"score": 2}', plain) == {"quality": 2.0}
    assert parse('{"score": 1, "category": "sea"}', with_categories) == {"quality": 1.0, "category": "sea"}
    for content in ("", "5", '{"score": "5"}', '{"score": true}', '{"score": -1}', '{"score": NaN}', "{{{"):
        with pytest.raises(ValueError, match=r"score|JSON"):
            parse(content, plain)
    with pytest.raises(ValueError, match="category is 'moon'"):
        parse('{"score": 1, "category": "moon"}', with_categories)


def test_the_prompt_holds_the_text_and_nothing_of_it_is_filled_in() -> None:
    """Prevents a document with braces from changing or breaking the question."""
    asked = LabelConfig("http://x/v1", "m", categories=("sea",), max_characters=30)
    prompt = prompt_for("{answer} {text} {0} " + "x" * 100, asked)
    assert "{answer} {text} {0} xxxxxxxxxx\n" in prompt
    assert prompt.count('"category": "<one of: sea>"') == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "ftp://x"}, "http:// or https://"),
        ({"url": "localhost:8000"}, "http:// or https://"),
        ({"model": ""}, "name the model"),
        ({"prompt": "rate {text}"}, "needs {text} and {answer}"),
        ({"concurrency": 0}, "at least 1"),
        ({"timeout_s": 0}, "more than 0"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LabelConfig(**{"url": "http://x/v1", "model": "m"} | changes)


def test_wrong_files(tmp_path: Path) -> None:
    """Prevents answers from being appended to a file that is something else."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1}\n')
    with pytest.raises(JudgeError, match=r'in.jsonl:1: the field "text"'):
        label([source], out, LabelConfig("http://127.0.0.1:1/v1", "m"), quiet)
    out.write_text("a diary\n")
    with pytest.raises(JudgeError, match=r"out.jsonl:1 is no answer"):
        label([source], out, LabelConfig("http://127.0.0.1:1/v1", "m"), quiet)
    assert out.read_text() == "a diary\n"
