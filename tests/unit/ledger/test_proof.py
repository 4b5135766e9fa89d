"""Reconciling by tallies: it adds up whatever happens, and each kind of loss is found with its id."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts import Document, Tally
from services.ledger.sums import range_of, uids_of
from services.runtime import ConfigurationError
from services.runtime.loops.tally import Told, revived
from services.runtime.topics import RAW, TALLY
from tests.unit.ledger.tallying import Tallying, proof_of, uid
from tests.unit.ledger.test_interrupted import UNITS


@pytest.mark.parametrize("seed", range(20))
def test_it_adds_up_at_every_moment(seed: int) -> None:
    """Prevents a false alarm in a river with copies, drops, dead letters and whatever waits anywhere."""
    river = Tallying(seed)
    came = 0
    for run in range(5):
        records = [river.random.randint(0, 40) for _ in range(river.random.randint(1, 120))]
        river.ingest([uid(number) for number in records], f"file:///run-{run}")
        came += sum(map(bool, records))
        river.run(steps=river.random.choice([0, 3, 10, 1000]))
        proof = proof_of(river)
        assert proof, proof.found
        number = proof.tallied.number
        ends = number("PART") + number("DROPPED") + number("DEAD")
        assert number("CAME") == came
        assert came - ends == len(proof.under_way.in_flight) + len(proof.under_way.waiting)
    river.run()
    assert proof_of(river).tallied.number("PART") > 0


def grown(seed: int = 3) -> Tallying:
    """Of 300 documents, some in parts and some anywhere else; with what was proven before kept."""
    river = Tallying(seed)
    river.ingest([uid(number) for number in range(1, 151)], "file:///a")
    river.run()
    assert proof_of(river)
    river.ingest([uid(number) for number in range(151, 301)], "file:///b")
    river.run(steps=6)
    return river


def message_removed(river: Tallying) -> int:
    name = next(name for name in UNITS if river._waiting(name))
    return river.lose(river._waiting(name)[0].topic, name).uid


def records_cut(river: Tallying) -> int:
    river.run()
    name, data = newest_part(river)
    line = data.splitlines()[-1]
    river.store.put(f"parts/{name}.jsonl", data[: -len(line) // 2])  # in the middle of a line
    return int(line.partition(b'"uid":"')[2][:16], 16)


def end_forgotten(river: Tallying) -> int:
    """Dropped by a unit that says nothing of it."""
    name = next(name for name in UNITS if river._waiting(name))
    record = river._waiting(name)[0]
    river.groups[name][record.topic] += 1
    with river.silently():
        river._reject(Document.FromString(record.value), name, "some_reason")
    return Document.FromString(record.value).uid


def message_doubled(river: Tallying) -> int:
    name = next(name for name in UNITS if river._waiting(name))
    record = river._waiting(name)[0]
    with river.silently():
        river.send(record.topic, record.value)
    return Document.FromString(record.value).uid


def record_doubled(river: Tallying) -> int:
    river.run()
    name, data = newest_part(river)
    line = data.splitlines(keepends=True)[0]
    river.store.put(f"parts/{name}.jsonl", data + line)
    return int(line.partition(b'"uid":"')[2][:16], 16)


def further_use_cut(river: Tallying) -> int:
    river.run()
    document = Document(id="used again", uid=uid(7), bucket="zh")
    river.use_again(document)
    river.run()
    records_cut(river)
    return document.uid


def newest_part(river: Tallying) -> tuple[str, bytes]:
    """Not proven yet: of that a record is read once."""
    name = river.log["shards.sealed"][-1]
    return name, river.store.get(f"parts/{name}.jsonl")


@pytest.mark.parametrize("harm", [message_removed, records_cut, end_forgotten, further_use_cut])
def test_what_is_missing_is_named(harm: Callable[[Tallying], int]) -> None:
    """Prevents a loss that nobody sees, a reader with kept sums included."""
    river = grown()
    lost = harm(river)
    for _ in range(2):  # and that it is said only once
        proof = proof_of(river)
        assert not proof
        assert set(proof.found.missing) == {lost}
        assert not proof.found.twice
    assert proof.found.missing[lost] in {str(lost), "used again"}


@pytest.mark.parametrize("harm", [message_doubled, record_doubled])
def test_what_is_there_twice_is_named(harm: Callable[[Tallying], int]) -> None:
    """Prevents a document that is fed twice."""
    river = grown()
    doubled = harm(river)
    proof = proof_of(river)
    assert not proof
    assert set(proof.found.twice) == {doubled}
    assert not proof.found.missing


def test_one_lost_and_another_doubled_are_both_named() -> None:
    """Prevents two faults that agree in number from hiding each other."""
    river = grown()
    lost, doubled = message_removed(river), message_doubled(river)
    proof = proof_of(river)
    assert (set(proof.found.missing), set(proof.found.twice)) == ({lost}, {doubled})


def test_a_part_without_records_is_named_with_its_documents() -> None:
    """Prevents a lost file from passing, or from ending the proof."""
    river = grown()
    river.run()
    name, data = newest_part(river)
    river.store.delete([f"parts/{name}.jsonl"])
    proof = proof_of(river)
    assert proof.absent == [name]
    assert len(proof.found.missing) == data.count(b"\n")


def test_a_document_passed_over_is_not_missing() -> None:
    """Prevents an alarm while a lane keeps a document for a later phase, and silence when it is lost."""
    river = Tallying()
    river.ingest([uid(1), uid(2)], "file:///a")
    document = river.lose(RAW, "parse")
    assert proof_of(river).found.missing == {document.uid: str(document.uid)}
    river.tell([Told(Tally.ASIDE, document.uid)])
    assert proof_of(river)
    river.tell([Told(Tally.RESUMED, document.uid)])
    assert set(proof_of(river).found.missing) == {document.uid}


def test_a_further_use_is_no_end_and_not_under_way() -> None:
    """Prevents documents that are used again from being twice, also when the further use is dropped."""
    river = grown()
    river.run()
    document = Document(id="x", uid=uid(9), bucket="zh")
    river.use_again(document)
    assert proof_of(river)
    river.run()
    river.use_again(document, use=3)
    river.lose("docs.mixed", "sink")
    river.tell([Told(Tally.LEFT_AGAIN, document.uid)])
    proof = proof_of(river)
    assert proof
    assert proof.tallied.number("AGAIN") == 1


def test_a_letter_put_back_is_under_way_again() -> None:
    """Prevents a document that died once, and lives, from being counted as two."""
    river = Tallying()
    river.ingest([uid(1)], "file:///a")
    record = river.log[RAW][0]
    river.groups["parse"][RAW] = 1
    river.send("docs.raw.dlq", record.value, topic=RAW, offset="0")
    assert proof_of(river)
    with river.silently():
        river.send(RAW, record.value)
    assert not proof_of(river), "it goes back in one transaction with its tally"
    river.tell(revived(Document.FromString(record.value)))
    assert proof_of(river)
    river.run()
    assert proof_of(river)


def test_what_was_set_back_and_read_again_is_nothing_wrong() -> None:
    """Prevents `offsets mend` from leaving an alarm, or a search at every look ever after."""
    river = grown()
    river.run()
    copy = Document(id="7", uid=uid(7))
    river._reject(copy, "dedup", "already_seen")
    assert proof_of(river)
    before = river.num_read
    assert proof_of(river)
    assert river.num_read == before, "it was found out once"
    river._reject(copy, "rules", "too_short")
    assert set(proof_of(river).found.twice) == {uid(7)}


class TestARiverThatRuns:
    """Between two looks something is committed, always."""

    def test_what_moves_is_no_discrepancy(self) -> None:
        """Prevents an alarm, and a proof that never ends, while documents flow."""
        for seed in range(10):
            river = Tallying(seed)
            river.ingest([uid(number) for number in range(1, 400)], "file:///a")
            numbers = iter(range(400, 2000))
            looks: list[int] = []

            def happens(river: Tallying = river, numbers=numbers, looks=looks) -> None:  # type: ignore[no-untyped-def]
                looks.append(1)
                if len(looks) % 3 == 0:
                    river.ingest([uid(next(numbers))], "file:///b")
                if len(looks) < 60:
                    river.step()

            river.happens = happens
            proof = proof_of(river)
            assert proof, (seed, proof.found, proof.undecided)

    def test_what_is_lost_is_found_while_others_move(self) -> None:
        """Prevents a river that never rests from hiding a loss."""
        river = grown()
        lost = message_removed(river)
        numbers = iter(range(1000, 3000))
        place = range_of(uids_of([lost]))[0]

        def happens() -> None:
            number = next(n for n in numbers if range_of(uids_of([uid(n)]))[0] != place)
            river.ingest([uid(number)], "file:///c")

        river.happens = happens
        assert set(proof_of(river).found.missing) == {lost}

    def test_a_range_in_which_always_something_moves_is_said_to_be_undecided(self) -> None:
        """Prevents a guess."""
        river = grown()
        lost = message_removed(river)
        near = iter(range(1, 1000))
        river.happens = lambda: river.ingest([lost + next(near)], "file:///c")
        proof = proof_of(river)
        assert not proof
        assert proof.undecided == 1
        assert not proof.found


def test_what_is_kept_does_not_grow_with_the_corpus() -> None:
    """Prevents memory by document: sums by range, and counts by what documents are counted by."""
    sizes, river = [], Tallying()
    for begin, end in [(1, 2_000), (2_000, 200_000)]:
        uids = [uid(number) for number in range(begin, end)]
        river.tell(Told(Tally.CAME, each) for each in uids)
        kin = ("en", "news", "prose", "en", True, 9)
        river.tell(Told(Tally.DROPPED, each, "rules", "short", kin) for each in uids)
        proof = proof_of(river)
        assert proof
        assert proof.tallied.number("DROPPED") == end - 1
        assert proof.tallied.tokens.total() == 9 * (end - 1)
        sizes.append(len(river.store.get(max(river.store.list("ledger")))))
    assert sizes[1] < sizes[0] + 1000
    river.tell([Told(Tally.CAME, uid(77))])
    assert proof_of(river).found.missing.keys() == {uid(77)}, "one of 200,000"


class TestKept:
    """What was added up is there for the next."""

    def test_the_next_reads_only_what_is_new(self) -> None:
        """Prevents time that grows with the corpus."""
        river = grown()
        proof_of(river)
        before = river.num_read
        assert proof_of(river)
        assert river.num_read == before
        river.ingest([uid(5000)], "file:///c")
        assert proof_of(river)
        assert river.num_read == before + 1
        assert len(list(river.store.list("ledger"))) == 2

    def test_one_that_is_damaged_or_gone_is_done_without(self) -> None:
        """Prevents a cache from being more than that."""
        river = grown()
        proof_of(river)
        for key in list(river.store.list("ledger")):
            river.store.put(key, b'{"layout": 1, "sums": {}}')
        assert proof_of(river)
        river.store.delete(list(river.store.list("ledger")))
        assert set(proof_of(river).tallied.sums) > {"CAME", "STORED"}

    def test_who_may_not_write_goes_without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Prevents a reader's keys from being too few to prove anything."""
        river = grown()
        before = sorted(river.store.list("ledger"))

        def refuse(*_: object) -> None:
            raise ConfigurationError("403 Forbidden")

        monkeypatch.setattr(river.store, "put", refuse)
        assert proof_of(river)
        assert sorted(river.store.list("ledger")) == before

    def test_another_river_s_is_left_alone(self) -> None:
        """Prevents sums of another river from being taken for this one's."""
        other = grown()
        river = Tallying(store=other.store)
        river.ids = {TALLY: "tally-2", RAW: "raw-2"}
        river.ingest([uid(1)], "file:///a")
        assert proof_of(river).tallied.number("CAME") == 1
        assert proof_of(other).tallied.number("CAME") == 300

    def test_tallies_made_anew_or_gone_are_refused(self) -> None:
        """Prevents all that came before from being called missing."""
        river = grown()
        river.begins = 10
        assert proof_of(river), "they were added up before they went"
        message_removed(river)
        with pytest.raises(ConfigurationError, match=r"ids are gone from Kafka: .*--thorough"):
            proof_of(river)
        river.store.delete(list(river.store.list("ledger")))
        with pytest.raises(ConfigurationError, match=r"begins at 10, .* ends at 0"):
            proof_of(river)
        anew = grown()
        anew.ids = {TALLY: "tally-2", RAW: "raw-1"}
        with pytest.raises(ConfigurationError, match="made anew: its id was tally-1 and is now tally-2"):
            proof_of(anew)

    def test_a_river_older_than_its_tallies_is_told_the_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Prevents a river without the topic from being proven empty."""
        river = grown()
        monkeypatch.setattr(river, "topics", lambda: {"docs.raw"})
        with pytest.raises(ConfigurationError, match=r"no topic river\.tally.*--thorough"):
            proof_of(river)
