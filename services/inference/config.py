"""Settings of inference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InferenceConfig:
    """How texts are cut, batched and sent.

    windows: most windows of one text, evenly spaced from its head to its tail; 2 are head and tail, and what
        the judge that ships was measured with.
    bucket: tokens; a batch is padded to a multiple of it. Triton merges requests of one length only, so
        few lengths make full batches, and at most bucket-1 tokens of a row are padding.
    max_tokens: of one request, padding included; the rows that the server takes at once bound it too. A
        request costs client and server 1.5 ms of CPU together, however many windows are in it: 2 % of what
        64 windows of the judge that ships cost, 8 % of 16. The private Triton takes 1024 rows and cuts them
        into runs that its cache holds; one with a GPU runs whole what it is sent.
    in_flight: requests of one process at the server at once. Two keep one instance of the model busy, more
        keep several busy, and all wait in one queue until their deadline.
    deadline_s: for the answer to a request, waiting at the server and all tries included. A batch of
        documents must end within half of the runtime's time_limit_s (60).
    retries, backoff_s: further tries of a request that the server could not take, after a pause that
        starts at backoff_s and doubles: 1.5 s in all, which outlasts a hiccup. For longer the runtime waits.
    threads: of the in-process stand-in for one batch; 0 for as many as there are cores.
    """

    windows: int = 2
    bucket: int = 32
    max_tokens: int = 16_384
    in_flight: int = 2
    deadline_s: float = 20.0
    retries: int = 4
    backoff_s: float = 0.1
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("windows", "bucket", "max_tokens", "in_flight"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: at least 1 is needed, not {getattr(self, name)}")
        for name in ("retries", "threads"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: 0 or more is needed, not {getattr(self, name)}")
        for name in ("deadline_s", "backoff_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: more than 0 seconds are needed, not {getattr(self, name)}")
