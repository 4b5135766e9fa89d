"""The byte layout of .idx and .bin, as Megatron-LM's indexed dataset reads it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from services.runtime import ObjectStore
from services.sink.megatron import read_index, read_tokens, write_index
from services.sink.parts import documents, list_parts
from tests.unit.sink.packed import pack


def test_the_bytes_are_those_that_megatron_reads():
    """Written out field by field, so that a change of order, width or sign shows."""
    expected = (
        b"MMIDIDX\x00\x00"
        + struct.pack("<Q", 1)
        + bytes([8])  # uint16
        + struct.pack("<QQ", 3, 4)
        + struct.pack("<3i", 16, 16, 16)
        + struct.pack("<3q", 0, 32, 64)
        + struct.pack("<4q", 0, 1, 2, 3)
    )
    assert write_index(np.dtype("<u2"), 3, 16) == expected
    assert write_index(np.dtype("<i4"), 1, 2)[17] == 4


@pytest.mark.parametrize(("token_type", "top"), [("<u2", 65_535), ("<i4", 2**31 - 1)])
def test_what_is_written_is_read_back(token_type, top):
    tokens = np.array([0, 1, top, 5, 6, 7], token_type)
    index = read_index(write_index(tokens.dtype, 2, 3))
    assert index.token_type == tokens.dtype
    assert index.lengths.tolist() == [3, 3]
    assert index.documents.tolist() == [0, 1, 2]
    assert read_tokens(index, tokens.tobytes()).tolist() == tokens.tolist()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda d: d[:20], "at least 34 bytes, this has 20"),
        (lambda d: b"X" + d[1:], "no Megatron index"),
        (lambda d: d[:9] + b"\x02" + d[10:], "version 2"),
        (lambda d: d[:17] + b"\x63" + d[18:], "token type 99"),
        (lambda d: d[:-1], "an index of 2 sequences has 82 bytes, this has 81"),
        (lambda d: d[:18] + b"\xff" * 8 + d[26:], "this has 82"),
    ],
)
def test_a_damaged_index_is_refused(damage, told):
    with pytest.raises(ValueError, match=told):
        read_index(damage(write_index(np.dtype("<u2"), 2, 3)))


def test_tokens_that_do_not_agree_with_the_index_are_refused():
    data = write_index(np.dtype("<u2"), 2, 3)
    with pytest.raises(ValueError, match=r"12 bytes, the \.bin has 10"):
        read_tokens(read_index(data), bytes(10))
    moved = data[:42] + struct.pack("<q", 2) + data[50:]
    with pytest.raises(ValueError, match="pointers"):
        read_tokens(read_index(moved), bytes(12))


@pytest.mark.parametrize("large", [False, True])
def test_megatron_reads_a_part(tmp_path, large):
    """Megatron-Core's own reader on a part as the sink leaves it; every token is where the records say."""
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset", exc_type=ImportError)
    store = ObjectStore(tmp_path.as_uri())
    pack(store, [[5, 20, 7], [40, 3, 9]], vocabulary_size=100_000 if large else 60_000)
    for part in list_parts(store):
        dataset = indexed.IndexedDataset(str(tmp_path / "parts" / part.name))
        assert len(dataset) == part.num_sequences
        assert dataset.sequence_lengths.tolist() == [part.sequence_length] * part.num_sequences
        assert dataset.document_indices.tolist() == list(range(part.num_sequences + 1))
        flat = np.concatenate([dataset[at] for at in range(len(dataset))])
        assert flat.dtype == (np.int32 if large else np.uint16)
        own = [document for document in documents(store) if document.part.name == part.name]
        for document in own:
            places = np.concatenate([np.arange(span.start, span.end) for span in document.record.spans])
            assert flat[places].tolist() == document.tokens.tolist()
        assert sum(len(document.tokens) for document in own) == part.num_tokens > 0
