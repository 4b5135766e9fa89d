"""Train a byte-level BPE vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.tokenizer.huggingface import to_huggingface
from services.tokenizer.pattern import PATTERN
from services.tokenizer.ranks import byte_letters, format_ranks, parse_ranks
from services.tokenizer.vocabulary import END_OF_DOCUMENT, Vocabulary

SIZE = 49_152  # 3 · 2^14: a multiple of 128 for the trainer's matrices, and every id fits in a uint16
# Bytes. 16 Han characters or a deep indentation; without it, the tables and licence texts of a corpus
# become tokens of their own.
LONGEST_TOKEN = 48
LEAST = 2  # times that a pair must occur: what occurs once is shortened nowhere else


def train(texts: Iterable[str], size: int = SIZE, end_of_document: str = END_OF_DOCUMENT) -> Vocabulary:
    """A vocabulary of at most `size` tokens: end of document (id 0), the 256 bytes, then the merges.

    Trained by HF `tokenizers` on pieces cut by our pattern; the same texts give the same vocabulary. It is
    smaller where no more pairs occur LEAST times.
    Raises ValueError if size is too small to hold every byte.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    if size < 257:
        raise ValueError(f"size is {size}; a byte-level vocabulary needs at least 257 tokens")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=LEAST,
        initial_alphabet=byte_letters(),
        special_tokens=[end_of_document],
        max_token_length=LONGEST_TOKEN,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    names = tokenizer.get_vocab()
    end = names.pop(end_of_document)
    byte_of = {letter: byte for byte, letter in enumerate(byte_letters())}
    ranks = {bytes(byte_of[letter] for letter in name): rank for name, rank in names.items()}
    return Vocabulary(format_ranks(ranks | {end_of_document.encode(): end}), end_of_document)


def as_tokenizer_json(vocabulary: Vocabulary, special: Sequence[str] = ()) -> Vocabulary:
    """The same ids as a tokenizer.json, and special tokens after them, for a model's chats and the like.

    vocabulary: of a rank file. Raises ValueError for a special token that is there already.
    """
    from tokenizers import AddedToken

    end = vocabulary.card.end_token
    for name in special:
        if not name or name in vocabulary.tokens() or special.count(name) > 1:
            raise ValueError(f"special token {name!r} is empty, given twice or a token of the texts")
    tokenizer = to_huggingface(parse_ranks(vocabulary.content), end)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    return Vocabulary(tokenizer.to_str(pretty=True).encode(), end)
