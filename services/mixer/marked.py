"""YAML as plain values, with the line of each: for errors that say where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from services.mixer.faults import Fault, Place, dotted

_WORDS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


class Marked:
    """tree: the plain values; None for an empty file and for one that is no YAML."""

    def __init__(self, tree: Any = None, root: yaml.Node | None = None) -> None:
        self.tree = tree
        self._root = root

    def fault(self, place: Place, said: str) -> Fault:
        """A fault of the value at a place."""
        return Fault(self._line(place), dotted(place), said)

    def _line(self, place: Place) -> int:
        """From 1, of a value's key; of what is nearest round it where it is not there."""
        node, line = self._root, self._root.start_mark.line + 1 if self._root else 1
        for part in place:
            below = _below(node, part)
            if below is None:
                break
            key, node = below
            line = key.start_mark.line + 1
        return line


def parse(data: bytes) -> tuple[Marked, list[Fault]]:
    """The file, and what is wrong with it as YAML.

    YAML lets the last of two equal keys win silently, and a bucket would vanish that way; and it reads some
    words as other things than words. Both are faults.
    """
    try:
        loader = yaml.SafeLoader(data.decode("utf-8"))
        root = loader.get_single_node()
        wrong = list(_wrong_keys(root))
        return Marked(None if root is None else loader.construct_document(root), root), wrong
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = ", ".join(part for part in (error.context, error.problem) if part)
        return Marked(), [_unreadable(mark.line + 1 if mark else 1, why)]
    except UnicodeDecodeError as error:
        return Marked(), [_unreadable(1 + data.count(b"\n", 0, error.start), f"no UTF-8 ({error.reason})")]
    except yaml.reader.ReaderError as error:
        line = 1 + data.decode().count("\n", 0, error.position)
        return Marked(), [_unreadable(line, f"character #x{error.character:04x} is not allowed")]
    except RecursionError:
        return Marked(), [_unreadable(1, "nested too deeply")]
    except (ValueError, yaml.YAMLError) as error:  # a date that is none, a number of 5,000 digits
        return Marked(), [_unreadable(1, str(error))]


def _unreadable(line: int, why: str) -> Fault:
    return Fault(line, "", f"cannot be read: {why}")


def _below(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """(node that begins it, its value); of two equal keys the last, which is the one that counts."""
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in reversed(node.value) if k.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _wrong_keys(root: yaml.Node | None) -> Iterator[Fault]:
    """Keys that a mapping has twice, or that are no words. A node that aliases repeat is looked at once."""
    todo: list[tuple[yaml.Node | None, Place]] = [(root, ())]
    known: set[int] = set()
    while todo:
        node, place = todo.pop()
        if id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += [(item, (*place, index)) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                here, line = (*place, key.value), key.start_mark.line + 1
                if key.value in lines:
                    yield Fault(line, dotted(here), f"is there twice, first in line {lines[key.value]}")
                if key.tag not in _WORDS:
                    yield Fault(line, dotted(here), "is no word to YAML, which wants it in quotes")
                lines[key.value] = line
                todo.append((value, here))
