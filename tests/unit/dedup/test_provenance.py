"""Which fields of an input say where a document is from."""

from __future__ import annotations

import random

import pytest

from services.dedup.provenance import provenance


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({}, {}),
        ({"date": "2026-01-01", "author.title": "Dr."}, {}),
        ({"url": "https://a", "date": "2026-01-01"}, {"url": "https://a"}),
        ({"license": "CC0", "title": "Tides"}, {"licence": "CC0", "title": "Tides"}),
        ({"license": "MIT", "licence": "CC0"}, {"licence": "CC0"}),
        ({"licence": "", "license": "MIT"}, {"licence": "MIT"}),
        ({"meta.url": "https://b", "metadata.license": "CC0"}, {"url": "https://b", "licence": "CC0"}),
        ({"meta.url": "https://b", "url": "https://a"}, {"url": "https://a"}),
        ({"meta.url": "https://b", "url": ""}, {"url": "https://b"}),
        ({"URL": "https://c", "Title": "潮"}, {"url": "https://c", "title": "潮"}),
        ({"URL": "https://c", "url": "https://a"}, {"url": "https://a"}),
        ({"customer_id": "17", "conversation_id": "4"}, {"thread": "4"}),
        ({"meta.session": "s", "customer": "17"}, {"thread": "17"}),
        ({"Thread": "t", "conversation": "", "metadata.customer_id": "17"}, {"thread": "t"}),
        ({"conversations": "4", "thread_title": "tides"}, {}),
    ],
)
def test_what_is_kept(metadata: dict[str, str], kept: dict[str, str]) -> None:
    """In any order of the fields: a message does not keep it, and a replay must write the same part."""
    for seed in range(5):
        fields = list(metadata.items())
        random.Random(seed).shuffle(fields)
        assert provenance(dict(fields)) == kept
