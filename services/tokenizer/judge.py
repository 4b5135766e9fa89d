"""The unit: text in, token ids beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from contracts import Document
from services.runtime import Drop, Emit, Judge, Resources, Settings, Verdict
from services.tokenizer.vocabulary import END_OF_DOCUMENT, Vocabulary, digest_of_file


@dataclass(frozen=True)
class TokenizerConfig:
    """Which vocabulary.

    vocabulary: a tiktoken rank file or a Hugging Face tokenizer.json; None for the default one.
    end_of_document: name of the token that closes each document.
    keep: leave the vocabulary in the store, for the sink and for who decodes parts.
    """

    vocabulary: Path | None = None
    end_of_document: str = END_OF_DOCUMENT
    keep: bool = True

    def __post_init__(self) -> None:
        if not self.end_of_document:
            raise ValueError("end_of_document is empty; it is the name of a token, such as <|endoftext|>")
        if self.vocabulary is None and self.end_of_document != END_OF_DOCUMENT:
            raise ValueError(
                f"the default vocabulary has no token {self.end_of_document} to end documents with, but "
                f"{END_OF_DOCUMENT}; leave end_of_document out, or name the vocabulary too"
            )


def build(config: TokenizerConfig, resources: Resources) -> Judge:
    """The judge. Raises ConfigurationError, and DependencyDown when the store does not answer."""
    vocabulary = Vocabulary.load(config.vocabulary, config.end_of_document)
    if config.keep:
        vocabulary.card.keep(resources.store, vocabulary.content)
    return partial(judge, vocabulary=vocabulary)


def needs(config: TokenizerConfig, _settings: Settings) -> None:
    """The vocabulary with its end-of-document token. Raises ConfigurationError."""
    if config.vocabulary is not None:
        Vocabulary.load(config.vocabulary, config.end_of_document)


def agrees(config: TokenizerConfig, _settings: Settings) -> Mapping[str, str]:
    """The vocabulary's digest: pools hold token ids. Raises ConfigurationError."""
    return {"vocabulary": digest_of_file(config.vocabulary, config.end_of_document)}


def judge(documents: Sequence[Document], *, vocabulary: Vocabulary) -> list[Verdict]:
    """Set `token_ids` (the end-of-document token last), `num_tokens`, `tokenizer` and bytes_per_token.

    tokenizer: digest of the vocabulary. bytes_per_token: a feature, UTF-8 bytes of the text by its own
    tokens; near 1 for noise, 3 to 4 for prose.
    A document without text is dropped (`empty`): it would be an end-of-document token alone.
    """
    end = np.array([vocabulary.end_of_document], dtype="<u4").tobytes()
    verdicts: list[Verdict] = []
    texts = [document.text for document in documents]
    for document, text, ids in zip(documents, texts, vocabulary.encode_batch(texts), strict=True):
        if not len(ids):
            verdicts.append(Drop("empty", measured=0, threshold=1, detail="no text to tokenise"))
            continue
        document.token_ids = ids.astype("<u4", copy=False).tobytes() + end
        document.num_tokens = len(ids) + 1
        document.tokenizer = vocabulary.digest
        document.features["bytes_per_token"] = len(text.encode()) / len(ids)
        verdicts.append(Emit(document))
    return verdicts
