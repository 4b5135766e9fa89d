"""What is connected by links, as a forest in the index: see clusters.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from services.dedup.index import Index

Link = tuple[int, int]


class Forest:
    """The trees of those that were asked for. linked: former roots, and into which this forest put them."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._parents: dict[int, int] = {}
        self._asked: set[int] = set()
        self.linked: list[Link] = []

    def unite(self, links: Sequence[Link], besides: Collection[int] = ()) -> None:
        """Connect them. besides: others that will be asked for. Raises DependencyDown."""
        ask = {*besides, *(uid for link in links for uid in link)}
        self._asked |= ask
        while ask:
            self._load(ask)
            wanted: dict[int, int] = {}
            for one, other in links:
                roots = sorted((self._root(one, wanted), self._root(other, wanted)))
                if roots[0] != roots[1]:
                    wanted[roots[1]] = roots[0]
            if not wanted:
                return
            ask = set()
            for (root, into), (stands, new) in zip(
                wanted.items(), self._index.join(list(wanted.items())), strict=True
            ):
                self._parents[root] = stands
                if new:
                    self.linked.append((root, into))
                if stands != into:  # another replica was there first
                    ask |= {stands, into}

    def refresh(self) -> None:
        """See what others have linked meanwhile. Raises DependencyDown."""
        self._load(self._asked)

    def root(self, uid: int) -> int:
        """The least of its tree."""
        return self._root(uid, {})

    def path(self, uid: int) -> Iterator[int]:
        """From it to its root, without that."""
        while (parent := self._parents.get(uid)) is not None:
            yield uid
            uid = parent

    def _root(self, uid: int, wanted: dict[int, int]) -> int:
        while (parent := self._parents.get(uid, wanted.get(uid))) is not None:
            uid = parent
        return uid

    def _load(self, uids: Collection[int]) -> None:
        """Their parents, and those of these, up to the roots."""
        ahead = {self.root(uid) for uid in uids}
        while ahead:
            found = self._index.parents(ahead)
            self._parents |= found
            ahead = {self.root(parent) for parent in found.values()}
