"""One contract for the counts in memory and those in a real Redis or Valkey; then what comes again, what is
forgotten, and counts made anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import Document
from services.runtime import ConfigurationError, Emit, Resources, state
from services.sentences import SentencesConfig, build
from services.sentences.bucket import SLOTS
from services.sentences.config import SentencesConfig as Config
from services.sentences.recount import rebuild
from services.sentences.table import MemoryTable, RedisTable, Seen, Table
from tests.servers import RedisServer

PLACE, OTHER = ("topic-a", 0), ("topic-a", 1)
FRAME = "本站所有文章均为原创，未经书面许可，任何人不得转载。"


def table_of(kind: str, resources: Resources, entries: int = 1 << 16) -> Table:
    config = Config(entries=entries, shards=3 if kind == "three shards" else 1)
    if kind == "memory":
        return MemoryTable(config)
    redis = state.Server(resources.redis, config)
    marks = state.RedisMarks(redis, config)
    marks.begin({})
    return RedisTable(redis, config, marks.generation)


@pytest.fixture(params=["memory", "redis", "three shards"])
def table(request: pytest.FixtureRequest, resources: Resources) -> Table:
    return table_of(request.param, resources)


def word(number: int) -> int:
    """A key as a hash gives it."""
    return (number * 0x9E3779B97F4A7C15 + 1) % (1 << 64)


def seen(offset: int, *numbers: int, place: state.Place = PLACE, tag: int | None = None) -> Seen:
    return Seen({word(n) for n in numbers}, place, offset, offset % 256 if tag is None else tag)


def counts(table: Table, *documents: Seen) -> dict[int, int]:
    found = table.count(documents)
    return {n: found[word(n)] for n in range(3000) if word(n) in found}


def test_it_counts_documents_those_of_the_call_included(table: Table) -> None:
    assert counts(table, seen(0, 1, 2), seen(1, 1), seen(0, 1, 3, place=OTHER, tag=9)) == {1: 3, 2: 1, 3: 1}
    assert counts(table, seen(2, 1, 4)) == {1: 4, 4: 1}
    assert table.forgotten() == 0


def test_what_comes_again_is_only_looked_up(table: Table) -> None:
    """Prevents: a batch that is judged again after a kill, in whatever slices, counting documents twice."""
    batch = [seen(offset, 1, offset + 10) for offset in range(6)]
    first = counts(table, *batch)
    assert first[1] == 6
    assert counts(table, *batch) == first
    for each in batch[3:]:
        assert counts(table, each)[1] == 6
    assert counts(table, seen(5, 1), seen(6, 1)) == {1: 7}
    assert counts(table, seen(3, 1, place=OTHER, tag=77)) == {1: 8}


def test_the_same_page_again_and_a_redriven_letter_count_nothing(table: Table) -> None:
    assert counts(table, *(seen(offset, 1, tag=7) for offset in range(9))) == {1: 1}
    assert counts(table, seen(99, 1, 2, tag=8)._replace(look=True)) == {1: 1, 2: 0}
    assert counts(table, seen(9, 1, tag=8)) == {1: 2}, "a look has no place"


def test_a_call_that_is_cut_between_shards_is_made_again(resources: Resources) -> None:
    """Prevents: a kill between two shards after which half of the keys are counted twice, or never."""
    table = table_of("three shards", resources)
    assert isinstance(table, RedisTable)
    batch, numbers = [seen(0, *range(200)), seen(1, *range(200))], list[int]()
    inner = table._call

    def cut(connection: object, shard: int, *rest: object) -> None:
        if shard == 2 and not numbers:
            numbers.append(shard)
            raise RuntimeError("killed")
        inner(connection, shard, *rest)  # type: ignore[arg-type]

    table._call = cut  # type: ignore[assignment,method-assign]
    with pytest.raises(RuntimeError):
        table.count(batch)
    assert set(counts(table, *batch).values()) == {2}


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_it_keeps_its_size_and_forgets_the_oldest(kind: str, resources: Resources) -> None:
    """Prevents: a table that grows with the corpus; or one that loses what is frequent to what came once."""
    table = table_of(kind, resources, entries=16 * SLOTS)
    for offset in range(40):
        table.count([seen(offset, 0, *range(1 + offset * 200, 201 + offset * 200))])
    assert 40 * 200 - 16 * SLOTS <= table.forgotten() <= 40 * 200
    assert counts(table, seen(40, 0, 1))[0] == 41
    assert counts(table, seen(41, 1), seen(42, 1))[1] == 3, "it had been forgotten, and began anew"
    if kind == "redis":
        sizes = [resources.redis.strlen(name) for name in resources.redis.scan_iter("*counts:*")]
        assert (len(sizes), max(sizes)) == (16, 7 * SLOTS)


def pages(number: int, start: int = 0) -> list[Document]:
    made = []
    for n in range(start, start + number):
        document = Document(uid=n + 1, format="prose", language="zh", metadata={"url": f"https://a.cn/{n}"})
        document.text = (
            f"第{n}号码头今天停了{n + 3}艘船，他们等了{n * 7}个小时。\n{FRAME}\n船长{n}说风很大。\n"
        )
        document.position.topic_id, document.position.partition = PLACE
        document.position.offset = n
        made.append(document)
    return made


def judged(judge: Callable[..., Sequence[object]], documents: Sequence[Document]) -> list[Document]:
    found = []
    for verdict in judge([Document.FromString(each.SerializeToString()) for each in documents]):
        assert isinstance(verdict, Emit)
        found.append(verdict.document)
    return found


def test_redis_that_forgot_is_refused_and_made_again(server: RedisServer, resources: Resources) -> None:
    """The runtime's marks, wired: emptied while it runs, then before it starts; then counts as they were."""
    config = SentencesConfig(of=("*",), entries=1 << 14)
    judge = build(config, resources)
    judge.begin({})  # type: ignore[attr-defined]
    before = judged(judge, pages(6))
    judge.reached({PLACE: 6})  # type: ignore[attr-defined]
    judge.committed({PLACE: 6})  # type: ignore[attr-defined]
    server.client().flushall()
    with pytest.raises(ConfigurationError, match=r"was emptied.*corpusworks sentences rebuild"):
        judge(pages(1, 6))
    with pytest.raises(ConfigurationError, match="is empty, but Kafka has committed 6"):
        build(config, resources).begin({PLACE: 6})  # type: ignore[attr-defined]
    random.Random(1).shuffle(before)
    made = rebuild(before, {PLACE: 6}, resources, config)  # what is cleaned is put together again
    assert (made.documents, made.counted) == (6, 6)
    again = build(config, resources)
    again.begin({PLACE: 6})  # type: ignore[attr-defined]
    (seventh,) = judged(again, pages(1, 6))
    assert [cut.documents for cut in seventh.removed] == [7]
    second = build(replace(config, learn=False), resources)  # over the same, which were counted
    second.begin({PLACE: 6})  # type: ignore[attr-defined]
    assert [[cut.documents for cut in each.removed] for each in judged(second, pages(7))] == [[7]] * 7


def test_counts_of_another_size_are_refused(resources: Resources, tmp_path: Path) -> None:
    build(SentencesConfig(of=("*",)), resources).begin({})  # type: ignore[attr-defined]
    other = build(SentencesConfig(of=("*",), entries=1 << 20), resources)
    with pytest.raises(ConfigurationError, match=r"entries=16777216.*the settings say.*entries=1048576"):
        other.begin({})  # type: ignore[attr-defined]
