"""A Hugging Face `tokenizer.json`: run one, or make one out of ranks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from services.runtime import meant
from services.tokenizer.pattern import PATTERN
from services.tokenizer.ranks import lowest_free, name_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer


# How a file's tokens are read; part of the digest, since it decides the ids.
READING = "tokenizer.json, marks are letters 1"


class HuggingFaceEngine:
    """Any tokenizer.json, run by HF `tokenizers` without its truncation, padding and template.

    Control marks (see control_marks) never come out of a text: where their names stand in one, they are
    letters. Added tokens of other kinds (words, runs of spaces) are found in texts as the file says.

    About a seventh of the speed of the engine of ranks. Exact where the tokenizer is (byte-level
    BPE is; WordPiece and normalising ones are not). Raises ValueError when it cannot be used.
    """

    def __init__(self, content: bytes, end_of_document: str) -> None:
        from tokenizers import Tokenizer

        try:
            definition = json.loads(content)
            marks = control_marks(definition) | {end_of_document}
            # No text can hold these names but one that was made for it, and that is an error then.
            secret = hashlib.sha256(content).hexdigest()[:16]
            hidden = {name: f"{_NONCHARACTER}{secret}.{i}" for i, name in enumerate(sorted(marks))}
            tokenizer = Tokenizer.from_str(json.dumps(_hide(definition, hidden)))
        except Exception as error:
            raise ValueError(f"not a tokenizer.json: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        found = tokenizer.token_to_id(hidden[end_of_document])
        if found is None:
            known = sorted(marks - {end_of_document})
            near = meant(end_of_document, known)
            raise ValueError(
                f"it has no token {end_of_document}; its special tokens: {', '.join(known) or 'none'}{near}"
            )
        self.end_of_document: int = found
        self.size: int = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        self._tokenizer = tokenizer
        numbers = {mark: tokenizer.token_to_id(name) for mark, name in hidden.items()}
        self._names = {number: mark for mark, number in numbers.items() if number is not None}
        self._forbidden = np.array(sorted(self._names), dtype=np.uint32)

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Ids of a text. Raises ValueError if the model makes a control mark out of it all the same."""
        text.encode()  # UnicodeEncodeError for surrogates, as the other engine
        # One by one: encode_batch would start threads in every worker process.
        ids = np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.uint32)
        if np.isin(ids, self._forbidden).any():
            raise ValueError("the tokenizer makes a special token out of ordinary text")
        return ids

    def words(self, text: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Ids of a text as `encode` gives them, and for each the number of its word: no token crosses two."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return np.array(encoding.ids, dtype=np.uint32), np.array(encoding.word_ids, dtype=np.uint32)

    def tokens(self) -> dict[str, int]:
        """Id of every token by its name in the file."""
        known: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return {self._names.get(index, name): index for name, index in known.items()}

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The UTF-8 of the ids' text; half a character becomes U+FFFD. Raises KeyError for a wrong id."""
        for index in ids:
            if index >= self.size:
                raise KeyError(index)
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        for index in {*ids} & self._names.keys():  # of another writer's
            text = text.replace(str(self._tokenizer.id_to_token(index)), self._names[index])
        return text.encode()


_NONCHARACTER = "\ufdd0"
# By these names a model writes the bytes of what it has no piece for, and by nothing else can it find them.
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_BYTE_IN_TEXT = r"<0(?=x[0-9A-F]{2}>)"

# Forms in which tokenizers write what is no text: <|im_start|>, </s>, <tool_call>, <｜User｜>, [INST],
# [unused7], |||IP_ADDRESS|||, and fillers without brackets. A sentencepiece mark may have its space before.
_MARK = re.compile(
    r"[\s\u2581\u0120]*(?:"
    r"<[^<>]*\w[^<>]*>|<<[^<>]*\w[^<>]*>>|\[[^\[\]]*\w[^\[\]]*\]|\{+[^{}]*\w[^{}]*\}+|\|+[^|]*\w[^|]*\|+"
    r"|(?:unused|reserved|placeholder|dummy|madeupword|extra_id)[\w-]*\d+)"
    r"[\s\u2581\u0120]*"
)


def control_marks(definition: dict[str, Any]) -> set[str]:
    """Names of the added tokens that say something about a text and are none of it.

    Those that the file flags as special, and those that look like a control mark: repositories ship
    <|fim_prefix|> and <tool_call> with `special: false`, so that decoding shows them. An added word, a run
    of spaces or an operator is not one. An HTML tag that was added (<td>) is taken for one, which costs a
    page some tokens and no text. The unknown token stands for text.
    """
    added = definition.get("added_tokens", ())
    marks = {token["content"] for token in added if token["special"] or _MARK.fullmatch(token["content"])}
    return {mark for mark in marks if not _BYTE.fullmatch(mark)} - {_unknown(definition)}


def _hide(definition: dict[str, Any], hidden: Mapping[str, str]) -> dict[str, Any]:
    """The same tokenizer with the same ids, in which these tokens bear names that no text holds.

    To flag them special is not enough: a model that has a name in its own vocabulary (Unigram with </s>,
    BPE with `ignore_merges`) finds it in a text by itself, and to cut the text there would give the pieces
    of a sentencepiece tokenizer spaces that were not in it.
    """
    model = definition["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {hidden.get(name, name): index for name, index in vocabulary.items()}
    else:
        model["vocab"] = [[hidden.get(name, name), score] for name, score in vocabulary]
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if not _makes(merge, hidden)]
    for token in definition.get("added_tokens", ()):
        if token["content"] in hidden:
            token |= {"content": hidden[token["content"]], "special": True, "normalized": False}
        elif _BYTE.fullmatch(token["content"]):
            token["special"] = True  # not looked for in texts
    definition["post_processor"] = None  # it asks for tokens by name, and only adds to a text
    if model.get("byte_fallback") and isinstance(vocabulary, list):  # Unigram would find <0x41> in a text
        before = [definition["pre_tokenizer"]] if definition.get("pre_tokenizer") else []
        cut = {"type": "Split", "pattern": {"Regex": _BYTE_IN_TEXT}, "behavior": "Isolated", "invert": False}
        definition["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*before, cut]}
    return definition


def _makes(merge: str | Sequence[str], names: Container[str]) -> bool:
    """Whether a merge of BPE makes one of these tokens, or goes on from one."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names


def _unknown(definition: dict[str, Any]) -> str | None:
    model = definition["model"]
    if model.get("unk_id") is not None:
        return str(model["vocab"][model["unk_id"]][0])
    unknown: str | None = model.get("unk_token")
    return unknown


def to_huggingface(ranks: dict[bytes, int], end_of_document: str) -> Tokenizer:
    """The same tokenizer for HF `tokenizers` (its `save` writes a tokenizer.json).

    ranks: token bytes to id, the end-of-document token left out (then it has the lowest free id) or not.
    A pair is merged if its concatenation is a token, in order of that token's rank, as tiktoken does.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    ranks = dict(ranks)
    given = ranks.pop(end_of_document.encode(), None)
    names = {token: name_of(token) for token in ranks}
    merges = [
        (names[token[:cut]], names[token[cut:]])
        for token in sorted(ranks, key=ranks.__getitem__)
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    vocabulary = {names[token]: rank for token, rank in ranks.items()}
    vocabulary[end_of_document] = lowest_free(ranks) if given is None else given
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(end_of_document, special=True, normalized=False)])
    return tokenizer
