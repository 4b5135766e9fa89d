"""A token sees its own document and nothing else, in every kernel."""

from __future__ import annotations

import pytest
import torch
from tests.unit.trainer import tiny
from torch.nn.functional import scaled_dot_product_attention

from trainer import attention

LENGTHS = [[5, 1, 9, 7], [16, 4], [24]]  # the first two end in padding
WIDTH = 24


def heads(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def block_mask(documents: torch.Tensor) -> torch.Tensor:
    """What must be seen, written down the plain way: (B, 1, L, L)."""
    same = documents[:, :, None] == documents[:, None, :]
    return (same & torch.ones(same.shape[1:], dtype=torch.bool).tril())[:, None]


def test_bounds_begin_at_every_change_of_document_and_at_every_sequence() -> None:
    documents = torch.tensor([[0, 0, 1, -1], [0, 0, 0, 0], [0, 1, 2, 2]], dtype=torch.int32)
    cuts = attention.bounds(documents)
    assert cuts.tolist() == [0, 2, 3, 4, 8, 9, 10, 12]
    assert cuts.dtype == torch.int32


def test_attention_by_document_is_that_under_a_block_mask() -> None:
    _, _, documents = tiny.packed(LENGTHS, WIDTH)
    query, key, value = heads(1, 3, WIDTH, 4, 8), heads(2, 3, WIDTH, 2, 8), heads(3, 3, WIDTH, 2, 8)
    seen = attention.attend(query, key, value, attention.bounds(documents))
    by_head = (one.transpose(1, 2) for one in (query, key, value))
    wanted = scaled_dot_product_attention(*by_head, attn_mask=block_mask(documents), enable_gqa=True)
    assert torch.allclose(seen, wanted.transpose(1, 2), atol=1e-6)
    assert not torch.allclose(seen, attention.attend(query, key, value, None), atol=1e-2)


def test_another_first_document_leaves_the_logits_of_the_second_unmoved() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[10, 14]], WIDTH)
    other = tokens.clone()
    other[:, :10] = (tokens[:, :10] + 13) % tiny.CONFIG.vocab_size
    with torch.no_grad():
        before, after = (model(one, positions, documents) for one in (tokens, other))
        leaking = [model(one, positions) for one in (tokens, other)]
    assert (before - after)[:, 10:].abs().max() < 1e-5
    assert (before - after)[:, :10].abs().max() > 1e-2
    # Positions that begin anew do not keep documents apart: without the mask the second one moves.
    assert (leaking[0] - leaking[1])[:, 10:].abs().max() > 1e-2


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_logits_of_a_packed_document_are_those_of_the_document_alone(num_kv_heads: int) -> None:
    model = tiny.model(num_kv_heads=num_kv_heads)
    tokens, positions, documents = tiny.packed(LENGTHS, WIDTH)
    with torch.no_grad():
        logits = model(tokens, positions, documents)
        for row, lengths in enumerate(LENGTHS):
            start = 0
            for size in lengths:
                part = slice(start, start + size)
                alone = model(tokens[row : row + 1, part], torch.arange(size)[None])
                assert (logits[row, part] - alone[0]).abs().max() < 1e-5
                start += size


def test_padding_is_never_no_number_neither_forward_nor_backward() -> None:
    model = tiny.model()
    tokens, positions, documents = tiny.packed([[1], []], WIDTH)
    assert torch.isfinite(model(tokens, positions, documents)).all()
    targets = tokens.where(documents >= 0, -100)
    loss, losses = model(tokens, positions, documents, targets, 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert losses[1].count_nonzero() == 0
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="varlen attention needs a CUDA device")
@pytest.mark.parametrize("num_kv_heads", [1, 4])
def test_varlen_attention_sees_what_a_block_mask_shows(num_kv_heads: int) -> None:
    lengths, width = [[100, 1, 400, 11], [512]], 512
    _, _, documents = tiny.packed(lengths, width)
    shapes = ((4, 64), (num_kv_heads, 64), (num_kv_heads, 64))
    made = [heads(seed, 2, width, *shape).cuda().bfloat16() for seed, shape in enumerate(shapes)]
    cuts = attention.bounds(documents.cuda())
    seen = attention.attend(*made, cuts)
    by_head = (one.transpose(1, 2).float() for one in made)
    wanted = scaled_dot_product_attention(*by_head, attn_mask=block_mask(documents).cuda(), enable_gqa=True)
    assert (seen - wanted.transpose(1, 2)).abs().max() < 2e-2
    moved = [one.clone() for one in made]
    for one in moved:
        one[0, :100] += 1
    assert torch.equal(attention.attend(*moved, cuts)[0, 100:], seen[0, 100:])
