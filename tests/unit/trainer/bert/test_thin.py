from __future__ import annotations

import pytest
import torch

from trainer.bert.errors import JudgeError
from trainer.bert.model import build_encoder, states
from trainer.bert.recipe import EncoderConfig, Recipe
from trainer.bert.thin import thin_states
from trainer.bert.train import _encoder
from trainer.bert.vocabulary import Vocabulary


@pytest.mark.parametrize("embedding", [0, 16], ids=["bert", "electra"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_state_is_what_the_whole_layer_makes_of_its_token(embedding: int, every: int) -> None:
    """Prevents a part of the layer from being left out, and a row's padding from being looked at."""
    torch.manual_seed(1)
    vocabulary = Vocabulary.train(["the gull cries over the harbour"] * 4, 300)
    shape = EncoderConfig(layers=2, width=32, heads=2, inner=64, embedding=embedding)
    encoder = build_encoder(shape, vocabulary, 16).eval()
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # biases, too
    ids = torch.randint(5, vocabulary.size, (2, 10))
    mask = torch.tensor([[1] * 10, [1] * 7 + [0] * 3])
    with torch.inference_mode():
        whole = states(encoder, ids, mask)[:, ::every]
        thin = thin_states(encoder, ids, mask, every)
    there = mask[:, ::every].bool()
    torch.testing.assert_close(thin[there], whole[there], atol=1e-4, rtol=1e-4)


def test_an_encoder_of_another_family_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prevents an AttributeError after the texts were read."""
    from transformers import AutoModel, DistilBertConfig

    folder = tmp_path_factory.mktemp("distil")
    config = DistilBertConfig(vocab_size=300, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    AutoModel.from_config(config).save_pretrained(folder)
    recipe = Recipe.of(
        {"heads": {"a": {"kind": "score"}}, "encoder": {"path": str(folder), "every": 4}, "max_length": 16}
    )
    with pytest.raises(JudgeError, match="not distilbert"):
        _encoder(recipe, Vocabulary.train(["the gull"], 300))
