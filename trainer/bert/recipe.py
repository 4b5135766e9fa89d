"""What to learn and how: frozen dataclasses, and the YAML file they are read from.

heads:
  category: {kind: classes}
  quality: {kind: score, values: {good: 1, ordinary: 0.6, bad: 0}, field: label}
encoder: {layers: 4, width: 256}          # or {path: /models/xlm-roberta-base}
pretrain: {masked: 0.15}                  # share of words to guess; left out: none
fit: {epochs: 5, learning_rate: 3.0e-4}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as new
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from trainer.bert.errors import JudgeError


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class HeadConfig:
    """One judgement: a class out of several, or a score (a logit, higher is better).

    field: where the label stands in a record; the head's name when empty.
    labels: classes in the order of the outputs; empty: all that the training part shows, sorted.
    values: for a score whose labels are names: {"good": 1, "bad": 0}.
    low, high: bounds of a score's numbers; they are mapped to 0..1.
    weight: of this head's loss in the sum.
    balance: examples weigh (1 / how often their class is seen in their language) ** balance; 0 leaves them
        equal, 1 makes every class count the same. Half-way is what inverse-square-root sampling does.
    """

    kind: Literal["classes", "score"]
    field: str = ""
    labels: tuple[str, ...] = ()
    values: Mapping[str, float] = new(default_factory=dict)
    low: float = 0.0
    high: float = 1.0
    weight: float = 1.0
    balance: float = 0.5

    def __post_init__(self) -> None:
        _require(self.low < self.high, f"low ({self.low}) must be less than high ({self.high})")
        _require(self.weight > 0, "weight must be more than 0")
        _require(0 <= self.balance <= 1, "balance lies in 0..1")
        _require(len(set(self.labels)) == len(self.labels), "labels holds a label twice")
        _require(self.kind == "score" or not self.values, "values is for heads of kind score")
        _require(self.kind == "classes" or not self.labels, "labels is for heads of kind classes")
        outside = [name for name, value in self.values.items() if not self.low <= value <= self.high]
        _require(not outside, f"values of {', '.join(outside)} lie outside {self.low}..{self.high}")


@dataclass(frozen=True)
class SplitConfig:
    """How examples fall into parts, where a record's own `split` does not say.

    The hash of the text (case and white space aside) decides, so that a text and its copies stay together
    whatever file they stand in; records that share the field `group` (one page, one author) do too.
    """

    validation: float = 0.1
    test: float = 0.1
    group: str = "group"

    def __post_init__(self) -> None:
        _require(0 < self.validation < 1, "validation must lie between 0 and 1")
        _require(0 <= self.test < 1 - self.validation, "validation and test must leave something to train on")


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder that is there, or the shape of one to build.

    path: folder of a Hugging Face BERT-family model with its tokenizer. Nothing is downloaded.
    tokenizer: tokenizer.json to use for an encoder that is built; None: one is trained on the texts.
    embedding: width of the word embeddings when it is not the encoder's own (as in ELECTRA): a big
        vocabulary then costs less. 0: the same.
    freeze_words: leave the word embeddings as they are. Where they come from a bigger encoder, words that the
        labelled texts never show then stay beside those that they do, and other sources are judged better.
    every: the last layer is worked out for every so many tokens of a row and the mean is over these; 1: all.
        At 8 a network of two layers costs 0.64 of what it did. For encoders of the family of BERT, RoBERTa or
        ELECTRA.
    The default is 6.2 M weights: 6 MB in int8.
    """

    path: str | None = None
    tokenizer: str | None = None
    vocabulary: int = 12_000
    lowercase: bool = True
    layers: int = 4
    width: int = 256
    heads: int = 4
    inner: int = 1024
    embedding: int = 0
    dropout: float = 0.1
    freeze_words: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        _require(self.width % self.heads == 0, "width must be a multiple of heads")
        _require(
            min(self.layers, self.width, self.heads, self.inner) > 0,
            "the encoder's sizes must be more than 0",
        )
        _require(self.vocabulary >= 100, "vocabulary must be at least 100")
        _require(self.embedding >= 0, "embedding must not be negative")
        _require(0 <= self.dropout < 1, "dropout lies in 0..1")
        _require(self.every > 0, "every must be more than 0")


