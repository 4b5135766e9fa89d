"""model.json, what a client must know of a model; in the run's folder and in the repository alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trainer.bert.errors import JudgeError

FILE = "model.json"


@dataclass(frozen=True)
class Head:
    """An output: `labels` in the order of its columns; probabilities are softmax(logits / temperature)."""

    kind: Literal["classes", "score"]
    labels: tuple[str, ...] = ()
    temperature: float = 1.0

    @property
    def size(self) -> int:
        """Columns of the output."""
        return len(self.labels) if self.kind == "classes" else 1


@dataclass(frozen=True)
class Description:
    """max_length counts [CLS] and [SEP]; outputs are named after the heads."""

    name: str
    max_length: int
    pad_id: int
    cls_id: int
    sep_id: int
    heads: Mapping[str, Head] = field(default_factory=dict)
    max_batch_size: int = 64

    def to_json(self) -> str:
        """As model.json holds it."""
        heads: dict[str, Any] = {}
        for name, head in self.heads.items():
            heads[name] = {"kind": head.kind}
            if head.kind == "classes":
                heads[name] |= {"labels": list(head.labels), "temperature": head.temperature}
        return json.dumps(asdict(self) | {"heads": heads}, ensure_ascii=False, indent=2) + "\n"

    @staticmethod
    def load(folder: Path) -> Description:
        """Raises JudgeError."""
        path = folder / FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            heads = {
                name: Head(**head | {"labels": tuple(head.get("labels", ()))})
                for name, head in found["heads"].items()
            }
            return Description(**found | {"heads": heads})
        except OSError as error:
            raise JudgeError(f"{path}, which describes a model, cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise JudgeError(f"{path} is no description of a model: {error!r}") from error

    def with_temperatures(self, temperatures: Mapping[str, float]) -> Description:
        """The same with other calibration; heads not named keep theirs."""
        heads = {
            name: replace(head, temperature=round(temperatures.get(name, head.temperature), 4))
            for name, head in self.heads.items()
        }
        return replace(self, heads=heads)
