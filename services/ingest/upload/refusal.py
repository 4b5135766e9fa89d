"""What a caller is told when something is not taken: a status and one line that says what to do."""

from __future__ import annotations


class Refusal(Exception):
    """Not taken. retry_after_s: when it may be; outcome: how it is counted."""

    def __init__(
        self, status: int, error: str, *, retry_after_s: int | None = None, outcome: str = "refused"
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.retry_after_s = retry_after_s
        self.outcome = outcome


def later(error: str, seconds: int) -> Refusal:
    """Too much at once."""
    return Refusal(429, error, retry_after_s=seconds, outcome="throttled")
