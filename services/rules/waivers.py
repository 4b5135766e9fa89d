"""Waivers: a person has read a drop and lets the text pass. Kept in the store, so that no page can claim one.

    waivers/<digest of the text>.json     {"reasons": ["low_rank", "menu"], "why": "a poem"}

A document that has one says so in its metadata (`waiver`: the digest); it holds for exactly its text, as the
rules leave it, and for the reasons that it names. low_rank is the scorer's, which hears of it by a feature
(contracts/features.py): a text that a person found good is not dropped next by a judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

import xxhash

from contracts import Document
from services.runtime import ObjectStore

NAME = "waiver"  # in a document's metadata
BY_JUDGE = "low_rank"


def grant(store: ObjectStore, text: str, reasons: Collection[str], why: str) -> str:
    """Write a waiver for a cleaned text; its digest. Raises DependencyDown."""
    digest = _digest(text)
    store.put(_key(digest), json.dumps({"reasons": sorted(reasons), "why": why}, ensure_ascii=False).encode())
    return digest


def is_waived(document: Document, reason: str, store: Callable[[], ObjectStore]) -> bool:
    """Whether the document's text, cleaned, may pass a rule. The store is asked only where one is claimed.

    Raises DependencyDown.
    """
    claimed = document.metadata.get(NAME)
    if not claimed or claimed != _digest(document.text):
        return False
    try:
        said = json.loads(store().get(_key(claimed)))
        return reason in said["reasons"]
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return False


def _digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode(errors="surrogatepass"))


def _key(digest: str) -> str:
    return f"waivers/{digest}.json"
