"""Stores with parts, made by the sink itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from contracts import Document, Flush
from services.runtime import ObjectStore, VocabularyCard
from services.sink import SERVICE, SinkConfig
from services.sink.task import Sink
from services.tokenizer import Vocabulary
from tests.unit.mixer.lane import Lane

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
END = 7


def pack(
    store: ObjectStore, parts: Sequence[Sequence[int]], *, vocabulary_size: int = 60_000, lane: int = 0
) -> None:
    """A part for each list of numbers of tokens. Documents end with the token 7, which is nowhere else."""
    card = VocabularyCard(f"v{vocabulary_size}", vocabulary_size, END, "<end>")
    card.keep(store, b"")
    uid = lane * 1000
    rows = []
    for sizes in parts:
        for size in sizes:
            uid += 1
            ids = np.arange(uid, uid + size - 1) * 97 % (vocabulary_size - 10) + 10
            rows.append(_document(uid, f"d{uid}", np.append(ids, END), card.digest))
        rows.append(Flush())
    _run(store, rows, lane, sequence_length=16)


def pack_texts(store: ObjectStore, vocabulary: Vocabulary, **config: int | bool) -> dict[str, str]:
    """The project's own sample documents, as the river would have them; their texts by id, in order."""
    vocabulary.card.keep(store, vocabulary.content)
    texts = {}
    for path in sorted(path for path in DOCUMENTS.rglob("*") if path.suffix not in {"", ".html"}):
        texts[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
    rows: list[Document | Flush] = []
    for uid, (name, text) in enumerate(texts.items(), 1):
        ids = np.append(vocabulary.encode_batch([text])[0], vocabulary.end_of_document)
        one = _document(uid, name, ids, vocabulary.digest)
        one.bucket = one.language = name.partition("/")[0]
        one.metadata["title"] = name
        rows.append(one)
    _run(store, [*rows, Flush()], 0, **{"sequence_length": 512, **config})
    return texts


def _document(uid: int, name: str, ids: Iterable[int], digest: str) -> Document:
    tokens = np.array(ids, "<u4")
    return Document(
        uid=uid,
        id=name,
        source=f"file:///{name}#0",
        bucket="zh",
        phase="stable",
        use=1,
        rank=0.5 if uid % 2 else None,
        num_tokens=len(tokens),
        token_ids=tokens.tobytes(),
        tokenizer=digest,
    )


def _run(store: ObjectStore, rows: Sequence[Document | Flush], number: int, **config: int | bool) -> None:
    made = SinkConfig(**config)  # type: ignore[arg-type]
    lane = Lane(lambda: Sink(made, store, number), ["docs.mixed"], SERVICE.logs)
    lane.put("docs.mixed", *rows)
    lane.run()
    assert lane.committed["docs.mixed"] == len(rows)
