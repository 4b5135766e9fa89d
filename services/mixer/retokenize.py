"""Gives what waits in the pools of a lane, and what may be used again, the token ids of another vocabulary.

It is a sorting (services/mixer/sorting.py) in which every document stays in its bucket: it goes to the end of
its pool with the number of its uses and its new ids, and where it lay before is dead. Each transaction
appends some documents and moves the lane's state on past them: a kill at any moment costs the step under way
alone, and who comes next goes on there. Who does it is a member of the mixer's group and holds its lanes, so
that of two at once one is refused.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from contracts import Document, MixerState
from services.mixer.choice import has_room
from services.mixer.config import MixerConfig
from services.mixer.draft import Draft, key
from services.mixer.gone import Gone, shown
from services.mixer.pool import READ, Pool, Waiting
from services.mixer.readings import uses
from services.mixer.recipe import Recipe
from services.mixer.sorting import Sorter
from services.mixer.task import MIXER, Mixer, lane_of
from services.runtime import LaneService, Output, Step, topics

# Puts the new ids into a document; False where its text has none by the new vocabulary.
Encode = Callable[[Document], bool]
# By lane, the buckets whose pools are not done yet.
Todo = MutableMapping[int, set[str]]


@dataclass(frozen=True)
class Target:
    """digest: of the new vocabulary."""

    digest: str
    encode: Encode
    todo: Todo


@dataclass
class Survey:
    """What of a lane is to be done, told by all that its pools hold from where they begin.

    todo: buckets. wanted: uids of the documents whose text is needed; tokens: theirs as they are now.
    """

    digest: str
    recipe: Recipe
    state: MixerState
    gone: Gone
    todo: set[str] = field(default_factory=set)
    wanted: array[int] = field(default_factory=lambda: array("Q"))
    tokens: int = 0

    def __post_init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._recipes = (self.recipe, *([Recipe.load(self.state.text)] if self.state.text else []))
        for bucket in self.state.pools:
            if self.pool(bucket).sorting:
                self.todo.add(bucket)

    def pool(self, bucket: str) -> Pool:
        """Where the lane stands in it."""
        if bucket not in self._pools:
            self._pools[bucket] = Pool(bucket)
            if bucket in self.state.pools:
                self._pools[bucket].restore(self.state.pools[bucket])
        return self._pools[bucket]

    def look(self, bucket: str, offset: int, document: Document) -> None:
        """At each document of a pool."""
        pool = self.pool(bucket)
        if document.tokenizer == self.digest or not is_alive(pool, offset):
            return
        self.todo.add(bucket)
        readings = pool.readings[:-1] if pool.sorting == READ else pool.readings
        if pool.readings[0].is_ahead(offset):
            readings = []
        used = uses(readings, offset, document)
        if used < most_uses(bucket, *self._recipes) and self.gone.find(document.uid) is None:
            self.wanted.append(document.uid)
            self.tokens += document.num_tokens


def is_alive(pool: Pool, offset: int) -> bool:
    """Whether a pool that is perhaps being sorted still has what lies there."""
    if offset < pool.begin:
        return False
    if pool.readings[0].is_ahead(offset) or not pool.sorting:
        return True
    return pool.sorting == READ and pool.readings[-1].is_ahead(offset)


def most_uses(bucket: str, *recipes: Recipe) -> int:
    """How often a document of a bucket may be used by any of their phases; once where none names it."""
    found = (
        recipe.terms(phase, bucket).max_uses
        for recipe in recipes
        for phase in recipe.phases
        if bucket in phase.shares
    )
    return max(found, default=1)


class Mover(Sorter):
    """A sorter that changes a document's ids and not its bucket."""

    def __init__(self, recipes: Collection[Recipe], recipe: Recipe, gone: Gone, target: Target) -> None:
        """recipes: by which documents may be used again."""
        super().__init__(recipe, gone)
        self._recipes = recipes
        self._target = target

    def _is_sorted(self, pool: Pool) -> bool:
        # What lies behind the first of them are those that were appended: no router runs.
        return pool.new[0].document.tokenizer == self._target.digest

    def move(self, pool: Pool, number: int, one: Waiting, draft: Draft) -> None:
        """Put it at the end, if it can still be used."""
        document, used = one.document, pool.uses(number, one)
        draft.moved(pool, one)
        if number and not used:
            draft.resumed.append(document.uid)
        why = self._gone.find(document.uid)
        if why is not None:
            if not used:
                draft.dropped.append((shown(document, why), *why))
        elif used < most_uses(pool.bucket, *self._recipes):
            if document.tokenizer == self._target.digest or self._target.encode(document):
                document.use, draft.refills = used, True
                draft.outputs.append(Output(pool.topic, document, key=key(document.uid)))
                return
            if not used:
                draft.dropped.append((document, "empty", "no token of its text by the new vocabulary"))
        draft.erase(pool, document.uid)


class Retokenizer(Mixer):
    """The fold of one lane; it mixes nothing, and what the lane is told waits, but for who is gone."""

    def __init__(self, target: Target, config: MixerConfig, recipe: Recipe, *lane: int, **more: Any) -> None:
        """Behind its target as Mixer."""
        self._agreed = recipe
        self._target = target
        super().__init__(config, recipe, *lane, **more)

    def _use(self, recipe: Recipe) -> None:
        super()._use(recipe)
        self._sorter = Mover({self._agreed.digest: self._agreed, recipe.digest: recipe}.values(),
                             recipe, self._gone, self._target)  # fmt: skip

    def wants(self) -> Collection[str]:
        """What it is told, and the pools that are being done and have room."""
        pools = (pool for pool in self._pools.values() if pool.sorting and has_room(pool, self._config))
        return {topics.CONTROL, *(pool.topic for pool in pools)}

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Do as much as a transaction holds. now: of no account."""
        draft = Draft(self._config.step_documents, self._config.step_bytes)
        self._caught_up = self._caught_up or topics.CONTROL in drained
        done = [pool.bucket for pool in self._due(draft) if self._sorter.sort(pool, drained, draft)]
        step = self._ended(draft)
        if step is None:
            return None
        also = step.committed

        def committed() -> None:
            if also is not None:
                also()
            self._target.todo[self._lane].difference_update(done)

        return replace(step, committed=committed)

    def _due(self, draft: Draft) -> list[Pool]:
        if not self._caught_up:
            return []
        todo = self._target.todo[self._lane]
        for pool in self._pools.values():
            if pool.bucket in todo and not pool.sorting:
                pool.sort(read=True)
                draft.touched[pool.topic] = pool
        return [pool for pool in self._pools.values() if pool.sorting]


def service(target: Target) -> LaneService:
    """In the mixer's stead."""
    build = partial(lane_of, partial(Retokenizer, target))
    return replace(MIXER, build=build, drop_reasons=MIXER.drop_reasons | {"empty"})
