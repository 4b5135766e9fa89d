"""A phase of a recipe: what is fed in a stretch of training, and what of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# Repeats of up to so many epochs are worth nearly as much as new text: Muennighoff et al. 2023, "Scaling
# data-constrained language models" (arXiv:2305.16264), section 6.
WORTHWHILE_USES = 4


def no_bool(value: Any) -> Any:
    """What YAML calls true is 1 to Python. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


# A bucket's name is part of a topic's name and a metric label, a phase's name is in every record.
Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]
# Bounded, so that a sum of weights is finite; counts of tokens are 64 bits in the mixer's state.
Weight = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
Tokens = Annotated[int, BeforeValidator(no_bool), Field(ge=1, lt=1 << 63)]
Uses = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=1000)]
# As the sink names its strategies; a test holds the two together.
Packing = Literal["best_fit", "concat", "related"]


EVERY = ""  # in place of a bucket's name: of all that are not named


def _of_every(value: Any) -> Any:
    return value if isinstance(value, dict) else {EVERY: value}


class Terms(NamedTuple):
    """What a phase takes of a bucket: documents of which `where` is true and that had fewer uses."""

    where: str
    max_uses: int


class Phase(BaseModel):
    """A stretch of training with its own shares.

    weights: by bucket, in any scale; a bucket that is left out has 0 and is not touched in this phase.
    tokens: the phase ends when so many are mixed, over all lanes; None: it never ends, so it is the last.
    where: CEL, by bucket; a document of which it is not true is passed over, and stays.
    max_uses: how often a document may be put into parts, in all phases together, by bucket. Above 1 a bucket
        that has nothing new is read again at once.
    packing: of this phase's parts; None: as the sink is set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    weights: dict[str, Weight]
    tokens: Tokens | None = None
    where: Annotated[dict[str, str], BeforeValidator(_of_every)] = Field(default_factory=dict)
    max_uses: Annotated[dict[str, Uses], BeforeValidator(_of_every)] = Field(default_factory=dict)
    packing: Packing | None = None

    @property
    def shares(self) -> dict[str, float]:
        """What a bucket is to be of all tokens, 0..1, of those that have a weight."""
        whole = sum(self.weights.values())
        return {name: weight / whole for name, weight in self.weights.items() if weight}

    def condition(self, bucket: str) -> str:
        """CEL, or empty: of this bucket everything is taken."""
        return self.where.get(bucket, self.where.get(EVERY, ""))

    def told_uses(self, bucket: str) -> int | None:
        """`max_uses` of this bucket, where the phase says it."""
        return self.max_uses.get(bucket, self.max_uses.get(EVERY))
