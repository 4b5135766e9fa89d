"""A short pattern that stands on end many times: what makes the loss of a language model spike.

OLMo-core masks training sequences in which a pattern of at most 13 tokens stands 32 times on end (its
instance filter; OLMo et al. 2024, arXiv 2501.00656, section 3.1). Here a token is a word or a Han character
(page.py): rulers, borders of tables and drawings out of punctuation are none, and what is one long word is
judged by its length (max_run_length).
"""

from __future__ import annotations

import numpy as np

from services.rules.page import Page

LONGEST = 13  # tokens
LEAST = 32  # times on end

_STRIDE = 8  # in periods, of the places looked at first: a pattern that stands 32 times covers 3 of them


def pattern_repeats(page: Page) -> float:
    """How many times on end a pattern of at most 13 tokens stands, at most over all; 0 for less than 32."""
    tokens = page.token_hashes
    most = 0
    for period in range(1, LONGEST + 1):
        if len(tokens) < period * LEAST:
            break
        ahead = tokens[period:]
        hits = ahead[:: _STRIDE * period] == tokens[: len(ahead) : _STRIDE * period]
        if np.count_nonzero(hits) < 3 or not (hits[2:] & hits[1:-1] & hits[:-2]).any():
            continue
        differs = np.flatnonzero(ahead != tokens[: len(ahead)])
        bounds = np.concatenate(([-1], differs, [len(ahead)]))
        most = max(most, int(np.diff(bounds).max() - 1) // period + 1)
    return float(most) if most >= LEAST else 0.0
