"""An API server in memory, as far as the launcher's backends lean on it: applies with owners of fields,
versions, deletion that waits for dependents. tests/contract/test_launcher_backends.py holds it to a real one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import count
from typing import Any

from services.launcher.cluster import MANAGER, Conflict, Held, Kind, Object
from services.runtime import DependencyDown

Path = tuple[str, ...]


class MemoryCluster:
    """A Cluster. down: raised by every call while it is set. events: those that were told."""

    def __init__(self, *kinds: Kind, namespace: str = "default") -> None:
        self.namespace = namespace
        self.down: DependencyDown | None = None
        self.events: list[Object] = []
        self.created: list[str] = []
        self._kinds = kinds
        self._objects: dict[tuple[Kind, str], dict[str, Any]] = {}
        self._owners: dict[tuple[Kind, str], dict[Path, set[str]]] = {}
        self._versions = count(1)

    def serves(self, kind: Kind) -> bool:
        self._answer()
        return kind in self._kinds

    def get(self, kind: Kind, name: str) -> Object | None:
        self._answer()
        return copy.deepcopy(self._objects.get((kind, name)))

    def apply(self, kind: Kind, name: str, fields: Object, manager: str = MANAGER) -> None:
        self._answer()
        place, about = (kind, name), dict(fields.get("metadata", {}))
        found = self._objects.get(place)
        same = {key: about.pop(key) for key in ("uid", "resourceVersion") if key in about}
        if same and (found is None or any(found["metadata"][key] != value for key, value in same.items())):
            raise Conflict("the object has been modified")
        if found is None:
            found = {"metadata": {"name": name, "namespace": self.namespace, "uid": f"uid-{next(self._versions)}"}}
            self._objects[place], self._owners[place] = found, {}
            self.created.append(name)
        given = {"metadata": about, "spec": fields.get("spec", {})}
        leaves = dict(_leaves({name: part for name, part in given.items() if part}))
        owners = self._owners[place]
        for path, value in leaves.items():
            if (others := owners.get(path, set()) - {manager}) and _at(found, path) != value:
                raise Held(f'conflict with "{min(others)}"')
        for path in [path for path, by in owners.items() if manager in by and path not in leaves]:
            owners[path].discard(manager)
            if not owners[path]:
                del owners[path]
                _drop(found, path)
        for path, value in leaves.items():
            owners.setdefault(path, set()).add(manager)
            _put(found, path, value)
        self._changed(found)

    def patch(self, kind: Kind, name: str, fields: Object, manager: str) -> None:
        """As kubectl does: by force, and with the status."""
        found = self._objects[kind, name]
        for path, value in _leaves(fields):
            if path[0] != "status":
                self._owners[kind, name][path] = {manager}
            _put(found, path, value)
        self._changed(found)

    def set_status(self, kind: Kind, name: str, fields: Object) -> None:
        self._answer()
        found = self._objects[kind, name]
        if fields["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        found.setdefault("status", {}).update(copy.deepcopy(fields["status"]))
        self._changed(found)

    def delete(self, kind: Kind, name: str, uid: str) -> None:
        self._answer()
        found = self._objects.get((kind, name))
        if found is not None and found["metadata"]["uid"] == uid:
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    def collect(self, kind: Kind, name: str) -> None:
        """What the garbage collector does when all that belongs to a deleted object is gone."""
        if self._objects[kind, name]["metadata"].get("deletionTimestamp"):
            del self._objects[kind, name]

    def tell(self, event: Object) -> None:
        self._answer()
        self.events.append(event)

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down

    def _changed(self, found: dict[str, Any]) -> None:
        found["metadata"]["resourceVersion"] = str(next(self._versions))


def _leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), copy.deepcopy(value)


def _at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree.get(key, {})
    return tree


def _put(tree: Any, path: Path, value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _drop(tree: Any, path: Path) -> None:
    for key in path[:-1]:
        tree = tree.get(key, {})
    tree.pop(path[-1], None)
