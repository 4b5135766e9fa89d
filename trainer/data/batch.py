"""Collation: sequences of parts to the tensors of a micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.data.part import Part, fault

IGNORED = -100  # a target that counts for nothing


class Batch(NamedTuple):
    """A micro-batch: B sequences of L tokens.

    indices: of the samples. places: part and sequence of each. tokens: (B, L) int64. targets: (B, L) int64,
    the next token, and IGNORED at padding, at a sequence's last token and, with the mask, at the last token
    of each document. documents: (B, L) int32, numbered from 0 in each sequence, -1 at padding. positions:
    (B, L) int64, from 0 in each document, or in the sequence without the mask. buckets: (B, L) int16, index
    into Loader.buckets, -1 at padding. uids: for each sequence the uids of its D documents (D,) uint64, and
    where they begin (D + 1,) int32, the last being the end of the last.
    """

    indices: list[int]
    places: list[tuple[str, int]]
    tokens: torch.Tensor
    targets: torch.Tensor
    documents: torch.Tensor
    positions: torch.Tensor
    buckets: torch.Tensor
    uids: list[tuple[NDArray[np.uint64], NDArray[np.int32]]]

    def to(self, device: torch.device | str) -> Batch:
        """The same with its tensors on a device; asynchronous from pinned memory."""
        names = ("tokens", "targets", "documents", "positions", "buckets")
        return self._replace(**{name: getattr(self, name).to(device, non_blocking=True) for name in names})

    def pinned(self) -> Batch:
        """The same with its tensors in pinned memory, from which copies to a GPU are asynchronous."""
        names = ("tokens", "targets", "documents", "positions", "buckets")
        return self._replace(**{name: getattr(self, name).pin_memory() for name in names})


def collate(
    indices: Sequence[int],
    rows: Sequence[tuple[Part, int]],
    bucket_numbers: Callable[[Part], NDArray[np.int16]],
    *,
    vocabulary_size: int,
    by_document: bool,
) -> Batch:
    """Sequences, each as its part and its number in it, as a batch.

    bucket_numbers: the loader's number for each bucket of a part. vocabulary_size: 0 lets every token pass.
    Raises DataError for a token that is not in the vocabulary, and for parts of two sequence lengths.
    """
    length = rows[0][0].shape.sequence_length
    tokens = np.empty((len(rows), length), np.int64)
    starts, sizes, numbers, buckets, uids = [], [], [], [], []
    for row, (part, sequence) in enumerate(rows):
        if part.shape.sequence_length != length:
            raise fault(part.entry, "idx", f"its sequences are not of {length} tokens, as those before are")
        tokens[row] = part.tokens[sequence]
        here = part.spans(sequence)
        documents = part.documents
        start = documents.start[here] - sequence * length
        size = documents.end[here] - documents.start[here]
        starts.append(start + row * length)
        sizes.append(size)
        numbers.append(np.arange(len(size)))
        buckets.append(bucket_numbers(part)[documents.bucket[here]])
        uids.append((documents.uid[here], np.append(start, size.sum()).astype(np.int32)))
    _check(tokens, rows, vocabulary_size)
    start, size = np.concatenate(starts), np.concatenate(sizes)
    place, within = _places(start, size)
    document = _spread(place, np.repeat(np.concatenate(numbers), size), tokens.shape, np.int32)
    if by_document:
        positions = _spread(place, within, tokens.shape, np.int64, elsewhere=0)
    else:
        positions = np.broadcast_to(np.arange(length), tokens.shape).copy()
    return Batch(
        list(indices),
        [(part.entry.name, sequence) for part, sequence in rows],
        torch.from_numpy(tokens),
        torch.from_numpy(_targets(tokens, document, by_document)),
        torch.from_numpy(document),
        torch.from_numpy(positions),
        torch.from_numpy(_spread(place, np.repeat(np.concatenate(buckets), size), tokens.shape, np.int16)),
        uids,
    )


def _places(start: NDArray[Any], size: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each token that is no padding: its place in the flat batch, and its position in its document."""
    before = np.cumsum(size) - size
    every = np.arange(int(size.sum()))
    return every + np.repeat(start - before, size), every - np.repeat(before, size)


def _spread(
    place: NDArray[Any], values: NDArray[Any], shape: tuple[int, ...], dtype: Any, elsewhere: int = -1
) -> NDArray[Any]:
    out = np.full(shape, elsewhere, dtype)
    out.reshape(-1)[place] = values
    return out


def _targets(tokens: NDArray[Any], document: NDArray[Any], by_document: bool) -> NDArray[np.int64]:
    targets = np.full(tokens.shape, IGNORED, np.int64)
    here, after = document[:, :-1], document[:, 1:]
    counts = (here == after) & (here >= 0) if by_document else after >= 0
    np.copyto(targets[:, :-1], tokens[:, 1:], where=counts)
    return targets


def _check(tokens: NDArray[Any], rows: Sequence[tuple[Part, int]], vocabulary_size: int) -> None:
    if not vocabulary_size or (tokens.max() < vocabulary_size and tokens.min() >= 0):
        return
    wrong = np.flatnonzero(((tokens >= vocabulary_size) | (tokens < 0)).any(axis=1))[0]
    part, sequence = rows[wrong]
    raise fault(
        part.entry,
        "bin",
        f"sequence {sequence} has the token {tokens[wrong].max()}, and data.vocabulary_size is "
        f"{vocabulary_size}",
    )
