"""Who passes dedup stands for its near-duplicates: what nobody could take must not come as far as there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import Control, Document, Rejection
from services.local.stack import Stack
from services.runtime.topology import DEFAULT
from tests.integration.rig import Rig, rig, said
from tests.near_duplicates import prose

TABLE = yaml.safe_load(DEFAULT.read_text())
SHIPPED = next(group for group in TABLE["processes"] if "dedup" in group)
LIMIT = 20_000  # bytes of a message
# What becomes of a document that is better than its near-duplicate, and that nobody could take.
ODD: dict[str, dict[str, Any]] = {
    "no_bucket": {"language": "fr"},
    "too large": {"language": "en", "metadata": {"title": "x" * LIMIT}},
    "empty": {"language": "en", "text": ""},
}


@contextmanager
def river(stack: Stack, folder: Path, name: str, order: Sequence[str]) -> Iterator[Rig]:
    """These units of the shipped table in a row, between `<name>.in` and pools of its own."""
    topics = [f"{name}.in", *(f"{name}.{n}" for n in range(1, len(order))), f"{name}.pool.{{bucket}}"]
    services = {
        f"{name}-{unit}": {"run": TABLE["services"][unit]["run"], "input": topics[n], "output": topics[n + 1]}
        for n, unit in enumerate(order)
    }
    held: dict[str, Any] = {topic: {"holds": "Document", "by": "partitions"} for topic in topics[1:]}
    held["pool.control"] = {"holds": "Control", "by": "lanes"}
    held |= {
        log: TABLE["topics"][log] for log in ("dedup.log", "docs.unique", "river.agreed", "river.starts")
    }
    settings = {
        "CORPUSWORKS_PARTITIONS": "1",
        "CORPUSWORKS_MAX_MESSAGE_BYTES": str(LIMIT),
        "CORPUSWORKS_UNITS__DEDUP__PREFIX": name,
    }
    with rig(stack, folder, name, services, held, **settings) as made:
        made.serve(*services)
        yield made


def pair(uid: int, odd: dict[str, Any]) -> tuple[Document, Document]:
    """A document, and a better one that differs in a word of it."""
    words = prose(uid, 150)
    good = Document(uid=uid, id=f"good {uid}", text=" ".join(words), language="en", score=0.4, rank=0.4)
    fields = {"text": " ".join([*words[:-1], "otherwise"]), **odd}
    return good, Document(uid=uid + 1, id=f"odd {uid}", score=0.9, rank=0.9, **fields)


def retracted(made: Rig) -> set[int]:
    """Who was retracted, of all that ever was on this broker."""
    return {Control.FromString(r.value).retraction.uid for r in made.records("pool.control")}


def test_what_nobody_can_take_does_not_cost_its_predecessor_its_place(
    shared_stack: Stack, tmp_path: Path
) -> None:
    """Prevents a whole cluster from vanishing: the better one dropped, the worse one retracted for it."""
    with river(shared_stack, tmp_path, "last", SHIPPED) as made:
        pairs = [pair(7_100 + 10 * n, odd) for n, odd in enumerate(ODD.values())]
        better = pair(7_200, {"language": "en"})  # and a good one that does win
        made.publish([good for good, _ in [*pairs, better]])
        made.wait_for(len(pairs) + 1, "last.pool.en")
        made.publish([odd for _, odd in [*pairs, better]])
        made.wait_for(len(pairs) + 2, "last.pool.en")
        letters = made.wait_for(1, "last.in.dlq")
        made.wait_for(1, "pool.control")
        assert retracted(made) & set(range(7_100, 7_300)) == {7_200}
        [letter] = [r for r in letters if Document.FromString(r.value).id == "odd 7110"]
        assert "bytes beside body, text and tokens" in said(letter.headers)["exception.message"]
        rejections = [Rejection.FromString(r.value) for r in made.records("docs.rejected")]
        reasons = {r.document.id: r.reason for r in rejections if 7_100 <= r.document.uid < 7_300}
        assert reasons == {"odd 7100": "no_bucket", "odd 7120": "empty"}


@pytest.mark.soak
def test_in_another_order_it_does(shared_stack: Stack, tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    order = ["tokenizer", "dedup", "router"]  # behind dedup there is no text that could be tokenized
    assert sorted(order) == sorted(SHIPPED)
    with river(shared_stack, tmp_path, "first", order) as made:
        good, odd = pair(7_500, ODD["no_bucket"])
        made.publish([good])
        made.wait_for(1, "first.pool.en")
        made.publish([odd])
        made.wait_until(lambda: 7_500 in retracted(made))
