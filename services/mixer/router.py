"""The router: puts each document into the first bucket whose test holds.

Behind it comes dedup, and who passes dedup stands for all its near-duplicates. So what no pool or part
could take is refused here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from contracts import Document
from services.mixer.condition import Condition
from services.mixer.recipe import Recipe, agrees
from services.runtime import Drop, Emit, Judge, Reject, Resources, Unit, Verdict, Vocabularies


@dataclass(frozen=True)
class RouterConfig:
    """The buckets come from the recipe in the settings.

    tokens: refuse a document whose tokens no part could hold.
    """

    tokens: bool = True


class Test(NamedTuple):
    """A bucket's. routing: see Recipe.routing."""

    bucket: str
    condition: Condition
    routing: str


def tests(recipe: Recipe) -> list[Test]:
    """In the order in which they are tried."""
    return [Test(name, Condition(when), recipe.routing(name)) for name, when in recipe.buckets.items()]


def route(
    documents: Sequence[Document], *, buckets: Sequence[Test], vocabularies: Vocabularies | None
) -> list[Verdict]:
    """Emit with `bucket` and `recipe` set, Drop("no_bucket"), or a Reject for tokens that are none."""
    return [_refused(document, vocabularies) or _route(document, buckets) for document in documents]


def _refused(document: Document, vocabularies: Vocabularies | None) -> Reject | None:
    fault = vocabularies.fault(document) if vocabularies else None
    return Reject(f"no part can hold it ({fault.reason}): {fault.detail}") if fault else None


def _route(document: Document, buckets: Sequence[Test]) -> Verdict:
    unanswered = choose(document, buckets)
    if document.bucket:
        return Emit(document)
    found = f"language {document.language or 'not set'}, format {document.format or 'not set'}"
    return Drop("no_bucket", detail="; ".join([found, *unanswered]))


def choose(document: Document, buckets: Sequence[Test]) -> list[str]:
    """Set `bucket`, and `recipe` to its routing; or clear both. Tests that could not be answered, and why."""
    unanswered: list[str] = []
    for name, condition, routing in buckets:
        try:
            if condition.holds(document):
                document.bucket, document.recipe = name, routing
                return unanswered
        except LookupError as error:
            unanswered.append(f"{name}: {error}")
    document.bucket = document.recipe = ""
    return unanswered


def _build(config: RouterConfig, resources: Resources) -> Judge:
    recipe = Recipe.load(resources.settings.recipe)
    return partial(
        route,
        buckets=tests(recipe),
        vocabularies=Vocabularies(resources.store) if config.tokens else None,
    )


ROUTER = Unit(
    name="router",
    config=RouterConfig,
    build=_build,
    drop_reasons=frozenset({"no_bucket"}),
    offline={"tokens": False},
    agrees=agrees,
)
