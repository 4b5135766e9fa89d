"""Sorts pools anew after a change of the recipe, when another bucket may hold for their documents.

A document that is sorted goes to the end of the pool of its bucket, with the number of its uses; where it lay
before is dead. First what the lane has read already, where it may be used again, then what it has not; until
that is done nothing is mixed. A router that does not know of the change yet goes on putting documents where
they do not belong: each says by which tests it was routed, and is put right when it is read. The pool of a
bucket that is no more is always read in this way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from contracts import Document
from services.mixer.draft import Draft, key
from services.mixer.gone import Gone, shown
from services.mixer.phase import Terms
from services.mixer.pool import COMING, READ, Pool, Waiting
from services.mixer.recipe import Recipe
from services.mixer.router import choose, tests
from services.runtime import Output, topics

_ALL = Terms("", 1)


class Sorter:
    """Knows the buckets of a recipe."""

    def __init__(self, recipe: Recipe, gone: Gone) -> None:
        self._recipe = recipe
        self._tests = tests(recipe)
        self._gone = gone

    def begin(self, pools: Iterable[Pool], former: Recipe) -> None:
        """Mark the pools whose documents may be another bucket's now."""
        again = any(
            self._recipe.terms(phase, bucket).max_uses > 1
            for phase in self._recipe.phases
            for bucket in phase.shares
        )
        for pool in pools:
            bucket = pool.bucket
            if bucket not in former.buckets:
                pool.sort_out()  # whatever was read of it was sorted
                pool.sort(read=False)
            elif bucket not in self._recipe.buckets or self._recipe.routing(bucket) != former.routing(bucket):
                pool.sort(read=again or any(reading.passes_over for reading in pool.readings))

    def belongs(self, pool: Pool, document: Document) -> bool:
        """Whether it was routed here by the tests that hold; unsaid is taken for yes."""
        if pool.bucket not in self._recipe.buckets:
            return False
        return document.recipe in ("", self._recipe.routing(pool.bucket))

    def sort(self, pool: Pool, drained: Collection[str], draft: Draft) -> bool:
        """Sort as much as there is and as the draft holds; whether all of it is sorted."""
        if pool.sorting == READ and not self._sort_read(pool, draft):
            return False
        self.sort_strays(pool, draft)
        if not pool.new and pool.topic not in drained:
            return False
        if pool.new and not self._is_sorted(pool):
            return False
        pool.sort_out()
        draft.touched[pool.topic] = pool
        return True

    def sort_strays(self, pool: Pool, draft: Draft) -> None:
        """What has come, up to the first document that was routed by the tests that hold."""
        while pool.new and draft.has_room and not self._is_sorted(pool):
            self.move(pool, 0, pool.take_out(0, 0, _ALL), draft)

    def _is_sorted(self, pool: Pool) -> bool:
        document = pool.new[0].document
        return bool(document.recipe) and self.belongs(pool, document)

    def _sort_read(self, pool: Pool, draft: Draft) -> bool:
        while pool.again and draft.has_room:
            self.move(pool, pool.number, pool.take_out(pool.number, 0, _ALL), draft)
        if pool.again or pool.wanted_again(1) is not None:
            return False
        pool.sorting = COMING
        draft.touched[pool.topic] = pool
        return True

    def move(self, pool: Pool, number: int, one: Waiting, draft: Draft) -> None:
        """Put a document that the reading of this number took out into the pool of its bucket, at its end."""
        document, uses = one.document, pool.uses(number, one)
        draft.moved(pool, one)
        if number and not uses:
            draft.resumed.append(document.uid)
        why = self._gone.find(document.uid)
        if why is None:
            unanswered = choose(document, self._tests)
            if document.bucket:
                document.use, draft.refills = uses, True
                draft.outputs.append(Output(topics.POOL + document.bucket, document, key=key(document.uid)))
            elif not uses:
                draft.dropped.append((document, "no_bucket", "; ".join(unanswered)))
        elif not uses:
            draft.dropped.append((shown(document, why), *why))
        if why is not None or document.bucket != pool.bucket:
            draft.erase(pool, document.uid)
