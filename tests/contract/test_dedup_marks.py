"""One contract for the marks in memory and those in a real Redis or Valkey; then what only a server can
do: forget.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.dedup import DedupConfig
from services.dedup.layout import layout
from services.runtime import ConfigurationError, DependencyDown
from services.runtime.state import REBUILDING, Marks, MemoryMarks, Place, RedisMarks, Server, key
from tests.servers import RedisServer

HERE, THERE = ("topic-a", 0), ("topic-a", 1)
SHARDS = 3


def marks_on(
    server: RedisServer, config: DedupConfig | None = None, river: Mapping[str, str] | None = None
) -> RedisMarks:
    config = config or DedupConfig()
    return RedisMarks(Server(server.client(), config), config, river)


@pytest.fixture(params=["memory", "redis", "three shards"])
def marks(request: pytest.FixtureRequest) -> Marks:
    if request.param == "memory":
        return MemoryMarks(DedupConfig())
    config = DedupConfig(shards=SHARDS if request.param == "three shards" else 1)
    return marks_on(request.getfixturevalue("empty_server"), config)


def judged(marks: Marks, offsets: Mapping[Place, int]) -> None:
    """A batch as the runtime does it."""
    marks.reached(offsets)
    marks.sync()
    marks.commit(offsets)


class TestContract:
    def test_where_nothing_is_committed_an_index_is_made(self, marks: Marks) -> None:
        marks.begin({})
        assert layout(DedupConfig()).split()[0].encode() in marks.generation()
        first = marks.generation()
        marks.begin({HERE: 0})
        assert marks.generation() == first
        assert marks.committed_offset(HERE) == 0

    def test_an_empty_index_is_refused_where_something_is_committed(self, marks: Marks) -> None:
        """Prevents: an emptied Redis that is filled anew, so that all that comes again passes again."""
        with pytest.raises(ConfigurationError, match=r"is empty.*12 messages.*dedup rebuild"):
            marks.begin({HERE: 7, THERE: 5})
        with pytest.raises(ConfigurationError, match="is empty"):
            marks.begin({HERE: 7})  # and it stays so: nothing was made

    def test_offsets_never_go_back(self, marks: Marks) -> None:
        """A group that was set back to 0 is how an operator replays; it un-commits nothing."""
        marks.begin({})
        judged(marks, {HERE: 9, THERE: 2})
        judged(marks, {HERE: 10})
        judged(marks, {HERE: 4, THERE: 0})
        judged(marks, {})
        marks.begin({HERE: 1})
        assert (marks.committed_offset(HERE), marks.committed_offset(THERE)) == (10, 2)

    def test_what_was_judged_may_be_more_than_what_is_committed(self, marks: Marks) -> None:
        """Killed between the two: the batch comes again, and nothing was forgotten."""
        marks.begin({})
        judged(marks, {HERE: 9})
        marks.reached({HERE: 12, THERE: 3})
        marks.begin({HERE: 9})
        assert marks.committed_offset(HERE) == 9
        marks.begin({HERE: 12, THERE: 3})
        assert (marks.committed_offset(HERE), marks.committed_offset(THERE)) == (12, 3)

    @pytest.mark.parametrize("committed", [{HERE: 10}, {HERE: 9, THERE: 1}, {("topic-b", 0): 1}])
    def test_more_committed_than_judged_is_refused(
        self, marks: Marks, committed: Mapping[Place, int]
    ) -> None:
        """Prevents: building on an index that lost its end. Place and both numbers are named."""
        marks.begin({})
        judged(marks, {HERE: 9})
        (place, offset), stands = list(committed.items())[-1], 9 if committed == {HERE: 10} else 0
        said = rf"partition {place[1]} of topic {place[0]}.*offset {stands}.*committed {offset}\b"
        with pytest.raises(ConfigurationError, match=said):
            marks.begin(committed)
        with pytest.raises(ConfigurationError, match=said):
            marks.commit(committed)

    def test_a_closed_one_can_be_asked_again(self, marks: Marks) -> None:
        marks.begin({})
        judged(marks, {HERE: 9})
        marks.close()
        assert marks.committed_offset(HERE) == 9


@pytest.mark.parametrize("shards", [1, SHARDS])
def test_a_second_process_finds_the_same_index(empty_server: RedisServer, shards: int) -> None:
    config = DedupConfig(shards=shards)
    first, second = marks_on(empty_server, config), marks_on(empty_server, config)
    first.begin({})
    judged(first, {HERE: 9})
    second.begin({HERE: 9})
    assert second.generation() == first.generation()


@pytest.mark.parametrize("shards", [1, SHARDS])
def test_replicas_that_begin_at_once_agree(empty_server: RedisServer, shards: int) -> None:
    config = DedupConfig(shards=shards)
    replicas = [marks_on(empty_server, config) for _ in range(8)]
    with ThreadPoolExecutor(len(replicas)) as pool:
        list(pool.map(lambda each: each.begin({}), replicas))
    assert len({each.generation() for each in replicas}) == 1
    with empty_server.client() as client:
        made = {client.get(key(config, shard, "generation")) for shard in range(shards)}
    assert made == {replicas[0].generation()}


def test_making_it_was_interrupted(empty_server: RedisServer) -> None:
    """A kill after the first shard: the next one goes on, with the generation that stands."""
    config = DedupConfig(shards=SHARDS)
    marks_on(empty_server, config).begin({})
    with empty_server.client() as client:
        made = client.get(key(config, 0, "generation"))
        client.delete(key(config, 2, "generation"))
        marks = marks_on(empty_server, config)
        marks.begin({})
        assert marks.generation() == made == client.get(key(config, 2, "generation"))


@pytest.mark.parametrize("lost", range(SHARDS))
def test_one_shard_of_several_was_lost(empty_server: RedisServer, lost: int) -> None:
    """Prevents: a node of a cluster that comes back empty, beside others that remember."""
    config = DedupConfig(shards=SHARDS)
    first = marks_on(empty_server, config)
    first.begin({})
    judged(first, {HERE: 9})
    with empty_server.client() as client:
        client.delete(*(key(config, lost, name) for name in ("generation", "reached", "committed")))
    for offsets in ({HERE: 9}, {}):
        with pytest.raises(ConfigurationError, match=r"has lost 1 of its 3 shards.*dedup rebuild"):
            marks_on(empty_server, config).begin(offsets)
    with pytest.raises(ConfigurationError, match="emptied or replaced"):
        first.reached({HERE: 10})


@pytest.mark.parametrize("behind", range(SHARDS))
def test_one_shard_of_several_is_behind(empty_server: RedisServer, behind: int) -> None:
    """Each node has an append-only file of its own, and each may have lost its end."""
    config = DedupConfig(shards=SHARDS)
    first = marks_on(empty_server, config)
    first.begin({})
    judged(first, {HERE: 9})
    with empty_server.client() as client:
        client.hset(key(config, behind, "reached"), "topic-a:0", 8)
    with pytest.raises(ConfigurationError, match=rf"offset 8 in shard {behind}, and Kafka has committed 9"):
        marks_on(empty_server, config).begin({HERE: 9})


def test_shards_of_two_indexes_are_refused(empty_server: RedisServer) -> None:
    config = DedupConfig(shards=SHARDS)
    marks_on(empty_server, config).begin({})
    with empty_server.client() as client:
        client.set(key(config, 1, "generation"), f"0123456789abcdef {layout(config)}")
    with pytest.raises(ConfigurationError, match="different generations"):
        marks_on(empty_server, config).begin({})


def test_an_index_of_other_topics_is_refused(empty_server: RedisServer) -> None:
    """Topics made anew, or another river, beside this Redis: all that comes would be already_seen."""
    old = marks_on(empty_server, river={"docs.scored": "topic-a"})
    old.begin({})
    judged(old, {HERE: 9})
    old.begin({})  # its own topics, nothing committed: it was killed before its first commit, say
    with pytest.raises(ConfigurationError, match=r"other topics.*dedup rebuild.*units\.dedup\.prefix"):
        marks_on(empty_server, river={"docs.scored": "topic-b"}).begin({})
    marks_on(empty_server, DedupConfig(prefix="new"), {"docs.scored": "topic-b"}).begin({})


def test_units_joined_otherwise_take_over_what_is_committed_only(empty_server: RedisServer) -> None:
    """Prevents: a document judged but not committed, which comes again from another topic as already_seen."""
    river, other = {"docs.scored": "topic-a", "docs.routed": "topic-b"}, ("topic-b", 0)
    old = marks_on(empty_server, river=river)
    old.begin({})
    judged(old, {HERE: 9})
    joined = marks_on(empty_server, river=river)
    joined.begin({})
    judged(joined, {other: 1})
    old.reached({HERE: 12})  # and is killed
    joined.reached({other: 2})  # has been admitted
    again = marks_on(empty_server, river=river)
    again.begin({other: 1})
    with pytest.raises(
        ConfigurationError, match=r"partition 0 of topic topic-a up to offset 12.*joined other"
    ):
        again.reached({other: 2})


def test_a_server_emptied_while_it_runs_is_noticed(empty_server: RedisServer) -> None:
    """Prevents: marks, and then an index, that are set up anew in silence."""
    marks = marks_on(empty_server)
    marks.begin({})
    judged(marks, {HERE: 9})
    empty_server.client().flushall()
    for step in (marks.reached, marks.commit):
        with pytest.raises(ConfigurationError, match="emptied or replaced while dedup ran"):
            step({HERE: 10})
    assert empty_server.client().dbsize() == 0


def test_a_rebuild_under_way_is_refused(empty_server: RedisServer) -> None:
    empty_server.client().set(key(DedupConfig(), 0, "generation"), REBUILDING)
    for offsets in ({}, {HERE: 9}):
        with pytest.raises(ConfigurationError, match=r"being rebuilt.*dedup rebuild"):
            marks_on(empty_server).begin(offsets)


def test_an_index_of_another_layout_is_refused(empty_server: RedisServer) -> None:
    """Other bands would never meet the old ones: all that came before would silently be unknown."""
    marks_on(empty_server).begin({})
    with pytest.raises(ConfigurationError, match=r"bands=12.*bands=24"):
        marks_on(empty_server, DedupConfig(bands=24, rows=7)).begin({})
    marks_on(empty_server, DedupConfig(bands=24, rows=7, prefix="new")).begin({})


def test_all_keys_of_a_call_share_a_slot(empty_server: RedisServer) -> None:
    """Redis Cluster refuses a script that touches another slot."""
    marks = marks_on(empty_server, DedupConfig(shards=SHARDS))
    marks.begin({})
    judged(marks, {HERE: 9})
    tags = {name[: name.index(b"}") + 1] for name in empty_server.client().scan_iter()}
    assert tags == {b"dedup{0}", b"dedup{1}", b"dedup{2}"}


def test_a_server_without_an_append_only_file_is_refused_unless_accepted(tmp_path: Path) -> None:
    """It forgets everything whenever it restarts."""
    server = RedisServer(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match=r"appendonly yes.*units\.dedup\.durable: false"):
            marks_on(server).begin({})
        accepted = marks_on(server, DedupConfig(durable=False))
        accepted.begin({})
        judged(accepted, {HERE: 9})
        server.kill()
        server.start()
        with pytest.raises(DependencyDown):
            accepted.reached({HERE: 10})
        with pytest.raises(ConfigurationError, match="is empty, but Kafka has committed 9"):
            accepted.reached({HERE: 10})
        with pytest.raises(ConfigurationError, match="is empty, but Kafka has committed 9"):
            marks_on(server, DedupConfig(durable=False)).begin({HERE: 9})
    finally:
        server.stop()


def test_a_server_that_evicts_is_refused(empty_server: RedisServer) -> None:
    """An evicting cache would forget documents silently."""
    client = empty_server.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", 1 << 30)
    try:
        with pytest.raises(ConfigurationError, match="noeviction"):
            marks_on(empty_server).begin({})
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)


def test_a_server_that_is_away_is_down(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--appendonly", "yes")
    marks = marks_on(server)
    marks.begin({})
    server.stop()
    for step in (lambda: marks.reached({HERE: 1}), marks.sync, lambda: marks.begin({})):
        with pytest.raises(DependencyDown, match="redis does not answer"):
            step()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server whose files a test may take away."""
    running = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    yield running
    running.stop()


