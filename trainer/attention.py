"""Attention within documents: what tokens may see, and the kernel that is right for the device.

Sequences are packed from documents, and a token sees those before it in its own document alone; positions
that begin anew in each are not enough (huggingface/nanoVLM#204: only the mask removes the leak).

The batch is one row of B*L tokens that `bounds` cuts into documents, made once a batch and shared by all
layers. No (L, L) mask is ever built:

    CPU             scaled_dot_product_attention of each document by itself. Costs the sum of the squares of
                    their lengths; a block mask costs L² for each sequence, whatever stands in it: 444 ms
                    against 133 ms for 2 sequences of 2048 tokens in 5 documents, 4 heads of 64, forward and
                    backward on one core.
    CUDA, 16 bit    varlen_attn, which does the same in one kernel (as Megatron-LM#5298).
    CUDA, else      as on the CPU.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # PyTorch before 2.10
    varlen_attn = None  # type: ignore[assignment]


def bounds(documents: Tensor) -> Tensor:
    """Where documents begin in the batch as one row, and its length at the end: (N + 1,) int32.

    documents: (B, L), the number of each token's document within its sequence; equal neighbours are one.
    Padding, -1, is a document of its own: it sees itself, so nothing divides by zero.
    """
    edge = torch.ones_like(documents, dtype=torch.bool)  # a sequence begins with a document
    edge[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = edge.flatten().nonzero().flatten()
    return functional.pad(starts, (0, 1), value=documents.numel()).to(torch.int32)


def attend(query: Tensor, key: Tensor, value: Tensor, cuts: Tensor | None) -> Tensor:
    """Causal attention, within the documents that the bounds cut, or within whole sequences without them.

    query: (B, L, H, D); key, value: (B, L, H_kv, D), a head of theirs for H / H_kv heads of the query.
    Returns (B, L, H, D).
    """
    if cuts is None:
        return _causal(query, key, value)
    if varlen_attn is not None and query.is_cuda and query.dtype in (torch.float16, torch.bfloat16):
        return _varlen(query, key, value, cuts)
    seen: Tensor = _one_by_one(query, key, value, cuts)
    return seen


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    grouped = query.shape[1] != key.shape[1]
    seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=grouped)
    return seen.transpose(1, 2)


def _varlen(query: Tensor, key: Tensor, value: Tensor, cuts: Tensor) -> Tensor:
    longest = query.shape[1]  # an upper bound; the true one would have to be fetched from the device
    grouped = query.shape[2] != key.shape[2]
    rows = query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
    seen = varlen_attn(
        *rows, cuts, cuts, longest, longest, return_aux=None, window_size=(-1, 0), enable_gqa=grouped
    )
    return cast("Tensor", seen).view_as(query)


@torch.compiler.disable  # type: ignore[untyped-decorator] # other lengths in each batch: it would never end
def _one_by_one(query: Tensor, key: Tensor, value: Tensor, cuts: Tensor) -> Tensor:
    sizes = [end - start for start, end in pairwise(cuts.tolist())]
    rows = (torch.split(one.flatten(0, 1), sizes) for one in (query, key, value))
    seen = [_causal(q[None], k[None], v[None])[0] for q, k, v in zip(*rows, strict=True)]
    return torch.cat(seen).view_as(query)
