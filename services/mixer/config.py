"""How the mixer works; what it mixes is the recipe's business."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_LINGER_S = 60


@dataclass(frozen=True)
class MixerConfig:
    """How much is held and moved at a time; what is mixed is the recipe's business.

    buffer_*: per bucket; past either the pool is paused and waits in Kafka.
    step_*: bounds of one transaction, about what a batch of the other services holds.
    look_ahead: documents of a bucket among which one is sought that spacing and limits allow; where all of
        them are too near the first one goes.
    linger_s: how long what has come waits for more, while it is less than a step: one transaction for many
        documents, and one of each service behind. A Flush does not wait.
    hold: mix at a Flush alone. For a run with an end: no document is mixed before every better duplicate
        of it has come in, and the mix is made of all there is.
    """

    buffer_documents: int = 1000
    buffer_bytes: int = 16 << 20
    step_documents: int = 1000
    step_bytes: int = 8 << 20
    look_ahead: int = 256
    linger_s: float = 2.0
    hold: bool = False

    def __post_init__(self) -> None:
        for name in ("buffer_documents", "buffer_bytes", "step_documents", "step_bytes", "look_ahead"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 0 <= self.linger_s <= _LONGEST_LINGER_S:
            raise ValueError(f"linger_s must be between 0 and {_LONGEST_LINGER_S}")
