"""Labels from a language model behind an OpenAI-compatible endpoint, as FineWeb-Edu's were made.

The output is a file to train on: each record with `quality` (0..5) and, where categories were asked for,
`category`. It is appended to, so an interrupted call goes on where it was.
"""

from __future__ import annotations

import email.message
import hashlib
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from trainer.bert.data import records
from trainer.bert.errors import JudgeError
from trainer.bert.prompt import PROMPT

LOW, HIGH = 0.0, 5.0

# Answers after which the share of bad ones is looked at, and the share that means a wrong prompt or model.
_BAD_AFTER = 50
_BAD_SHARE = 0.5
# Statuses that another try may heal; of the others, these are the settings' fault and not the document's.
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_SETTINGS = frozenset({401, 403, 404, 405})


@dataclass(frozen=True)
class LabelConfig:
    """Whom to ask and how.

    url: the endpoint's base, up to and with /v1. key: sent as a bearer token; never logged.
    prompt: a template with {text} and {answer}. categories: asked for as well, when there are any.
    max_characters: of a document, from its head; a rater needs no more to see what it is.
    retries: of a request that the server could not take, after backoff_s, then twice that, to a minute.
    """

    url: str
    model: str
    key: str | None = None
    prompt: str = PROMPT
    categories: tuple[str, ...] = ()
    concurrency: int = 8
    max_characters: int = 6000
    timeout_s: float = 120.0
    retries: int = 6
    backoff_s: float = 1.0

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url: http:// or https:// is needed, not {self.url!r}")
        if not self.model:
            raise ValueError("model: name the model to ask")
        if "{text}" not in self.prompt or "{answer}" not in self.prompt:
            raise ValueError("prompt: the template needs {text} and {answer}")
        if min(self.concurrency, self.max_characters) < 1 or self.retries < 0:
            raise ValueError("concurrency and max_characters are at least 1, retries at least 0")
        if not (self.timeout_s > 0 and self.backoff_s > 0):
            raise ValueError("timeout_s and backoff_s must be more than 0")


@dataclass
class Counts:
    """What became of the records."""

    labelled: int = 0
    bad: int = 0
    skipped: int = 0


