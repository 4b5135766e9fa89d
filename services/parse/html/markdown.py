"""Blocks to Markdown: headings, lists, tables, quotes and fenced code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from services.parse.html.blocks import Block, Outline

_MAX_BLOCKS_OF_ITEM = 2  # a list item of more blocks is a post or a card, and gets no bullet


def render(page: Outline, kept: Sequence[Block]) -> str:
    """Markdown of the kept blocks, in their order."""
    in_item = Counter(block.item for block in kept if block.item >= 0)
    parts: list[str] = []
    last: Block | None = None
    headed: set[int] = set()
    begun: set[int] = set()
    for block in kept:
        is_item = (
            block.item >= 0
            and block.kind not in ("h", "code", "pre", "row")
            and in_item[block.item] <= _MAX_BLOCKS_OF_ITEM
        )
        text = _text(page, block, is_item=is_item and block.item not in begun)
        if is_item:
            begun.add(block.item)
        if last is not None:
            parts.append("\n" if _is_next_line(last, block, is_item=is_item, in_item=in_item) else "\n\n")
        parts.append(text)
        if block.kind == "row" and block.table not in headed:
            headed.add(block.table)
            parts.append("\n|" + " --- |" * block.level)
        last = block
    return "".join(parts)


def _is_next_line(last: Block, block: Block, *, is_item: bool, in_item: Counter[int]) -> bool:
    if block.kind == "row":
        return last.kind == "row" and last.table == block.table
    return (
        is_item
        and last.item >= 0
        and last.kind not in ("h", "code", "row")
        and in_item[last.item] <= _MAX_BLOCKS_OF_ITEM
    )


def _text(page: Outline, block: Block, *, is_item: bool) -> str:
    text = block.text
    if block.kind == "h":
        return f"{'#' * block.level} {text}"
    if block.kind == "code":
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"^`+", text, re.MULTILINE)), default=0))
        text = f"{fence}\n{text}\n{fence}"
    elif is_item:
        item = page.frames[block.item]
        ordered = item.parent >= 0 and page.frames[item.parent].tag == "ol"
        indent = "  " * (block.level - 1)
        text = indent + (f"{item.item}. " if ordered else "- ") + text.replace("\n", f"\n{indent}  ")
    if block.quoted and block.kind != "code":  # which old pages indent so, and which would not run
        text = "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))
    return text
