"""What a part looks like and when it is sealed. What its tokens are of, the documents say."""

from __future__ import annotations

from dataclasses import dataclass

from services.sink.strategies import STRATEGIES


@dataclass(frozen=True)
class SinkConfig:
    """How a lane is cut into parts.

    sequence_length: tokens; the context of the model, which has nothing to predict in less than two. As many
        as the index of Megatron can say.
    seal_tokens, seal_documents: a part ends with the document that reaches either.
    seal_age_s: no document waits longer for its part.
    packing: a strategy of services.sink.strategies, where the recipe's phase names none.
    shuffle: the sequences of a part are in an order by its name, so that documents that came together are not
        read together. The mix then holds over the part as a whole, and no more within it. `related` has it
        always.
    """

    sequence_length: int = 2048
    seal_tokens: int = 1 << 22  # 8 MiB of .bin; best-fit wastes less the larger its window is
    seal_documents: int = 100_000  # bounds memory and a replay where documents are very short
    seal_age_s: float = 300.0
    packing: str = "best_fit"
    shuffle: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.sequence_length < 1 << 31:
            raise ValueError(f"sequence_length must be 2 to 2147483647 tokens, not {self.sequence_length}")
        if self.seal_tokens < self.sequence_length:
            raise ValueError("seal_tokens must be at least sequence_length")
        if self.seal_documents < 1:
            raise ValueError("seal_documents must be at least 1")
        if not self.seal_age_s > 0:
            raise ValueError("seal_age_s must be above 0")
        if self.packing not in STRATEGIES:
            raise ValueError(f"packing must be one of {', '.join(STRATEGIES)}")
