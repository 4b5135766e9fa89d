"""The last layer at every n-th token only: the mean of so many states is that of all, and costs a part.

What a judge says is read off the mean of the last states. Most of a layer's work is done for each token by
itself, after it has looked at the others; so in the last one few tokens do it, and still look at all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear


def thin_states(encoder: Any, input_ids: Tensor, attention_mask: Tensor, every: int) -> Tensor:
    """Last states of the tokens 0, every, 2 * every … of a row, [batch, those, width].

    encoder: of the family of BERT, RoBERTa or ELECTRA, which name their layers alike.
    """
    *before, last = encoder.encoder.layer
    there = attention_mask[:, None, None, :]
    unseen = (1.0 - there.float()) * torch.finfo(torch.float32).min
    hidden = encoder.embeddings(input_ids=input_ids)
    if hasattr(encoder, "embeddings_project"):  # ELECTRA's, from narrow words
        hidden = encoder.embeddings_project(hidden)
    for layer in before:
        hidden = layer(hidden, unseen)
    chosen, attention = hidden[:, ::every], last.attention.self

    def by_head(states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], -1, attention.attention_head_size).transpose(1, 2)

    # A bias of all keys moves no softmax, and what is looked at has a sum of 1: both biases of long rows go.
    keys, values = (by_head(linear(hidden, each.weight)) for each in (attention.key, attention.value))
    found = by_head(attention.query(chosen)) @ keys.transpose(2, 3)
    look = torch.softmax(found * attention.scaling + unseen, -1)
    seen = (attention.dropout(look) @ values).transpose(1, 2).flatten(2) + attention.value.bias
    attended = last.attention.output(seen, chosen)
    states: Tensor = last.output(last.intermediate(attended), attended)
    return states