@dataclass(frozen=True)
class FitConfig:
    """One course of training.

    max_tokens bounds a batch with its padding; batch_size its rows.
    patience: evaluations (one per `evaluate_every` epochs) without a better validation score, then it stops;
        0: never. The best weights are kept.
    max_seconds: budget of the whole course over all resumes; the learning rate falls to 0 by its end.
    checkpoint_s: seconds between checkpoints: what a kill can cost. One is made at each evaluation too.
    """

    epochs: float = 5
    batch_size: int = 32
    max_tokens: int = 16_384
    learning_rate: float = 3e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    clip: float = 1.0
    evaluate_every: float = 1.0
    patience: int = 3
    max_seconds: float | None = None
    checkpoint_s: float = 60.0
    seed: int = 1

    def __post_init__(self) -> None:
        _require(self.epochs > 0, "epochs must be more than 0")
        _require(self.batch_size > 0 and self.max_tokens > 0, "batch_size and max_tokens must be more than 0")
        _require(self.learning_rate > 0, "learning_rate must be more than 0")
        _require(0 <= self.warmup < 1, "warmup is a share of the steps: 0..1")
        _require(self.evaluate_every > 0, "evaluate_every must be more than 0 epochs")
        _require(self.max_seconds is None or self.max_seconds > 0, "max_seconds must be more than 0")


@dataclass(frozen=True)
class PretrainConfig:
    """Learning from texts without labels, before the heads.

    masked: share of the tokens to guess; 0: no guessing. 15 % is BERT's; small models gain from less hiding.
    teacher: folder of a Hugging Face encoder whose sentence embeddings are to be matched; None: no teacher.
    prefix: what the teacher wants before each text ("query: " for E5).
    max_pieces: of max_length tokens, that a long text gives.
    """

    masked: float = 0.15
    teacher: str | None = None
    prefix: str = ""
    max_pieces: int = 8
    fit: FitConfig = FitConfig(epochs=10, batch_size=64, learning_rate=1e-3, patience=0)

    def __post_init__(self) -> None:
        _require(0 <= self.masked < 1, "masked lies in 0..1")
        _require(self.max_pieces > 0, "max_pieces must be more than 0")
        _require(self.masked > 0 or self.teacher is not None, "pretrain needs masked above 0, or a teacher")


@dataclass(frozen=True)
class Recipe:
    """The whole run. max_length is the tokens of a window, [CLS] and [SEP] counted."""

    heads: Mapping[str, HeadConfig]
    encoder: EncoderConfig = EncoderConfig()
    pretrain: PretrainConfig | None = None
    fit: FitConfig = FitConfig()
    split: SplitConfig = SplitConfig()
    max_length: int = 256
    dropout: float = 0.1  # before the heads

    def __post_init__(self) -> None:
        _require(bool(self.heads), "heads: name at least one head")
        _require(8 <= self.max_length <= 8192, "max_length must lie in 8..8192")
        bad = [name for name in self.heads if not name.isidentifier()]
        _require(not bad, f"a head's name is a word of letters, digits and _: not {', '.join(bad)}")
        taken = set(self.heads) & {"input_ids", "attention_mask"}
        _require(not taken, f"a head cannot be named {', '.join(taken)}: that is an input")

    @staticmethod
    def load(path: Path) -> Recipe:
        """Raises JudgeError naming the field that is wrong."""
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise JudgeError(f"recipe {path} cannot be read: {error}") from error
        return Recipe.of(found, str(path))

    @staticmethod
    def of(values: Any, name: str = "recipe") -> Recipe:
        """From plain values. Raises JudgeError naming the field that is wrong."""
        if not isinstance(values, dict) or "heads" not in values:
            raise JudgeError(f"{name}: a recipe has `heads:`, each with its kind (classes or score)")
        unknown = _unknown(values)
        if unknown:
            raise JudgeError(f"{name}: no such setting: {', '.join(unknown)}")
        try:
            return pydantic.TypeAdapter(Recipe).validate_python(values)
        except pydantic.ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise JudgeError(f"{name}: {wrong}") from error

    @property
    def digest(self) -> str:
        """Changes when the recipe does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=dict).encode()).hexdigest()[
            :16
        ]


_NESTED: dict[type[Any], dict[str, type[Any]]] = {
    Recipe: {"encoder": EncoderConfig, "pretrain": PretrainConfig, "fit": FitConfig, "split": SplitConfig},
    PretrainConfig: {"fit": FitConfig},
}


def _unknown(values: Mapping[str, Any], of: type[Any] = Recipe, above: str = "") -> list[str]:
    """Names that no dataclass has: pydantic passes over them in a plain dataclass."""
    found = [above + name for name in values if name not in of.__dataclass_fields__]
    nested = dict(_NESTED.get(of, {}))
    for name, inner in nested.items():
        if isinstance(values.get(name), Mapping):
            found += _unknown(values[name], inner, f"{above}{name}.")
    if of is Recipe and isinstance(values["heads"], Mapping):
        for name, head in values["heads"].items():
            if isinstance(head, Mapping):
                found += _unknown(head, HeadConfig, f"heads.{name}.")
    return found
