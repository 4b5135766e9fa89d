"""What a simulation mixes: amounts that the user tells, or the documents that a river has come to."""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import Document, PartRecord
from services.cli.options import topology_of
from services.mixer.faults import meant
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.mixer.supply import Supply

_MOST = float(1 << 62)  # tokens


def told(recipe: Recipe, amounts: str, lengths: str) -> dict[str, Supply]:
    """From `zh=1.2e9,en=3e9` and `800` or `zh=600,en=900` (of the others the default). ConfigurationError."""
    from services.mixer.supply import MEAN_LENGTH, Even

    given = _amounts(recipe, "--supply", amounts)
    weighed = {name for phase in recipe.phases for name in phase.shares}
    if missing := [name for name in recipe.buckets if name in weighed and name not in given]:
        raise ConfigurationError(
            f"--supply says nothing of {', '.join(missing)}; write {missing[0]}=0 if there is nothing of it"
        )
    if "=" in lengths:
        mean = dict.fromkeys(recipe.buckets, MEAN_LENGTH) | _amounts(recipe, "--length", lengths, least=1)
    else:
        mean = dict.fromkeys(recipe.buckets, _number("--length", lengths, least=1))
    return {name: Even(tokens, mean[name]) for name, tokens in given.items()}


def found(recipe: Recipe, place: str) -> dict[str, Supply]:
    """From the folder of a river, or its store. Where it runs its pools are read, else its parts alone.

    What is of no bucket of the recipe, and what waits in the pools of a river that does not run, is left out
    and named on standard error. Raises ConfigurationError, CorpusworksError.
    """
    from services.mixer.readings import meets
    from services.mixer.supply import Listed

    asked = {where for phase in recipe.phases for where in phase.where.values()}
    lengths: dict[str, array[int]] = defaultdict(lambda: array("q"))
    met: dict[str, dict[str, list[bool]]] = defaultdict(lambda: {where: [] for where in asked})
    for document in _documents(place):
        lengths[document.bucket].append(document.num_tokens)
        for where, answers in met[document.bucket].items():
            answers.append(meets(where, document))
    for bucket in sorted(set(lengths) - set(recipe.buckets)):
        _note(
            f"{len(lengths[bucket])} documents of {bucket}, which is no bucket of this recipe, are left out"
        )
    supplies: dict[str, Supply] = {
        name: Listed(lengths[name], met[name]) for name in recipe.buckets if name in lengths
    }
    if not supplies:
        raise ConfigurationError(f"{place} has no document of {', '.join(recipe.buckets)}")
    return supplies


def _documents(place: str) -> Iterator[Document]:
    """Each once, whatever its uses: those that wait, then those in parts.

    Of one in a part no more is known than its record says, and no feature: a `where` that asks for one passes
    it over, and `!has(features.cluster_size) || …` takes it, as the phase that mixed it did.
    """
    from services.local.folder import running
    from services.local.store import STATE, store_in
    from services.sink.parts import list_parts, read_records

    seen: set[int] = set()
    out = Path(place)
    if "://" not in place and running(out / STATE) is not None:
        for document in _waiting(out):
            if document.uid not in seen:
                seen.add(document.uid)
                yield document
    elif "://" not in place:
        _tell_unread(out)
    try:
        store = store_in(place)
    except ConfigurationError:
        if seen:  # a river that has sealed no part yet
            return
        raise
    for part in list_parts(store):
        for record in read_records(store, part):
            if record.use <= 1 and record.uid not in seen:
                yield _told_by(record)


def _told_by(record: PartRecord) -> Document:
    return Document(
        id=record.id,
        uid=record.uid,
        source=record.source,
        bucket=record.bucket,
        category=record.category,
        language=record.language,
        format=record.format,
        rank=record.rank if record.HasField("rank") else None,
        num_tokens=record.num_tokens,
    )


def _waiting(out: Path) -> Iterator[Document]:
    from services.ledger import waiting
    from services.local.run import attached

    with attached(out) as settings:
        yield from waiting(settings, topology_of(settings))


def _tell_unread(out: Path) -> None:
    """What the last run left in the pools: only a server could tell how long it is."""
    try:
        left = json.loads((out / "report.json").read_text())["waiting"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if isinstance(left, Mapping) and left:
        told = ", ".join(f"{number} of {bucket}" for bucket, number in left.items())
        _note(f"left out: documents that wait in the pools ({told}); while `up` runs on {out} they count")


def _amounts(recipe: Recipe, option: str, given: str, least: int = 0) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for item in filter(None, (item.strip() for item in given.split(","))):
        name, equals, number = item.partition("=")
        name = name.strip()
        if not equals:
            raise ConfigurationError(f"{option}: {item!r} is not BUCKET=TOKENS, as in zh=1.2e9")
        if name not in recipe.buckets:
            known = ", ".join(recipe.buckets)
            raise ConfigurationError(
                f"{option}: no bucket {name}{meant(name, recipe.buckets)} (there are: {known})"
            )
        if name in amounts:
            raise ConfigurationError(f"{option}: {name} is there twice")
        amounts[name] = _number(f"{option}: {name}", number, least)
    return amounts


def _number(of: str, given: str, least: int = 0) -> int:
    try:
        number = float(given.replace("_", ""))
    except ValueError:
        number = math.nan
    if not least <= number <= _MOST:
        raise ConfigurationError(f"{of}: {given!r} is no number of tokens of {least} or more")
    return round(number)


def _note(said: str) -> None:
    print(f"corpusworks: {said}", file=sys.stderr)
