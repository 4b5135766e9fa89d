"""The tokenizer: puts token ids and their count into the document, so that mixing is exact in tokens.

The vocabulary's digest goes with them, and the vocabulary into the store, so that ids are never read by
another one.
"""

from services.runtime import Unit
from services.tokenizer.judge import TokenizerConfig, agrees, build, judge, needs
from services.tokenizer.vocabulary import END_OF_DOCUMENT, Vocabulary

SERVICE = Unit(
    name="tokenizer",
    config=TokenizerConfig,
    build=build,
    drop_reasons=frozenset({"empty"}),
    offline={"keep": False},
    agrees=agrees,
    needs=needs,
)

__all__ = ["END_OF_DOCUMENT", "SERVICE", "TokenizerConfig", "Vocabulary", "judge"]
