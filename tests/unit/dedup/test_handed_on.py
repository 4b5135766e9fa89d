"""What a pool gets of a document, and what the archive gets: together all of it."""

from __future__ import annotations

from contracts import Document
from services.dedup.handed_on import split
from services.runtime import Emit, topics
from tests.near_duplicates import chain, document, memory_judge


def judged() -> Document:
    """As the router sends it."""
    return Document(
        uid=0xA1B2,
        id="潮",
        source="file:///in/a.html",
        media_type="text/html",
        text="第一行。" * 100,
        language="zh",
        format="prose",
        category="news",
        score=-0.5,
        rank=0.25,
        bucket="zh",
        cluster=9,
        tokenizer="a3f5",
        num_tokens=2,
        token_ids=b"\1\0\0\0\2\0\0\0",
        features={"num_words": 100},
        metadata={"license": "CC0", "colour": "red", "meta.url": "https://a"},
    )


def test_a_pool_gets_tokens_and_what_a_record_or_a_recipe_asks_for() -> None:
    """Prevents a pool that holds each text once more, and one that lacks what a bucket is cut by."""
    whole = judged()
    pooled, _ = split(judged())
    assert (pooled.text, pooled.body) == ("", b"")
    assert dict(pooled.metadata) == {"licence": "CC0", "url": "https://a"}
    for name in ("text", "body", "metadata"):
        whole.ClearField(name)
        pooled.ClearField(name)
    assert pooled == whole


def test_the_whole_document_goes_to_the_archive_without_its_tokens() -> None:
    """Prevents a text that nobody has any more, and one that lies under another document's key."""
    whole = judged()
    _, also = split(judged())
    assert (also.topic, also.key, also.spread) == (topics.UNIQUE, (0xA1B2).to_bytes(8, "big"), 0xA1B2)
    whole.ClearField("token_ids")
    assert also.value == whole


def test_who_stays_is_handed_on_both_ways_and_who_drops_is_not() -> None:
    """Prevents a row in the archive for a document that no pool got, or none for one that did."""
    texts = chain(9, 3, 0.06)
    verdicts = memory_judge()([document(1, texts[0], 0.9), document(2, texts[1], 0.5)])
    sent = [[also.key for also in v.also if also.topic == topics.UNIQUE] for v in verdicts]  # type: ignore[union-attr]
    assert sent == [[(1).to_bytes(8, "big")], []]
    assert isinstance(verdicts[0], Emit)
    assert verdicts[0].document.text == ""
