"""A byte-level BPE vocabulary taken apart, and put together again with more tokens at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.tokenizer.huggingface import HuggingFaceEngine, to_huggingface
from services.tokenizer.ranks import byte_letters, format_ranks, name_of, parse_ranks
from services.tokenizer.vocabulary import Vocabulary, is_ranked, mended

_BYTE_OF = {letter: byte for byte, letter in enumerate(byte_letters())}
# They stand in no UTF-8, so some vocabularies leave them out.
_NEVER = {0xC0, 0xC1, *range(0xF5, 0x100)}


class ByteLevel:
    """The parts of a vocabulary that is a rank file, or a tokenizer.json with byte-level BPE.

    tokens: id by name. added: names of the tokens that are found in texts, or put between them, as a whole.
    Raises ValueError where a vocabulary is of another kind: without its 256 bytes, what is not in it would
    be lost.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        end = vocabulary.card.end_token
        self._content = vocabulary.content
        self._ranked = is_ranked(self._content)
        if self._ranked:
            definition = json.loads(to_huggingface(parse_ranks(self._content), end).to_str())
        else:
            definition = json.loads(self._content)
        if why := _unfit(definition):
            raise ValueError(f"{why}; only byte-level BPE can be extended (rank files, GPT-2 and most since)")
        self._engine = HuggingFaceEngine(json.dumps(definition).encode(), end)
        self.tokens = vocabulary.tokens()
        self.added = {token["content"] for token in definition.get("added_tokens", ())} | {end}
        self._names = {index: name for name, index in self.tokens.items()}

    def words(self, text: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Ids of a text, and for each the number of its word."""
        return self._engine.words(mended(text))

    def bytes_of(self, index: int) -> bytes:
        """The bytes of a token that is in a word with others (added ones are alone in theirs)."""
        return bytes(map(_BYTE_OF.__getitem__, self._names[index]))

    def with_more(self, tokens: Mapping[bytes, int], merges: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Contents of a file of the same kind that has these tokens and merges after its own.

        In a rank file the order of ids is that of the merges.
        """
        if self._ranked:
            end = b"" if self._content.endswith(b"\n") else b"\n"
            return self._content + end + format_ranks(dict(tokens))
        definition = json.loads(self._content)
        model = definition["model"]
        # Where an added token stands only beside the model, `tokenizers` gives it the next id after the
        # model's last, whatever the file says: in the model, it keeps the one that it had.
        for token in definition.get("added_tokens", ()):
            model["vocab"].setdefault(token["content"], self.tokens[token["content"]])
        model["vocab"] |= {name_of(token): index for token, index in tokens.items()}
        as_text = any(isinstance(merge, str) for merge in model["merges"][:1])
        names = ([name_of(left), name_of(right)] for left, right in merges)
        model["merges"] += [" ".join(pair) if as_text else pair for pair in names]
        return json.dumps(definition, ensure_ascii=False, indent=2).encode()


def _unfit(definition: Mapping[str, Any]) -> str | None:
    """Why a tokenizer.json is not byte-level BPE."""
    model = definition["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else "of no known kind")
    if kind != "BPE":
        return f"its model is {kind}"
    missing = [byte for byte, name in enumerate(byte_letters()) if name not in model["vocab"]]
    if lost := [byte for byte in missing if byte not in _NEVER]:
        return f"{len(lost)} of the 256 bytes are no tokens of it (first: {lost[0]:#04x})"
    if not any(map(_writes_bytes, (definition.get("pre_tokenizer"), definition.get("normalizer")))):
        return "it does not write texts as bytes (no ByteLevel before its model)"
    affixes = [name for name in ("continuing_subword_prefix", "end_of_word_suffix") if model.get(name)]
    return f"it marks the edges of words ({affixes[0]})" if affixes else None


def _writes_bytes(step: Mapping[str, Any] | None) -> bool:
    """Whether a normalizer or pre-tokenizer is ByteLevel, or a sequence with one."""
    inner = [each for name in ("pretokenizers", "normalizers") for each in (step or {}).get(name, ())]
    return step is not None and (step["type"] == "ByteLevel" or any(map(_writes_bytes, inner)))