def label(
    paths: Sequence[Path], out: Path, config: LabelConfig, log: Callable[[str], None] = print
) -> Counts:
    """Ask for each record of `paths` that `out` does not hold yet; append the answers to `out`.

    Answers that cannot be used go to <out>.bad.jsonl with the reason, and are not asked for again while they
    stand there. Raises JudgeError when the endpoint refuses, does not answer after all retries, or answers
    mostly badly.
    """
    aside = out.with_name(out.name + ".bad.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    done = _done(out) | _done(aside)
    counts = Counts()
    todo = _todo(paths, done, counts)
    client = _Client(config)
    with (
        out.open("a", encoding="utf-8") as good,
        aside.open("a", encoding="utf-8") as bad,
        ThreadPoolExecutor(config.concurrency) as pool,
    ):
        files = _Files(good, bad, config, counts, log)
        running: set[Answer] = set()
        try:
            for record in todo:
                running.add(pool.submit(client.ask, record))
                if len(running) >= 2 * config.concurrency:
                    running = files.collect(running)
            while running:
                running = files.collect(running)
        except BaseException:
            client.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    if not aside.stat().st_size:
        aside.unlink()
    return counts


def parse(content: str, config: LabelConfig) -> dict[str, Any]:
    """The labels in an answer. Raises ValueError saying what is wrong with it."""
    found = _last_object(content)
    if found is None:
        raise ValueError("no JSON object in the answer")
    score = found.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not LOW <= score <= HIGH:
        raise ValueError(f"score is {score!r}, not a number in {LOW:g}..{HIGH:g}")
    labels: dict[str, Any] = {"quality": float(score)}
    if config.categories:
        if found.get("category") not in config.categories:
            raise ValueError(f"category is {found.get('category')!r}, none of those asked for")
        labels["category"] = found["category"]
    return labels


def prompt_for(text: str, config: LabelConfig) -> str:
    """What is asked about a text."""
    answer = '{"reason": "<one sentence>", "score": <0 to 5>'
    if config.categories:
        answer += ', "category": "<one of: ' + ", ".join(config.categories) + '>"'
    filled = config.prompt.replace("{answer}", answer + "}")
    return filled.replace("{text}", text[: config.max_characters])  # last: a text may hold the other mark


class _Client:
    """One request at a time for each thread that calls `ask`."""

    def __init__(self, config: LabelConfig) -> None:
        self.config = config
        self.stopped = threading.Event()  # ends the pauses between tries

    def ask(self, record: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """(record, answer). Raises JudgeError; ValueError when it is this document that was refused."""
        config = self.config
        question = {"role": "user", "content": prompt_for(record["text"], config)}
        body = {"model": config.model, "messages": [question], "temperature": 0, "max_tokens": 400}
        try:
            answer = json.loads(self._post(json.dumps(body).encode()))
            return record, str(answer["choices"][0]["message"]["content"] or "")
        except _Refused as error:
            raise _BadAnswer(record, str(error), "") from error
        except (ValueError, LookupError, TypeError) as error:
            raise _BadAnswer(record, f"no chat completion: {error!r}", "") from error

    def _post(self, body: bytes) -> bytes:
        config = self.config
        headers = {"Content-Type": "application/json"}
        if config.key:
            headers["Authorization"] = f"Bearer {config.key}"
        url = config.url.rstrip("/") + "/chat/completions"
        for tried in range(config.retries + 1):
            pause = min(config.backoff_s * 2**tried, 60.0) * random.uniform(0.5, 1.0)
            try:
                request = urllib.request.Request(url, body, headers)  # noqa: S310 - the scheme was checked
                with urllib.request.urlopen(request, timeout=config.timeout_s) as response:  # noqa: S310
                    content: bytes = response.read()
                    return content
            except urllib.error.HTTPError as error:
                said = f"{error.code} {error.read(300).decode(errors='replace')}"
                if error.code in _SETTINGS:
                    raise JudgeError(
                        f"{url} refuses: {said}; check the URL, the model and the key"
                    ) from error
                if error.code not in _AGAIN:
                    raise _Refused(said) from error
                pause = max(pause, _retry_after(error.headers))
            except OSError as error:  # URLError, timeouts, connections cut
                said = str(error)
            if tried == config.retries or self.stopped.wait(pause):
                break
        raise JudgeError(f"{url} does not answer: {said}; the same command goes on from here when it does")


class _Refused(Exception):
    """The server will not take this request, however often."""


class _BadAnswer(Exception):
    def __init__(self, record: dict[str, Any], error: str, answer: str) -> None:
        super().__init__(error)
        self.record, self.answer = record, answer


Answer = Future[tuple[dict[str, Any], str]]


@dataclass
class _Files:
    """The two outputs, written by one thread."""

    good: IO[str]
    bad: IO[str]
    config: LabelConfig
    counts: Counts
    log: Callable[[str], None]

    def collect(self, running: set[Answer]) -> set[Answer]:
        """Write what has come in; return what has not. Raises JudgeError."""
        finished, rest = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            try:
                record, answer = future.result()
                self._keep(record, answer)
            except _BadAnswer as error:
                self._put_aside(error)
            counts = self.counts
            if (counts.labelled + counts.bad) % 100 == 0:
                self.log(f"{counts.labelled} labelled, {counts.bad} bad, {counts.skipped} were there already")
        return rest

    def _keep(self, record: dict[str, Any], answer: str) -> None:
        try:
            labels = parse(answer, self.config)
        except ValueError as error:
            raise _BadAnswer(record, str(error), answer) from error
        self.counts.labelled += 1
        _append(self.good, record | labels | {"labelled_by": self.config.model})

    def _put_aside(self, error: _BadAnswer) -> None:
        self.counts.bad += 1
        _append(self.bad, {"id": error.record["id"], "error": str(error), "answer": error.answer})
        bad, seen = self.counts.bad, self.counts.bad + self.counts.labelled
        if seen >= _BAD_AFTER and bad > _BAD_SHARE * seen:
            raise JudgeError(
                f"{bad} of {seen} answers cannot be used (the last one: {error}): look into {self.bad.name},"
                " choose another model or prompt, and remove that file to ask again"
            ) from error


def _append(out: IO[str], row: dict[str, Any]) -> None:
    out.write(json.dumps(row, ensure_ascii=False) + "\n")
    out.flush()  # an answer costs more than a write


def _todo(paths: Sequence[Path], done: set[str], counts: Counts) -> Iterator[dict[str, Any]]:
    """Records with an id, each id once."""
    for path in paths:
        for place, record in records(path):
            text = record.get("text")
            if not isinstance(text, str) or not text.strip():
                raise JudgeError(f'{place}: the field "text" must be a string that is not empty')
            name = str(
                record.get("id") or hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
            )
            if name in done:
                counts.skipped += 1
                continue
            done.add(name)
            yield record | {"id": name}


def _done(path: Path) -> set[str]:
    """Ids in a file of answers; half a line that a killed call left is cut off."""
    if not path.exists():
        return set()
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        file.truncate(whole)
    found = set()
    for number, row in enumerate(content[:whole].splitlines(), 1):
        try:
            found.add(str(json.loads(row)["id"]))
        except (ValueError, LookupError, TypeError) as error:
            raise JudgeError(f"{path}:{number} is no answer of `judge label`: give another --out") from error
    return found


def _last_object(content: str) -> dict[str, Any] | None:
    """The last JSON object in a text: models talk before they answer."""
    decoder = json.JSONDecoder()
    at = content.rfind("{")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(content, at)
        except ValueError:
            found = None
        if isinstance(found, dict) and "score" in found:
            return found
        at = content.rfind("{", 0, at)
    return None


def _retry_after(headers: email.message.Message) -> float:
    """Seconds that the server asks for, at most a minute; 0 when it does not say."""
    try:
        return min(float(headers.get("Retry-After", "0")), 60.0)
    except ValueError:
        return 0.0
