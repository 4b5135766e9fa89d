"""BPE that goes on from where a vocabulary stopped: merges of its own tokens, learned from texts.

HF `tokenizers` trains on characters. Here each character is a token of the old vocabulary, so that its
first merges are those that come after the old ones. A spelling is a string of such characters; in a text's
spelling its words stand apart, since no merge crosses the edge of a word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_EDGE = 0  # between words; ids begin at the next code point
_SURROGATES = range(0xD800, 0xE000)  # no characters: ids go on behind them
MAX_SIZE = 0x110000 - len(_SURROGATES) - 1  # ids that can be written as a character


class Merge(NamedTuple):
    """Two spellings that become one token."""

    left: str
    right: str


def spell(ids: npt.NDArray[np.uint32], words: npt.NDArray[np.uint32]) -> str:
    """ids, words: (n,), a token's id below MAX_SIZE and the number of its word, which never falls."""
    points = ids.astype("<u4") + (_EDGE + 1)
    points += np.where(points >= _SURROGATES.start, len(_SURROGATES), 0).astype("<u4")
    spelled = np.insert(points, np.flatnonzero(np.diff(words)) + 1, _EDGE)
    return spelled.astype("<u4").tobytes().decode("utf-32-le")


def ids_of(spelling: str) -> tuple[int, ...]:
    """The ids of a spelling without edges."""
    points = map(ord, spelling)
    return tuple(point - 1 - (len(_SURROGATES) if point >= _SURROGATES.stop else 0) for point in points)


def learn(spellings: Sequence[str], size: int, num_tokens: int, least: int) -> list[Merge]:
    """Merges of the pairs that occur most, in order, until they have made num_tokens new spellings.

    size: of the vocabulary; ids are below it. least: how often a pair must occur; where there are no more of
    these, it ends early. Of equal pairs the one of lower ids comes first, so the same spellings in any order
    give the same merges. Two merges may make one spelling.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = np.arange(size, dtype=np.uint32)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(chr(_EDGE))
    trainer = trainers.BpeTrainer(
        vocab_size=size + num_tokens,
        initial_alphabet=list(spell(alphabet, np.zeros_like(alphabet))),
        min_frequency=least,
        show_progress=False,
    )
    tokenizer.train_from_iterator(spellings, trainer)
    return [Merge(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]
