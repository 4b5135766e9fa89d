"""The model: a decoder as Llama has it (Touvron et al. 2023), in its own few lines.

    tokens → embedding → num_layers × (x + attention(norm(x)); x + swiglu(norm(x))) → norm → head

RMSNorm (Zhang & Sennrich 2019), rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020), grouped queries
(Ainslie et al. 2023). Names, shapes and the halves that are rotated are those of Hugging Face's Llama, so
that trainer.hf only renames.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from trainer import attention
from trainer.config import ModelConfig
from trainer.errors import ConfigError
from trainer.loss import head_losses

INIT_STD = 0.02  # GPT-2 (Radford et al. 2019), Llama, OLMo 2


class Attention(nn.Module):
    """Grouped-query attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        width, kv_width = config.num_heads * self.head_dim, config.kv_heads * self.head_dim
        self.query = nn.Linear(config.dim, width, bias=False)
        self.key = nn.Linear(config.dim, kv_width, bias=False)
        self.value = nn.Linear(config.dim, kv_width, bias=False)
        self.output = nn.Linear(width, config.dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cuts: Tensor | None) -> Tensor:
        """x: (B, L, dim) → the same. cos, sin: see rotations; cuts: see attention.bounds."""
        heads = (*x.shape[:2], -1, self.head_dim)
        query = rotate(self.query(x).view(heads), cos, sin)
        key = rotate(self.key(x).view(heads), cos, sin)
        seen = attention.attend(query, key, self.value(x).view(heads), cuts)
        out: Tensor = self.output(seen.flatten(2))
        return out


class FeedForward(nn.Module):
    """SwiGLU: output(silu(gate(x)) * up(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.dim, config.mlp_dim, bias=False)
        self.up = nn.Linear(config.dim, config.mlp_dim, bias=False)
        self.output = nn.Linear(config.mlp_dim, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, L, dim) → the same."""
        out: Tensor = self.output(functional.silu(self.gate(x)) * self.up(x))
        return out


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cuts: Tensor | None) -> Tensor:
        """x: (B, L, dim) → the same."""
        x = x + self.attention(self.attention_norm(x), cos, sin, cuts)
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out


class Decoder(nn.Module):
    """Tokens to logits, or, where targets are given, to losses. Parameters are float32 and initialised.

    autocast: type that matrices are multiplied in. recompute: backward computes each layer's activations
    again instead of keeping them. parallel.prepare sets both.
    Raises ConfigError where config.vocab_size is not known yet.
    """

    autocast: torch.dtype | None = None
    recompute: bool = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if not config.vocab_size:
            raise ConfigError("model.vocab_size: is not known; set it, or data.vocabulary_size")
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.head = nn.Linear(config.dim, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embedding.weight
        self.initialise()

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        documents: Tensor | None = None,
        targets: Tensor | None = None,
        scale: float | Tensor = 1.0,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits, (B, L, V); with targets the loss instead, and the losses of the tokens.

        tokens, positions: (B, L) int64; positions count within what a token may see. documents: (B, L) int32,
        the document of each token within its sequence, -1 padding; None: all before it is seen.
        targets: (B, L) int64, -100 where there is none. Then returns (loss, losses): loss is scale * the sum
        of losses, what backward() starts from; losses, (B, L) float32, are 0 where there is no target and
        have no gradient. Logits are made and dropped by chunks, see loss.py.
        """
        with self._precision(tokens.device):
            x = self._hidden(tokens, positions, documents)
            if targets is None:
                logits: Tensor = self.head(x)
                return logits
            return head_losses(x, self.head.weight, targets, scale)

    def _hidden(self, tokens: Tensor, positions: Tensor, documents: Tensor | None) -> Tensor:
        cuts = None if documents is None else attention.bounds(documents)
        cos, sin = rotations(positions, self.config.head_dim, self.config.rope_theta)
        x: Tensor = self.embedding(tokens)
        for layer in self.layers:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(layer, x, cos, sin, cuts, use_reentrant=False)
            else:
                x = layer(x, cos, sin, cuts)
        normed: Tensor = self.norm(x)
        return normed

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        return torch.autocast(device.type, self.autocast) if self.autocast else nullcontext()

    @torch.no_grad()
    def initialise(self) -> None:
        """Normal with INIT_STD; what writes into the residual stream less, by the root of how many do.

        So its variance does not grow with depth (Radford et al. 2019, 2.3). Norms begin as 1.
        """
        residual = INIT_STD / math.sqrt(2 * self.config.num_layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                parameter.normal_(std=residual if name.endswith("output.weight") else INIT_STD)

    def num_parameters(self, embedding: bool = True) -> int:
        """embedding: with those of embedding and head; they are counted once where they are tied."""
        outside = {id(self.embedding.weight), id(self.head.weight)}
        return sum(one.numel() for one in self.parameters() if embedding or id(one) not in outside)

    def flops_per_token(self, sequence_length: int) -> int:
        """Of forward and backward: 6 for each weight of a matrix, and attention over the whole sequence.

        As Chowdhery et al. 2022, PaLM, appendix B: half of attention is masked and still counted, and the
        embedding, which is looked up, is not.
        """
        config = self.config
        matrices = self.num_parameters(embedding=False) + config.vocab_size * config.dim
        return 6 * matrices + 12 * config.num_layers * config.dim * sequence_length


def rotations(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """The cos and sin of position / theta^(2i / head_dim), (B, L, 1, head_dim / 2) float32."""
    steps = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    angles = positions[..., None, None].float() * theta ** (-steps / head_dim)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x: (B, L, H, D); number i of a head turns with number i + D / 2, as in Hugging Face's Llama."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
