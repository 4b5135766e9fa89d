"""Pages whose main text people marked, as what the network of main_text.py is fitted to.

`python -m services.parse.html.gold INDEX OUT.npz`: each line of INDEX (JSON) names a `file` beside it, its
`gold_text` and its `page_type`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.parse.charset import decode
from services.parse.config import ParseConfig
from services.parse.html import second_opinion
from services.parse.html.about import about
from services.parse.html.features import features_of
from services.parse.html.outline import outline
from services.parse.html.tree import read, tidied
from services.parse.html.wording import letters_of

_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_MOST_TOKENS = 50_000


def label(page: str, gold: str) -> dict[str, Any] | None:
    """Features (blocks, features), tokens and matched (blocks): how many tokens a block has, and how many of
    them stand in the gold text in the same order; size: tokens of the gold text. None for a page without
    text.
    """
    page = tidied(page)
    root = read(page)
    config = ParseConfig()
    found = outline(root, config.max_html_depth) if root is not None else None
    if found is None or not found.blocks:
        return None
    tokens = [_TOKEN.findall(block.text.lower()) for block in found.blocks]
    wanted = _TOKEN.findall(gold.lower())[:_MOST_TOKENS]
    common = in_common([token for block in tokens for token in block][:_MOST_TOKENS], wanted)
    ends = np.cumsum(list(map(len, tokens)))
    sums = np.concatenate([[0], np.cumsum(common)])
    upto = np.minimum(ends, len(common))
    return {
        "features": features_of(
            found,
            [letters_of(block.text) for block in found.blocks],
            about(root, found.item_types),
            second_opinion(page, config),
        ),
        "tokens": np.array(list(map(len, tokens)), np.float32),
        "matched": np.diff(sums[upto], prepend=0).astype(np.float32),
        "size": len(wanted),
    }


def in_common(a: Sequence[str], b: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of `a` are in a longest common subsequence with `b`; by bit vectors (Hyyrö 2004), len(b)
    steps.
    """
    places: dict[str, int] = {}
    for i, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << i
    full = (1 << len(a)) - 1
    row = full  # bit i is 0 where the subsequence with a[:i + 1] is longer than with a[:i]
    rows = [row]
    for token in b:
        hit = row & places.get(token, 0)
        row = ((row + hit) | (row - hit)) & full
        rows.append(row)
    found = np.zeros(len(a), bool)
    i, j = len(a) - 1, len(b)
    while i >= 0 and j > 0:
        if rows[j] >> i & 1:
            i -= 1
        elif not rows[j - 1] >> i & 1:
            j -= 1
        else:
            found[i] = True
            i, j = i - 1, j - 1
    return found


def _labelled(index: Path) -> Iterator[dict[str, Any]]:
    for line in index.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.get("gold_text"):
            page = decode((index.parent / record["file"]).read_bytes(), declared=True).text
            if (found := label(page, record["gold_text"])) is not None:
                yield found | {"page": record["file"], "kind": record.get("page_type", "")}


def main(index: str, out: str) -> None:
    """Write what trainer/pages.py reads: the pages' arrays one after another, and how many blocks each
    has.
    """
    pages = list(_labelled(Path(index)))
    arrays = {
        name: np.concatenate([page[name] for page in pages]) for name in ("features", "tokens", "matched")
    }
    arrays |= {name: np.array([page[name] for page in pages]) for name in ("page", "kind", "size")}
    arrays["num_blocks"] = np.array([len(page["tokens"]) for page in pages])
    np.savez_compressed(out, allow_pickle=False, **arrays)
    print(f"{len(pages)} pages")


if __name__ == "__main__":
    main(*sys.argv[1:])