def _copy(server: RedisServer, folder: Path, to: Path) -> None:
    """The server's files as they were at this moment: it is stopped meanwhile."""
    server.stop()
    shutil.copytree(folder, to)
    server.start()


def test_what_was_reached_survives_kill_9(own_server: RedisServer) -> None:
    marks = marks_on(own_server)
    marks.begin({})
    for offset in range(1, 20):
        judged(marks, {HERE: offset})
    marks.reached({HERE: 20})
    marks.sync()
    own_server.kill()
    own_server.start()
    with pytest.raises(DependencyDown):
        marks.begin({HERE: 20})
    marks.begin({HERE: 20})
    assert marks.committed_offset(HERE) == 20


def test_an_older_copy_is_noticed(own_server: RedisServer, tmp_path: Path) -> None:
    """By a process that starts, and by one that ran on through the change."""
    folder = tmp_path / "redis"
    marks = marks_on(own_server)
    marks.begin({})
    judged(marks, {HERE: 5})
    _copy(own_server, folder, tmp_path / "older")
    marks = marks_on(own_server)
    marks.begin({HERE: 5})
    judged(marks, {HERE: 9})
    own_server.stop()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)
    own_server.start()
    with pytest.raises(DependencyDown):
        marks.reached({HERE: 12})  # the connection broke
    for judge_again in (marks, marks_on(own_server)):
        with pytest.raises(ConfigurationError, match=r"below offset 5, and Kafka has committed 9\b"):
            judge_again.begin({HERE: 9})
    with pytest.raises(ConfigurationError, match="offset 5"):
        marks.reached({HERE: 12})  # whoever asks first


def test_a_cut_append_only_file_is_noticed(own_server: RedisServer, tmp_path: Path) -> None:
    """`aof-load-truncated` lets the server start with what is left."""
    marks = marks_on(own_server)
    marks.begin({})
    judged(marks, {HERE: 5})
    judged(marks, {HERE: 9})
    own_server.stop()
    (log,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    content = log.read_bytes()
    # what a transaction of the script for offset 9 wrote is gone
    log.write_bytes(content[: content.rindex(b"reached")])
    own_server.start()
    with pytest.raises(ConfigurationError, match=r"below offset 5, and Kafka has committed 9\b"):
        marks_on(own_server).begin({HERE: 9})
