"""The ids that tiktoken gives, by an encoder that takes longer to load and half as long for a text.

fastokens remembers the pieces that it has seen. It takes 0.3 s and 100 MB to load, and 150 MB more for what
it remembers. That both give the same ids is no luck: the order of merges within what becomes a token is
that in which the token alone is merged, so one merge for each token, as fastokens has it, says as much as
all pairs that make one, as tiktoken has it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt

from services.runtime.logs import log
from services.tokenizer.pattern import PATTERN

Encode = Callable[[str], npt.NDArray[np.uint32]]

# In the place of the end-of-document token, as the loader wants no id left out: no UTF-8 has these bytes.
_NO_TEXT = b"\xff\xff"


def load(ranks: Mapping[bytes, int], end_of_document: int, plain: Encode) -> Encode | None:
    """The encoder of these ranks; None where there is none, or it does not agree with the `plain` one.

    What it is tried with is a text of all tokens.
    """
    from fastokens import Tokenizer

    try:
        with NamedTemporaryFile() as file:
            file.write(b"".join(_lines({**ranks, _NO_TEXT: end_of_document})))
            file.flush()
            tokenizer = Tokenizer.from_tiktoken(file.name, PATTERN)
    except ValueError as error:  # ranks that leave out an id, say, or a token that no two others make
        log.info("the vocabulary is encoded by tiktoken", reason=str(error))
        return None

    def encode(text: str) -> npt.NDArray[np.uint32]:
        ids: bytes = tokenizer.encode_batch_flat([text])[0]  # one by one: several would go to threads
        return np.frombuffer(ids, dtype="<u4")

    # The tokens side by side in an order that is not theirs, so that most merges have rivals.
    tokens = sorted(ranks, key=lambda token: token[::-1])
    text = b"".join(tokens).decode(errors="ignore")
    if not np.array_equal(encode(text), plain(text)):
        log.warning("the vocabulary is encoded by tiktoken", reason="fastokens gives other ids")
        return None
    return encode


def _lines(ranks: Mapping[bytes, int]) -> Iterator[bytes]:
    for token, rank in ranks.items():
        yield b"%s %d\n" % (base64.b64encode(token), rank)
