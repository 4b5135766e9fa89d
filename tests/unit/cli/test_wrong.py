"""Wrong settings, recipes and paths: one line that says what is meant, exit 2, and nothing is started."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from services.cli import given
from services.cli.exits import errors
from services.local.stack import Stack
from services.runtime import ConfigurationError, Settings
from services.runtime.settings import GROUPS
from tests.e2e.commands import Done, ask

_SETTING = [  # by --set, and what the line must name
    ("rules.min_word=5", "rules.min_words"),
    ("rule.min_words=5", "rules.min_words"),
    ("min_words=5", "rules.min_words"),
    ("rules.languges=[]", "rules.languages"),
    ("units.rules.min_word=5", "rules.min_words"),
    ("sequence_length=4096", "sink.sequence_length"),
    ("sink.sequence_lenght=4096", "sink.sequence_length"),
    ("sink.seal_token=1", "sink.seal_tokens"),
    ("sink.packin=related", "sink.packing"),
    ("lane=2", "lanes"),
    ("lanes.zh=2", "lanes"),
    ("partition=2", "partitions"),
    ("kafka.bootstrap=a:1", "kafka.bootstrap_servers"),
    ("kafka.compresion=lz4", "kafka.compression"),
    ("redis.uri=redis://a", "redis.url"),
    ("batch.max_document=2", "batch.max_documents"),
    ("store=s3://a", "store_url"),
    ("triton.url=a:1", "triton_url"),
    ("time_limit=2", "time_limit_s"),
    ("memory_limit=2", "memory_limit_bytes"),
    ("scorer.kep=[]", "scorer.keep"),
    ("dedup.treshold=0.8", "dedup.threshold"),
    ("parse.max_page=9", "parse.max_pages"),
    ("ingest.text_field=a", "ingest.text_fields"),
    ("launcher.worker=2", "launcher.workers"),
    ("tokenizer.vocabulry=a", "tokenizer.vocabulary"),
]
_VALUE = [  # the name is right, the value is not
    ("lanes=0", "lanes"),
    ("lanes=many", "lanes"),
    ("partitions=1.5", "partitions"),
    ("time_limit_s=-1", "time_limit_s"),
    ("kafka.compression=gzip9", "kafka.compression"),
    ("kafka.security_protocol=TLS", "kafka.security_protocol"),
    ("batch.max_documents=0", "batch.max_documents"),
    ("keep=[1]", "keep"),
    ("rules.min_words=few", "min_words"),
    ("rules.strip_urls=perhaps", "strip_urls"),
    ("rules.languages=zh", "languages"),
    ("sink.sequence_length=1", "sequence_length"),
    ("sink.sequence_length=2147483648", "sequence_length"),
    ("partitions=1000000000", "partitions"),
    ("http_port=65536", "http_port"),
    ("kafka.session_timeout_s=0", "session_timeout_s"),
    ("batch.max_wait_s=inf", "max_wait_s"),
    ("launcher.workers=0", "workers"),
    ('keep={"docs.raw":"x"}', "7d"),
    ('keep={"docs.rw":"1h"}', "docs.rw"),
    ("store_url=file://relative/folder", "file:///"),
    ("sink.packing=best", "packing"),
    ("scorer.keep={}", "keep"),
    ("ingest.max_document_bytes=0", "max_document_bytes"),
    ("dedup.threshold=2", "threshold"),
    ("nothing", "NAME=VALUE"),
    ("=5", "NAME=VALUE"),
]
_VARIABLE = [
    ("SEQUENCE_LENGTH", "CORPUSWORKS_UNITS__SINK__SEQUENCE_LENGTH"),
    ("MIN_WORDS", "CORPUSWORKS_UNITS__RULES__MIN_WORDS"),
    ("UNITS__RULES__MIN_WORD", "CORPUSWORKS_UNITS__RULES__MIN_WORDS"),
    ("UNITS__RULS__MIN_WORDS", "CORPUSWORKS_UNITS__RULES__MIN_WORDS"),
    ("LANE", "CORPUSWORKS_LANES"),
    ("KAFKA_BOOTSTRAP", "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS"),
    ("KAFKA__BOOTSTRAP", "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS"),
    ("REDIS_URI", "CORPUSWORKS_REDIS__URL"),
    ("STORE", "CORPUSWORKS_STORE_URL"),
    ("RECIPES", "CORPUSWORKS_RECIPE"),
]
_FILE = [
    ("lane: 3\n", "lanes"),
    ("kafka: {bootstrap: x}\n", "kafka.bootstrap_servers"),
    ("units: {rules: {min_word: 3}}\n", "min_words"),
    ("units: {rule: {min_words: 3}}\n", "rules"),
    ("lanes: none\n", "lanes"),
    ("- a\n", "name: value"),
    ("a: [\n", "cannot be read"),
]
_RECIPE = [
    ("zh-en-code-44", "zh-en-code-442"),
    ("en-heavi", "en-heavy"),
    ("domain-continue", "domain-continued"),
    ("{bucket}", "buckets"),
    ("{phase}", "zh"),
    ("{key}", "weights"),
]
_PATH = [
    (("run", "{here}/documents.jsnl", "--out", "{here}/o"), "documents.jsonl"),
    (("run", "{here}/Papers", "--out", "{here}/o"), "papers"),
    (("run", "gs://bucket/x", "--out", "{here}/o"), "s3://bucket/prefix"),
    (("parts", "list", "{here}/papres"), "papers"),
    (("audit", "count", "{here}/papres"), "papers"),
    (("status", "--out", "{here}/papres"), "papers"),
    (("trace", "x", "--out", "{here}/papres"), "papers"),
    (("config", "show", "--settings", "{here}/setings.yaml"), "settings.yaml"),
    (("config", "show", "rules.min_word"), "rules.min_words"),
    (("audit", "count", "{here}/papers", "--table", "drop"), "drops"),
    (("run", "{here}/papers", "--out", "{here}/o", "--workers", "many"), "auto"),
    (("up", "--out", "{here}/o", "--workers", "0"), "auto"),
    (("up", "--out", "{here}/o", "--workers", "9999"), "CORPUSWORKS_PARTITIONS=9999"),
]
_RECIPES = {
    "bucket": 'bucket: {zh: "true"}\nphases: [{name: a, weights: {zh: 1}}]\n',
    "phase": 'buckets: {zh: "true"}\nphases: [{name: a, weights: {zhh: 1}}]\n',
    "key": 'buckets: {zh: "true"}\nphases: [{name: a, weight: {zh: 1}}]\n',
}


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that began would be found by this, and not by its seconds."""

    def begin(*_: object, **__: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(Stack, "__init__", begin)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a folder and some files whose names can be missed."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "papers").mkdir()
    (folder / "documents.jsonl").write_text('{"text": "a"}\n')
    (folder / "settings.yaml").write_text("lanes: 2\n")
    for name, text in _RECIPES.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def _assert_told(done: Done, *says: str) -> None:
    assert done.code == 2, done
    lines = done.err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("corpusworks: ")
    for said in says:
        assert said in lines[0].removeprefix("corpusworks: ")


@pytest.mark.parametrize(("pair", "right"), [*_SETTING, *_VALUE])
def test_a_wrong_set(pair: str, right: str, here: Path) -> None:
    """Prevents a mistyped threshold from being passed over while the corpus is made without it."""
    _assert_told(ask("run", here / "documents.jsonl", "--out", here / "out", "--set", pair), right)
    assert not (here / "out").exists()


_NEVER = {"int": ("-1",), "float": ("nan", "-1")}


def _numbers() -> Iterator[tuple[str, str]]:
    """Every setting that is a number, with its type."""
    for name, told in Settings.model_fields.items():
        yield name, getattr(told.annotation, "__name__", "")
    for group, model in GROUPS.items():
        for name, told in model.model_fields.items():
            yield f"{group}.{name}", getattr(told.annotation, "__name__", "")
    for unit, kind in given.unit_kinds().items():
        yield from ((f"{unit}.{each.name}", str(each.type)) for each in fields(kind))


def test_no_setting_takes_a_number_that_is_none() -> None:
    """Prevents a timeout that is never over, a port below 0, and a bound that nothing is above or below."""
    found = [(name, value) for name, kind in _numbers() for value in _NEVER.get(kind, ())]
    assert len(found) > 150
    for name, value in found:
        with pytest.raises(ConfigurationError), given.given([f"{name}={value}"]):
            raise AssertionError(f"{name}={value}")


@pytest.mark.parametrize(("pair", "right"), _SETTING)
def test_the_nearest_name_is_one(pair: str, right: str, here: Path) -> None:
    """Prevents advice that is wrong itself: what the line proposes can be set."""
    told = re.search(r"did you mean ([\w.]+)\?", ask("config", "check", "--set", pair).err)
    assert told is not None
    assert told[1] == right
    assert ask("config", "show", told[1]).code == 0


@pytest.mark.parametrize(("name", "right"), _VARIABLE)
def test_a_wrong_variable(name: str, right: str, here: Path) -> None:
    """Prevents a variable that nothing reads: one word left out, and a river of other sequences."""
    done = ask("parts", "list", here / "papers", settings={f"CORPUSWORKS_{name}": "4096"})
    _assert_told(done, name, f"did you mean {right}?")


@pytest.mark.parametrize(("text", "says"), _FILE)
def test_a_wrong_file(text: str, says: str, here: Path, tmp_path: Path) -> None:
    """Prevents half of a settings file from being in force."""
    file = tmp_path / "river.yaml"
    file.write_text(text)
    _assert_told(ask("config", "check", "--settings", file), says)


@pytest.mark.parametrize(("recipe", "says"), _RECIPE)
def test_a_wrong_recipe(recipe: str, says: str, here: Path) -> None:
    """Prevents a mix that nobody asked for."""
    named = here / f"{recipe[1:-1]}.yaml" if recipe.startswith("{") else recipe
    done = ask("run", here / "documents.jsonl", "--out", here / "out", "--recipe", named)
    assert done.code == 2, done
    assert says in done.err.splitlines()[0]


@pytest.mark.parametrize(("arguments", "says"), _PATH)
def test_a_wrong_path(arguments: tuple[str, ...], says: str, here: Path) -> None:
    """Prevents a search for what a letter more would have found."""
    _assert_told(ask(*(argument.format(here=here) for argument in arguments)), says)


@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EROFS, errno.ENOTDIR])
def test_a_path_that_cannot_be_written(why: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents sixty lines of a traceback for an output that lies in a file's place, or on a full disk."""
    with pytest.raises(SystemExit) as ended, errors():
        raise OSError(why, os.strerror(why), "corpus/zh.jsonl")
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"corpusworks: corpus/zh.jsonl cannot be used: {os.strerror(why)}\n"
    with pytest.raises(OSError, match="of ours"), errors():
        raise OSError(errno.EBADF, "a mistake of ours")


def test_the_list_is_long() -> None:
    """Prevents it from shrinking when one of its cases is in the way."""
    assert len([*_SETTING, *_VALUE, *_VARIABLE, *_FILE, *_RECIPE, *_PATH]) >= 60


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Lanes, a group and a unit."""
    file = tmp_path / "river.yaml"
    file.write_text("lanes: 5\nkafka: {compression: zstd}\nunits: {rules: {min_words: 4}}\n")
    return file


def test_where_a_value_comes_from(settings_file: Path) -> None:
    """Prevents a search through four places for the one that wins."""
    environment = {
        "CORPUSWORKS_LANES": "6",
        "CORPUSWORKS_REDIS_URL": "redis://me:hunter2@r:1/0",
        "CORPUSWORKS_KAFKA__SASL_PASSWORD": "hunter2",
        "CORPUSWORKS_UNITS__PARSE__CONVERTER_KEY": "hunter2",
        "CORPUSWORKS_UNITS__INGEST__S3_SECRET_ACCESS_KEY": "hunter2",
    }
    done = ask(
        *("config", "show", "--json", "--settings", settings_file, "--set", "rules.min_words=9"),
        settings=environment,
    )
    assert "hunter2" not in done.out
    found = {row["name"]: (row["value"], row["source"]) for row in done.rows}
    assert found["lanes"] == (6, "CORPUSWORKS_LANES")
    assert found["kafka.compression"] == ("zstd", str(settings_file))
    assert found["rules.min_words"] == ("9", "--set")
    assert found["redis.url"] == ("redis://…@r:1/0", "CORPUSWORKS_REDIS_URL")
    assert found["partitions"] == (4, "default")
    changed = ask("config", "show", "--changed", "--settings", settings_file)
    assert {line.split()[0] for line in changed.out.splitlines()} == {
        *("lanes", "kafka.compression", "rules.min_words", "scorer.keep")
    }


def test_nothing_stays_in_force(settings_file: Path) -> None:
    """Prevents a setting of one command from reaching the next of the same process."""
    before = dict(os.environ)
    ask("config", "check", "--set", "lanes=3", "--settings", settings_file)
    assert dict(os.environ) == before
    assert "(default)" in ask("config", "show", "lanes").out


def test_it_is_quick(here: Path) -> None:
    """Prevents a refusal that comes after the seconds it was to save."""
    begun = time.process_time()
    ask("run", here / "documents.jsonl", "--out", here / "out", "--set", "rules.min_word=5")
    assert time.process_time() - begun < 1
