"""Global batches: the same for any world size, speed of arrival and restart."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from services.runtime import VocabularyCard
from tests.unit.trainer.data.river import VOCABULARY, River, documents, made
from trainer.config import DataConfig
from trainer.data.loader import Loader, Step
from trainer.data.state import DataState
from trainer.data.store import Store
from trainer.errors import ConfigError, DataError, StoreDown

PHASES = ("stable", "stable", "stable", "anneal", "anneal", "long", "stable")
DEADLINE_S = 20.0


def config(river: River, **changes) -> DataConfig:
    given = {"batch_size": 4, "micro_batch_size": 1, "seed": 3, "wait_s": 0.0, "vocabulary_size": 257}
    return DataConfig(**({"store": river.store.url} | given | changes))


@pytest.fixture
def loaders(opened) -> Iterator:
    """Makes loaders and closes them."""
    made = []

    def loader(settings: DataConfig, state: DataState | None = None, **kwargs) -> Loader:
        made.append(Loader(opened(settings.store), settings, state, **kwargs))
        return made[-1]

    yield loader
    for each in made:
        each.close()


def what(step: Step):
    return step.number, step.indices, step.places, step.phases, step.digest, step.state


def tokens_of(steps: Sequence[Step]) -> torch.Tensor:
    return torch.cat([batch.tokens for step in steps for batch in step.batches])


def test_every_sample_is_given_once_and_phases_follow(url, loaders) -> None:
    """The same on a folder and on S3."""
    river = River(url).fill(PHASES)
    steps = list(loaders(config(river, batch_size=2, shuffle_parts=2)))
    places = [place for step in steps for place in step.places]
    total = sum(part.announcement.num_sequences for part in river.parts)
    assert len(set(places)) == len(places) >= total - river.parts[-1].announcement.num_sequences - 1
    phases = [phase for step in steps for phase in step.phases]
    names = {part.announcement.name: part.announcement.phase for part in river.parts}
    assert phases == [names[name] for name, _ in places]
    changes = [phases[0]] + [now for before, now in pairwise(phases) if now != before]
    assert changes[:3] == ["stable", "anneal", "long"]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert steps[0].recipe == "r-stable"
    by_name = {part.announcement.name: np.frombuffer(part.files["bin"], "<u2") for part in river.parts}
    for place, row in zip(places, tokens_of(steps), strict=True):
        name, sequence = place
        assert row.tolist() == by_name[name].reshape(-1, 64)[sequence].tolist()


@pytest.mark.parametrize("shuffle_parts", [1, 3])
def test_ranks_share_the_batches_of_one(river, loaders, shuffle_parts) -> None:
    river.fill(PHASES)
    settings = config(river, shuffle_parts=shuffle_parts)
    alone = list(loaders(settings))
    for world_size in (2, 4):
        ranks = [list(loaders(settings, rank=rank, world_size=world_size)) for rank in range(world_size)]
        for whole, *shares in zip(alone, *ranks, strict=True):
            assert all(what(share) == what(whole) for share in shares)
            assert torch.equal(tokens_of(shares), tokens_of([whole]))
            assert [i for share in shares for batch in share.batches for i in batch.indices] == whole.indices


def test_order_is_of_the_seed_and_of_nothing_else(river, loaders) -> None:
    river.fill(PHASES)
    first = next(loaders(config(river)))
    assert first.digest == next(loaders(config(river))).digest
    assert first.digest != next(loaders(config(river, seed=4))).digest
    assert sorted({sequence for _, sequence in first.places}) == sorted(
        sequence for _, sequence in first.places
    )
    assert [sequence for _, sequence in first.places] != [0, 1, 2, 3]


@pytest.mark.parametrize("shuffle_parts", [1, 2])
def test_a_restart_anywhere_goes_on_as_if_nothing_had_been(river, loaders, shuffle_parts) -> None:
    river.fill(PHASES)
    settings = config(river, shuffle_parts=shuffle_parts, batch_size=2)
    undisturbed = list(loaders(settings))
    for at, step in enumerate(undisturbed):
        state = DataState.from_json(step.state.to_json())
        again = list(islice(loaders(settings, state), 2))
        wanted = undisturbed[at + 1 : at + 3]
        assert [what(each) for each in again] == [what(each) for each in wanted]
        if wanted:
            assert torch.equal(tokens_of(again), tokens_of(wanted))


def test_arrival_changes_nothing(river, loaders) -> None:
    """Parts that come one by one, into a loader that waits, or all at once."""
    whole = River(f"{river.store.url}-whole").fill(PHASES)
    settings = config(river, shuffle_parts=2, wait_s=DEADLINE_S)
    wanted = list(loaders(config(whole, shuffle_parts=2)))
    loader = loaders(settings)
    thread = threading.Thread(target=lambda: river.fill(PHASES))
    thread.start()
    found = [next(loader) for _ in wanted]
    thread.join()
    assert [what(each) for each in found] == [what(each) for each in wanted]
    assert loader.waited_s > 0


def test_a_part_is_seen_within_a_second_and_an_empty_store_is_waited_for(river, loaders, caplog) -> None:
    caplog.set_level(logging.INFO)
    loader = loaders(config(river, wait_s=math.inf))
    seen: list[float] = []
    thread = threading.Thread(target=lambda: (next(loader), seen.append(time.monotonic())))
    thread.start()
    deadline = time.monotonic() + DEADLINE_S
    while "there is no catalog yet" not in caplog.text and time.monotonic() < deadline:
        thread.join(0.02)
    thread.join(1.5)  # so that the pauses are at their longest
    added = time.monotonic()
    river.fill(["stable"])
    thread.join(DEADLINE_S)
    assert seen[0] - added < 1.5
    assert caplog.text.count("waiting for parts") == 1
    assert loader.waited_s > 1.4


def test_it_ends_when_nothing_comes_and_gives_no_half_batch(river, loaders) -> None:
    river.fill(["stable"], number=3)
    size = river.parts[0].announcement.num_sequences
    loader = loaders(config(river, batch_size=size + 1, wait_s=0.2))
    begun = time.monotonic()
    assert list(loader) == []
    assert 0.2 <= time.monotonic() - begun < 10
    assert list(loader) == []
    assert loader.state == DataState()
    river.fill(["stable"], number=3)
    assert next(loaders(config(river, batch_size=size + 1), loader.state)).number == 1


def test_skipped_samples_are_not_given_and_come_back_by_index(river, loaders) -> None:
    river.fill(PHASES)
    settings = config(river, batch_size=2)
    undisturbed = list(islice(loaders(settings), 6))
    loader = loaders(settings)
    steps = list(islice(loader, 2))  # more are made ahead
    loader.skip([(5, 6), (7, 9)])
    steps += islice(loader, 2)
    assert [i for step in steps for i in step.indices] == [0, 1, 2, 3, 4, 6, 9, 10]
    assert steps[-1].state.skipped == ((5, 6), (7, 9))
    for state in (undisturbed[0].state, DataState()):
        loader.rewind(state)
        after = list(islice(loader, 4))
        assert not {5, 7, 8} & {i for step in after for i in step.indices}
    given = loader.batches_of([8, 5, 0])
    places = {i: place for step in undisturbed for i, place in zip(step.indices, step.places, strict=True)}
    assert [place for batch in given for place in batch.places] == [places[8], places[5], places[0]]
    with pytest.raises(DataError, match="sample 99999 is not in the store"):
        loader.batches_of([99_999])


def test_samples_before_a_restart_are_found(river, loaders) -> None:
    river.fill(PHASES)
    settings = config(river, shuffle_parts=2)
    steps = list(loaders(settings))
    resumed = loaders(settings, steps[-1].state)
    assert steps[-1].state.block.first > 4
    mixed = steps[0].indices + steps[-1].indices
    found = torch.cat([batch.tokens for batch in resumed.batches_of(mixed)])
    assert torch.equal(found, tokens_of([steps[0], steps[-1]]))


class Counting(Store):
    """Counts what is asked of it."""

    asked = 0

    def get(self, key: str) -> bytes:
        self.asked += 1
        return super().get(key)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        self.asked += 1
        return super().get_range(key, start, end)

    def open(self, key, sha256=""):
        self.asked += 1
        return super().open(key, sha256)


def test_a_restart_after_many_parts_reads_few_files(river) -> None:
    """Prevents a restart that takes the longer the more has been read."""
    one = made(0, 2, limit=50)
    river.copy(one, 1200)
    settings = config(river, batch_size=8)
    index = 1100 * one.announcement.num_sequences
    loader = Loader(Store(settings.store), settings, DataState(index=index))
    step, after = islice(loader, 2)  # from the index alone, all before it are counted
    loader.close()
    assert step.indices[0] == index
    store = Counting(settings.store)
    resumed = Loader(store, settings, step.state)
    assert what(next(resumed)) == what(after)
    resumed.close()
    # Segments up to the edge of a block of the catalog, and the head and three files of a few parts.
    assert store.asked < 60


def test_targets_end_with_documents_sequences_and_text(river, loaders) -> None:
    river.add(made(0, 12, length=100))
    masked = list(loaders(config(river, batch_size=2, micro_batch_size=2)))
    plain = list(loaders(config(river, batch_size=2, micro_batch_size=2, mask="none")))
    pieces = 0
    for ours, other in zip(masked, plain, strict=True):
        for one, flat in zip(ours.batches, other.batches, strict=True):
            assert torch.equal(one.tokens, flat.tokens)
            assert torch.equal(one.documents, flat.documents)
            assert flat.positions.tolist() == [list(range(100))] * 2
            for row, (uids, starts) in enumerate(one.uids):
                wanted, wanted_flat = torch.full((100,), -100), torch.full((100,), -100)
                documents, positions = torch.full((100,), -1), torch.zeros(100)
                for number, (start, end) in enumerate(pairwise(starts)):
                    wanted[start : end - 1] = one.tokens[row, start + 1 : end]
                    documents[start:end], positions[start:end] = number, torch.arange(end - start)
                wanted_flat[: starts[-1] - 1] = one.tokens[row, 1 : starts[-1]]
                assert len(uids) == len(starts) - 1
                assert (one.targets[row] == wanted).all()
                assert (flat.targets[row] == wanted_flat).all()
                assert (one.documents[row] == documents).all()
                assert (one.positions[row] == positions).all()
                assert ((one.buckets[row] == -1) == (documents == -1)).all()
                pieces += len(uids)
    assert pieces > 24, "documents were cut, and each piece is one of its own"


def test_each_token_has_the_bucket_and_the_uid_of_its_document(river, loaders) -> None:
    river.add(made(0, 12, length=100), made(12, 8, length=100))
    rows = {row.record.uid: row.record.bucket for row in documents(0, 20)}
    loader = loaders(config(river, batch_size=1))
    seen = set()
    for step in loader:
        [batch] = step.batches
        [(uids, starts)] = batch.uids
        for uid, start in zip(uids.tolist(), starts[:-1], strict=True):
            assert loader.buckets[batch.buckets[0, start]] == rows[uid]
            seen.add(uid)
    assert seen == set(rows)


def test_a_batch_that_cannot_be_shared_out_is_refused(river, loaders) -> None:
    with pytest.raises(ConfigError, match="batch_size 4 is no multiple of 3 ranks"):
        loaders(config(river), world_size=3)


def test_another_vocabulary_is_refused(river, loaders) -> None:
    other = VocabularyCard("cd34", 300, 256, "<end>")
    river.fill(["stable"])
    river.add(made(4, 4, limit=100, vocabulary=other))
    loader = loaders(config(river))
    with pytest.raises(DataError, match=r"is of the vocabulary cd34, and this run is of ab12"):
        list(loader)
    assert loader.state.vocabulary == VOCABULARY.digest, "that of the first part"
    with pytest.raises(DataError, match="cd34"):
        next(loader)
    with pytest.raises(DataError, match="this run is of cd34"):
        next(loaders(config(river, vocabulary="cd34")))
    with pytest.raises(DataError, match="this run is of ef56"):
        next(loaders(config(river), DataState(vocabulary="ef56")))


def test_a_token_that_the_model_has_no_row_for_is_refused(river, loaders) -> None:
    river.fill(["stable"])
    with pytest.raises(DataError, match=r"has the token 256, and data.vocabulary_size is 256"):
        list(loaders(config(river, vocabulary_size=256)))


def test_parts_of_two_lengths_do_not_make_a_batch(river, loaders) -> None:
    river.add(made(0, 2, length=64, limit=40), made(2, 2, length=32, limit=40))
    with pytest.raises(DataError, match="not of 64 tokens"):
        list(loaders(config(river, batch_size=4, micro_batch_size=4)))


def test_another_rivers_catalog_is_refused(river, loaders, tmp_path) -> None:
    """Prevents a run that goes on with other data under the same numbers."""
    state = next(loaders(config(river.fill(PHASES)))).state
    other = River((tmp_path / "other").as_uri())
    other.add(made(100, 5), made(105, 5))
    with pytest.raises(DataError, match="another river's catalog"):
        next(loaders(config(other), state))
    empty = River((tmp_path / "empty").as_uri())
    with pytest.raises(DataError, match="no part under the number 0"):
        next(loaders(config(empty, wait_s=math.inf), state))


def test_a_store_that_is_away_is_waited_for(river, opened) -> None:
    river.fill(PHASES)
    settings = config(river, wait_s=DEADLINE_S)
    store = opened(settings.store)
    get, failures = store.get, [StoreDown("away")] * 3

    def flaky(key: str) -> bytes:
        if failures:
            raise failures.pop()
        return get(key)

    store.get = flaky  # type: ignore[method-assign]
    loader = Loader(store, settings)
    assert next(loader).number == 1
    loader.close()
    failures += [StoreDown("away")] * 1000
    with pytest.raises(StoreDown, match="away"):
        next(Loader(store, config(river, wait_s=0.1)))


def test_it_closes_at_once_while_it_waits_or_is_ahead(river, loaders) -> None:
    waiting = loaders(config(river, wait_s=math.inf))
    thread = threading.Thread(target=lambda: next(waiting, None))
    thread.start()
    deadline = time.monotonic() + DEADLINE_S
    while waiting._ahead is None and time.monotonic() < deadline:
        thread.join(0.01)
    begun = time.monotonic()
    waiting.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "who waits is told too"
    signal = threading.Event()
    waiting = loaders(config(river, wait_s=math.inf), interrupted=signal.is_set)
    signal.set()
    assert next(waiting, None) is None
    ahead = loaders(config(river.fill(PHASES), batch_size=1, prefetch=1))
    next(ahead)
    ahead.close()
    assert time.monotonic() - begun < 10
    assert next(ahead).number == 2, "and can go on"


def test_few_parts_are_open_at_once(river, loaders) -> None:
    river.fill(["stable"] * 30, number=1)
    loader = loaders(config(river, batch_size=1))
    for _ in loader:
        assert len(loader._samples._parts) <= 5


def test_the_next_parts_are_fetched_while_a_batch_is_in_use(s3, tmp_path, monkeypatch) -> None:
    """Prevents a GPU that stands still for the time of a download at the edge of each part."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    river = River(f"{s3.bucket('trainer')}/{tmp_path.name}").fill(["stable"] * 3)
    settings = config(river, batch_size=1, prefetch=1, cache=str(tmp_path / "cache"))
    with closing(Loader(Store.of(settings), settings)) as loader:
        assert next(loader).places[0][0] == river.parts[0].announcement.name
        wanted = set(river.parts[1].announcement.sha256.values())
        deadline = time.monotonic() + DEADLINE_S
        while not wanted <= {path.name for path in (tmp_path / "cache").iterdir()}:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_parts_that_come_put_the_end_off(river, loaders) -> None:
    """`wait_s` is since the last part, not since the last batch."""
    size = made(0, 3).announcement.num_sequences
    loader = loaders(config(river, batch_size=3 * size, wait_s=3.0))
    river.fill(["stable"], number=3, limit=0)
    feeder = threading.Thread(target=lambda: feed(river, 1.5))
    feeder.start()
    assert len(next(loader).indices) == 3 * size
    feeder.join()


def feed(river: River, pause_s: float) -> None:
    for number in (3, 6, 9):
        threading.Event().wait(pause_s)
        river.add(made(number, 3))
